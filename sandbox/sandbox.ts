/** The sandbox as the gateway sees it: opened with its plugins, asked, closed. A reload opens another one beside it. */
import type { ActivationsConfig } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import type { Clock } from '../core/observe/clock.ts'
import type { Log } from '../core/observe/log.ts'
import type { StateStore } from '../core/state/state-store.ts'
import { Broker } from './broker/broker.ts'
import { loadPlugins } from './load.ts'
import { Panel, type PluginUsage } from './panel.ts'
import type { Recorder } from './recorder.ts'
import { readSandboxSources, type SandboxConfig, type SandboxSources } from './sources.ts'
import { TrustDomain } from './trust-domain.ts'

export interface SandboxOptions {
  readonly state: StateStore
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1): seeds of the plugins' random numbers. */
  readonly random: () => number
  /** What plugins did so far, by name: counted on from there. */
  readonly usage?: Map<string, PluginUsage>
  /** Where activations are written down, and whose. */
  readonly recording?: { readonly recorder: Recorder; readonly settings: ActivationsConfig }
}

export interface Sandbox {
  readonly panel: Panel
  /** Process id of the plughost, null while it is being replaced. */
  readonly plughostPid: () => number | null
  /** How often a plughost died since the start. */
  readonly plughostDeaths: () => number
  close(): void
}

/** Starts a plughost and loads every plugin; with a problem nothing is left running. */
export async function openSandbox(
  { tables, ...sources }: SandboxSources,
  { state, clock, log, random, usage = new Map(), recording }: SandboxOptions,
): Promise<Sandbox | { readonly problems: readonly Problem[] }> {
  const domain = new TrustDomain({ clock, log, random, broker: new Broker(state, tables, clock) })
  const loading = await loadPlugins(sources, domain)
  if ('problems' in loading) {
    domain.close()
    return loading
  }
  return {
    panel: new Panel(
      loading.plugins,
      domain,
      usage,
      recording?.recorder.begin(recording.settings, loading.plugins),
    ),
    plughostPid: () => domain.pid,
    plughostDeaths: () => domain.deaths,
    close: () => domain.close(),
  }
}

/** Reads and opens in one: what the files say now. */
export async function openConfigured(
  config: SandboxConfig,
  options: SandboxOptions,
): Promise<Sandbox | { readonly problems: readonly Problem[] }> {
  const { sources, problems } = readSandboxSources(config)
  const opened = await openSandbox(sources, options)
  if (problems.length === 0) return opened
  if ('problems' in opened) return { problems: [...problems, ...opened.problems] }
  opened.close()
  return { problems }
}
