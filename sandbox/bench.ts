/**
 * What a plugin costs: processor time of each hook in a real isolate in a real plughost, with the JIT compiler and
 * without it. Asked about made-up events, its tools answered from memory; or about recorded activations, its tools
 * answered as they were.
 */
import type { Config, PluginConfig } from '../config/config.ts'
import { formatProblem, type Problem } from '../config/problem.ts'
import { MessagePool } from '../core/content/pool.ts'
import type { PluginReport } from '../core/hooks/plugin-panel.ts'
import type { Fault } from '../core/mail/answer.ts'
import type { HookEvents, HookName } from '../core/mail/hook-events.ts'
import { HOOK_NAMES } from '../core/mail/hook-events.ts'
import { systemClock } from '../core/observe/clock.ts'
import { silentLog } from '../core/observe/log.ts'
import type { Activation } from './activation.ts'
import { type AuthorPlace, authorPlace } from './author-place.ts'
import { Broker } from './broker/broker.ts'
import { SessionNotes } from './broker/notes.ts'
import { PluginCounters } from './broker/plugin-counters.ts'
import { Domains } from './domains.ts'
import type { EffectBroker } from './effects.ts'
import { loadPlugins, type ReadyPlugin } from './load.ts'
import { Panel } from './panel.ts'
import { PluginBounds } from './plugin-bounds.ts'
import { forgetfulQuarantine } from './quarantine.ts'
import { RecordedEffects } from './recorded-effects.ts'
import type { RecordedLoad } from './recording-file.ts'
import { readerOf, whyLeft } from './replay.ts'
import { SAMPLE_MESSAGE, sampleEvent } from './sample-events.ts'
import { readSandboxSources, type SandboxSources } from './sources.ts'
import { testDoor, testResolver, testTcpDoor } from './test-network.ts'
import { KeptValues, readerOf as messageOf } from './testing.ts'

export interface BenchOptions {
  readonly plugin: PluginConfig
  readonly lookups: Config['lookups']
  /** null: every hook it has. */
  readonly hooks: readonly HookName[] | null
  /** Calls counted of each hook, at least 1. */
  readonly count: number
  /** Asked about these activations instead of made-up events; null: made-up ones. */
  readonly recording: readonly RecordedLoad[] | null
  /** Hears how many of all calls were made. */
  readonly progress: (made: number, all: number) => void
}

export interface Bench {
  readonly plugin: { readonly name: string; readonly version: string; readonly build: string }
  /** Without the JIT compiler first: so a plugin of the user's runs. */
  readonly runs: readonly BenchRun[]
}

export interface BenchRun {
  readonly jit: boolean
  /** Median of loading it into a new isolate, in microseconds of wall time. */
  readonly loadMicros: number
  /** What its isolate held in memory when it was loaded, in octets. */
  readonly heapBytes: number
  readonly hooks: readonly BenchedHook[]
}

/** Processor time of the plugin in one call, in microseconds; what its tools cost outside is not in it. */
export interface BenchedHook {
  readonly hook: HookName
  readonly calls: number
  readonly medianMicros: number
  readonly p99Micros: number
  readonly mostMicros: number
  readonly faults: number
  readonly firstFault: (Pick<Fault, 'kind' | 'message'> & AuthorPlace) | null
}

/** It cannot be measured. The message is what an author would read. */
export class BenchImpossible extends Error {}

const LOADS = 5
/** Calls before those that count: what is compiled at first use is compiled then. */
const WARM_UP_CALLS = 100
const PROGRESS_EVERY = 50
const CHAIN_MS = 30_000

