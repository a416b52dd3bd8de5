/** The trust domains of one generation: whose plugins share a plughost, and with how much trust it is started. */
import type { PluginConfig } from '../config/config.ts'
import { type PluginBacklog, worstBacklog } from './plugin-backlog.ts'
import { type DomainOptions, TrustDomain } from './trust-domain.ts'

/** A plughost as an operator sees it. */
export interface PlughostView {
  /** `bundled`, `shared` (plugins of the user's that share one), `spare` (of none yet), or the name of the one plugin it has. */
  readonly domain: string
  /** null while it is being replaced. */
  readonly pid: number | null
  readonly plugins: readonly string[]
}

/** Whether there is a JIT compiler follows from whose a plugin is, unless it is said. */
export type DomainsOptions = Omit<DomainOptions, 'jit'> & Partial<Pick<DomainOptions, 'jit'>>

export class Domains {
  readonly #options: DomainsOptions
  readonly #domains = new Map<string, TrustDomain>()
  /** Those without which mail is not let through. */
  readonly #needed = new Set<TrustDomain>()

  constructor(options: DomainsOptions) {
    this.#options = options
  }

  /** Where the plugin of this entry runs. A plugin of the gateway's never shares a process with one of the user's. */
  of(config: PluginConfig, plugin: number): TrustDomain {
    const domain = this.#of(config, plugin)
    if (config.onError !== 'skip') this.#needed.add(domain)
    return domain
  }

  #of({ source, process }: PluginConfig, plugin: number): TrustDomain {
    const shared = source.kind === 'bundled' ? 'bundled' : 'shared'
    const name = process === 'own' ? `own ${plugin}` : shared
    const known = this.#domains.get(name)
    if (known !== undefined) return known
    const jit = this.#options.jit ?? source.kind === 'bundled'
    // What is idle has no JIT compiler, so it is for plugins of the user's.
    const domain = new TrustDomain({ ...this.#options, jit, idle: jit ? null : this.#options.idle })
    this.#domains.set(name, domain)
    return domain
  }

  /** In the order their first plugins are configured. */
  views(): readonly PlughostView[] {
    return [...this.#domains].map(([name, { pid, pluginNames: plugins }]) => ({
      domain: name.startsWith('own ') ? (plugins[0] ?? name) : name,
      pid,
      plugins,
    }))
  }

  /** How often a plughost died. */
  get deaths(): number {
    return [...this.#domains.values()].reduce((sum, { deaths }) => sum + deaths, 0)
  }

  /** The worst of all that mail waits for. */
  get backlog(): PluginBacklog {
    return worstBacklog([...this.#needed].map(({ backlog }) => backlog))
  }

  close(): void {
    for (const domain of this.#domains.values()) domain.close()
  }
}
