/** The sandbox as the gateway sees it: opened with its plugins, asked, closed. A reload opens another one beside it. */
import { setTimeout as sleepMs } from 'node:timers/promises'
import type { ActivationsConfig } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import type { MessageContents } from '../core/content/pool.ts'
import { exchangeHttp } from '../core/https.ts'
import type { Clock } from '../core/observe/clock.ts'
import type { Log } from '../core/observe/log.ts'
import type { StateStore } from '../core/state/state-store.ts'
import { exchangeTcp } from '../core/tcp.ts'
import { Broker } from './broker/broker.ts'
import type { NameLookups } from './broker/dns.ts'
import type { HttpDoor } from './broker/http.ts'
import { SessionNotes } from './broker/notes.ts'
import { PluginCounters } from './broker/plugin-counters.ts'
import type { TcpDoor } from './broker/tcp.ts'
import type { Sleep } from './broker/timer.ts'
import { Domains, type PlughostView } from './domains.ts'
import type { KnownManifests } from './known-manifests.ts'
import { loadPlugins } from './load.ts'
import { Panel } from './panel.ts'
import type { IdlePlughosts } from './plughost.ts'
import type { PluginBacklog } from './plugin-backlog.ts'
import { PluginBounds } from './plugin-bounds.ts'
import { Quarantine } from './quarantine.ts'
import type { Recorder } from './recorder.ts'
import { readSandboxSources, type SandboxConfig, type SandboxSources } from './sources.ts'
import type { PluginUsage } from './usage.ts'

export interface SandboxOptions {
  readonly state: StateStore
  readonly resolver: NameLookups
  /** Values of `secrets`, by name. */
  readonly secrets: Readonly<Record<string, string>>
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1): seeds of the plugins' random numbers. */
  readonly random: () => number
  /** What plugins did so far, by name: counted on from there. */
  readonly usage?: Map<string, PluginUsage>
  /** Counted on from there, and kept for the sandbox that comes after this one. */
  readonly counters?: PluginCounters
  readonly notes?: SessionNotes
  /** What plugins have under way and began; kept for the sandbox that comes after this one. */
  readonly bounds?: PluginBounds
  /** Instead of the network and of waiting, where there is neither. */
  readonly http?: HttpDoor
  readonly tcp?: TcpDoor
  readonly sleep?: Sleep
  /** What plugins are not asked; without one nothing is known yet. */
  readonly quarantine?: Quarantine
  /** Who looks into messages; null: nobody, and plugins are told so. */
  readonly contents?: MessageContents | null
  /** Where plughosts are found that are started already; without it there are none. */
  readonly idle?: IdlePlughosts
  /** Whether each plughost with plugins of the user's has a second one that stands by; without it none has. */
  readonly standby?: boolean
  /** What plugins that were approved declared before; without it each is loaded twice. */
  readonly manifests?: KnownManifests
  /** Where activations are written down, and whose. */
  readonly recording?: { readonly recorder: Recorder; readonly settings: ActivationsConfig }
}

export interface Sandbox {
  readonly panel: Panel
  /** One for each trust domain. */
  readonly plughosts: () => readonly PlughostView[]
  /** How often a plughost died since the start. */
  readonly plughostDeaths: () => number
  /** What waits for plugins that mail waits for. */
  readonly backlog: () => PluginBacklog
  /** Another one is in force: what goes on in this one ends, and nothing stands by for it. */
  readonly standDown: () => void
  close(): void
}

/** Starts a plughost for each trust domain and loads every plugin; with a problem nothing is left running. */
export async function openSandbox(
  { tables, ...sources }: SandboxSources,
  options: SandboxOptions,
): Promise<Sandbox | { readonly problems: readonly Problem[] }> {
  const { clock, log, random, usage = new Map() } = options
  const quarantine = options.quarantine ?? new Quarantine(clock, log)
  const bounds = options.bounds ?? new PluginBounds()
  const counters = options.counters ?? new PluginCounters()
  const broker = new Broker({
    contents: null,
    notes: new SessionNotes(),
    http: exchangeHttp,
    tcp: exchangeTcp,
    sleep: sleepMs,
    ...options,
    bounds,
    counters,
    tables,
  })
  const domains = new Domains({
    clock,
    log,
    random,
    usage,
    broker,
    bounds,
    idle: options.idle ?? null,
    standby: options.standby ?? false,
  })
  const loading = await loadPlugins(sources, domains, options.secrets, options.manifests)
  if ('problems' in loading) {
    domains.close()
    return loading
  }
  domains.standBy(true)
  return {
    panel: new Panel(loading.plugins, usage, quarantine, {
      recording: options.recording?.recorder.begin(options.recording.settings, loading.plugins) ?? null,
      counters,
      cpu: bounds.cpu,
    }),
    plughosts: () => domains.views(),
    plughostDeaths: () => domains.deaths,
    backlog: () => domains.backlog,
    standDown: () => domains.standBy(false),
    close: () => domains.close(),
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