/** @throws BenchImpossible */
export async function bench(options: BenchOptions): Promise<Bench> {
  const { plugin: entry, lookups, progress } = options
  const { sources, problems } = readSandboxSources({ plugins: [entry], lookups, secrets: {}, file: null })
  if (problems.length > 0) throw new BenchImpossible(spoken(problems))
  const runs: BenchRun[] = []
  let plugin: Bench['plugin'] | null = null
  let made = 0
  for (const jit of [false, true]) {
    await using bench = await Workbench.open(sources, jit)
    const hooks = chosenHooks(bench.plugin, options)
    const all = 2 * hooks.length * (WARM_UP_CALLS + options.count)
    const measured: BenchedHook[] = []
    for (const hook of hooks)
      measured.push(
        await bench.measure(hook, options, () => {
          if (++made % PROGRESS_EVERY === 0) progress(made, all)
        }),
      )
    const { name, version, build } = bench.plugin.identity
    plugin = { name, version, build }
    runs.push({ jit, loadMicros: bench.loadMicros, heapBytes: bench.plugin.heapBytes, hooks: measured })
  }
  return { plugin: plugin as Bench['plugin'], runs }
}

/** @throws BenchImpossible when there is nothing to ask it */
function chosenHooks({ manifest, identity }: ReadyPlugin, options: BenchOptions): readonly HookName[] {
  const { hooks, recording } = options
  const missing = hooks?.find((hook) => !manifest.hooks.includes(hook))
  if (missing !== undefined)
    throw new BenchImpossible(
      `The plugin "${identity.name}" has no hook "${missing}".\nFix: it has ${manifest.hooks.join(', ')}`,
    )
  const wanted = HOOK_NAMES.filter((hook) => (hooks ?? manifest.hooks).includes(hook))
  if (recording === null) return wanted
  const recorded = wanted.filter((hook) => activationsOf(recording, hook).length > 0)
  if (recorded.length > 0) return recorded
  throw new BenchImpossible(`The recording has no activation of ${wanted.join(', ')} that can be played.`)
}

function activationsOf(recording: readonly RecordedLoad[], hook: HookName): readonly Activation[] {
  return recording.flatMap(({ activations }) =>
    activations.filter(
      (one): one is Activation => one.kind === 'activation' && one.hook === hook && whyLeft(one) === null,
    ),
  )
}

/** One plugin in an isolate, and what it is asked with. */
class Workbench implements AsyncDisposable {
  readonly plugin: ReadyPlugin
  readonly loadMicros: number
  readonly #panel: Panel
  readonly #stage: Stage

  private constructor(plugin: ReadyPlugin, loadMicros: number, stage: Stage) {
    this.plugin = plugin
    this.loadMicros = loadMicros
    this.#stage = stage
    this.#panel = new Panel([plugin], new Map(), forgetfulQuarantine())
  }

  /** @throws BenchImpossible when it does not load */
  static async open(sources: SandboxSources, jit: boolean): Promise<Workbench> {
    const stage = new Stage(sources, jit)
    try {
      // The first one waits for the process, too.
      let plugin = await stage.load()
      const times: number[] = []
      for (let load = 0; load < LOADS; load++) {
        const before = performance.now()
        plugin = await stage.load()
        times.push((performance.now() - before) * 1_000)
      }
      stage.equip(plugin)
      return new Workbench(plugin, Math.round(quantile(times, 0.5)), stage)
    } catch (error) {
      await stage.close()
      throw error
    }
  }

  async measure(hook: HookName, { count, recording }: BenchOptions, made: () => void): Promise<BenchedHook> {
    const activations = recording === null ? null : activationsOf(recording, hook)
    const times: number[] = []
    const faults: Fault[] = []
    for (let call = -WARM_UP_CALLS; call < count; call++) {
      const number = call + WARM_UP_CALLS
      const activation = activations?.[number % activations.length]
      const report =
        activation === undefined ? await this.#askSample(hook, number) : await this.#askRecorded(activation)
      made()
      if (call < 0) continue
      times.push(report.cpuMicros)
      if (report.fault !== null) faults.push(report.fault)
    }
    return {
      hook,
      calls: count,
      medianMicros: quantile(times, 0.5),
      p99Micros: quantile(times, 0.99),
      mostMicros: quantile(times, 1),
      faults: faults.length,
      firstFault: faults[0] === undefined ? null : this.#told(faults[0]),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stage.close()
  }

  #askSample(hook: HookName, number: number): Promise<PluginReport> {
    const message = hook === 'data' ? messageOf(SAMPLE_MESSAGE) : null
    return this.#ask(hook, sampleEvent(hook, number), message)
  }

