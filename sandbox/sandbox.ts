/** The sandbox as the gateway sees it: opened with the configured plugins, asked, closed. */
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import type { Clock } from '../core/observe/clock.ts'
import type { Log } from '../core/observe/log.ts'
import type { StateStore } from '../core/state/state-store.ts'
import { Broker } from './broker/broker.ts'
import { readLookupTables } from './broker/lookup.ts'
import { loadPlugins } from './load.ts'
import { Panel } from './panel.ts'
import { TrustDomain } from './trust-domain.ts'

/** The part of the configuration that is about plugins. */
export type SandboxConfig = Pick<Config, 'plugins' | 'lookups'>

export interface SandboxOptions {
  readonly state: StateStore
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1): seeds of the plugins' random numbers. */
  readonly random: () => number
}

export interface Sandbox {
  readonly panel: Panel
  /** Process id of the plughost, null while it is being replaced. */
  readonly plughostPid: () => number | null
  /** How often a plughost died since the start. */
  readonly plughostDeaths: () => number
  close(): void
}

/** Starts a plughost and loads every configured plugin; with a problem nothing is left running. */
export async function openSandbox(
  config: SandboxConfig,
  { state, clock, log, random }: SandboxOptions,
): Promise<Sandbox | { readonly problems: readonly Problem[] }> {
  const { tables, problems } = readLookupTables(config.lookups)
  const domain = new TrustDomain({ clock, log, random, broker: new Broker(state, tables, clock) })
  const loading = await loadPlugins(config, domain)
  const found = [...problems, ...('problems' in loading ? loading.problems : [])]
  if ('problems' in loading || found.length > 0) {
    domain.close()
    return { problems: found }
  }
  return {
    panel: new Panel(loading.plugins, domain),
    plughostPid: () => domain.pid,
    plughostDeaths: () => domain.deaths,
    close: () => domain.close(),
  }
}