  async #askRecorded(activation: Activation): Promise<PluginReport> {
    const { hook, event } = activation
    const effects = new RecordedEffects(activation.effects)
    this.#stage.play(activation, effects)
    const message = hook === 'data' ? readerOf(activation) : null
    const asked = this.#ask(hook, event as HookEvents[HookName], message)
    const answered = activation.effects.map((effect) => effects.answer(effect, asked))
    const report = await asked
    await Promise.all(answered)
    return report
  }

  async #ask(
    hook: HookName,
    event: HookEvents[HookName],
    message: Parameters<Panel['ask']>[0]['message'],
  ): Promise<PluginReport> {
    const call = { hook, event, message, session: 's_bench', chainMs: CHAIN_MS }
    const [report] = await this.#panel.ask(call, 0)
    if (report === undefined) throw new BenchImpossible(`The plugin has no hook "${hook}".`)
    return report
  }

  #told(fault: Fault): BenchedHook['firstFault'] {
    return { kind: fault.kind, message: fault.message, ...authorPlace(fault, this.plugin) }
  }
}

/** Process, clock, random numbers and tools of a workbench. */
class Stage {
  readonly #sources: SandboxSources
  readonly #domains: Domains
  readonly #contents = new MessagePool({ log: silentLog })
  #now: number | null = null
  #random: number | null = null
  #tools: EffectBroker | null = null

  constructor(sources: SandboxSources, jit: boolean) {
    this.#sources = sources
    this.#domains = new Domains({
      clock: { now: () => this.#now ?? Date.now(), monotonic: () => systemClock.monotonic() },
      log: silentLog,
      usage: new Map(),
      bounds: new PluginBounds(undefined, Infinity),
      random: () => this.#random ?? Math.random(),
      broker: {
        effect: (method) => this.#tools?.effect(method),
        failed: (caller, method, error) =>
          this.#tools?.failed(caller, method, error) ?? { name: 'Unavailable', message: String(error) },
      },
      jit,
      idle: null,
    })
  }

  /** @throws BenchImpossible */
  async load(): Promise<ReadyPlugin> {
    const loading = await loadPlugins(this.#sources, this.#domains, null)
    if ('problems' in loading) throw new BenchImpossible(spoken(loading.problems))
    const [plugin] = loading.plugins
    if (plugin === undefined) throw new Error('a plugin that loaded is not there')
    return plugin
  }

  /** Tools that answer at once: kept values in memory, no name and no server known. */
  equip({ permissions }: ReadyPlugin): void {
    this.#tools = new Broker({
      state: new KeptValues(new Map()),
      tables: this.#sources.tables,
      contents: this.#contents,
      resolver: testResolver({}, {}),
      http: testDoor({}, []),
      tcp: testTcpDoor({}, []),
      sleep: () => Promise.resolve(),
      secrets: Object.fromEntries(permissions.secrets.patterns.map((name) => [name, 'a secret'])),
      notes: new SessionNotes(),
      counters: new PluginCounters(),
      clock: systemClock,
      log: silentLog,
      random: Math.random,
    })
  }

  /** From now on everything is as it was recorded. */
  play({ t, seed }: Activation, effects: RecordedEffects): void {
    this.#now = t
    this.#random = (seed + 0.5) / 0x7fffffff
    this.#tools = {
      effect: (method) => ({ write: false, run: (_caller, args) => effects.ask(method, args) }),
      failed: (_caller, _method, error) => {
        const { name, message } = error instanceof Error ? error : new Error(String(error))
        return { name, message }
      },
    }
  }

  async close(): Promise<void> {
    this.#domains.close()
    await this.#contents.close()
  }
}

/** The value below or at which this share of them is; of at least one. */
function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0
}

function spoken(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join('\n\n')
}
