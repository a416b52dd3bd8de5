/** Calls in progress: each asks its plugins one after the other until one refuses or fails, or all were asked. */
import type { AskHead, LoadedReport, LoadRequest, PluginReportTuple } from '../protocol/messages.ts'
import { type Command, parseCommands } from './command.ts'
import { completeConfiguration } from './configuration.ts'
import { IsolateFault, PluginIsolate } from './engine.ts'

/** Where a chain's results go. */
export interface Outlet {
  reports(call: number, reports: readonly PluginReportTuple[]): void
  effect(call: number, effect: number, plugin: number, method: string, args: unknown): void
  log(call: number, plugin: number, level: string, text: string, fields: unknown): void
  /** Called before each stay in an isolate: what a death from here on is blamed on. */
  entering(plugin: number, call: number): void
}

interface Loaded {
  readonly request: LoadRequest
  readonly config: string
  isolate: PluginIsolate | null
  /** Isolates this plugin has had before. */
  generation: number
}

/** Effects one isolate may number; 256 generations fit the 32 bits of a frame before they come round again. */
const EFFECTS_PER_ISOLATE = 2 ** 24
const GENERATIONS = 256

interface Call {
  readonly id: number
  readonly head: AskHead
  readonly event: string
  readonly fields: string
  /** Index in head.plugins of the one being asked. */
  at: number
  /** Reports not sent yet. */
  reports: PluginReportTuple[]
  startedAt: number
  cpuMicros: number
}

/** A plugin that used less of its slice than this was not the one that took the time. */
const STARVED_SHARE = 0.5

export class Chains {
  readonly #outlet: Outlet
  readonly #plugins = new Map<number, Loaded>()
  readonly #calls = new Map<number, Call>()
  readonly #answeredAside: Call[] = []

  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  /** Loads a plugin and checks its configuration. @returns what it declares @throws IsolateFault, ConfigurationError */
  load(plugin: number, request: LoadRequest): LoadedReport {
    this.#outlet.entering(plugin, 0)
    this.#plugins.get(plugin)?.isolate?.dispose()
    const isolate = new PluginIsolate(request)
    try {
      const manifest: unknown = JSON.parse(isolate.manifestJson)
      const schema = (manifest as { config?: unknown }).config ?? null
      const config = JSON.stringify(completeConfiguration(schema, request.config))
      isolate.configure(config, 0)
      this.#plugins.set(plugin, { request, config, isolate, generation: 0 })
      return { manifest, heapBytes: isolate.heapBytes() }
    } catch (error) {
      isolate.dispose()
      throw error
    }
  }

  ask(id: number, head: AskHead, event: string, fields: string): void {
    const call: Call = { id, head, event, fields, at: 0, reports: [], startedAt: 0, cpuMicros: 0 }
    this.#calls.set(id, call)
    this.#advance(call)
    this.#advanceOthers()
  }

  /** An effect's result: the plugin that waits for it goes on. */
  settle(id: number, plugin: number, effect: number, ok: boolean, value: unknown): void {
    const call = this.#calls.get(id)
    const loaded = this.#plugins.get(plugin)
    if (call === undefined || loaded?.isolate == null || call.head.plugins[call.at] !== plugin) return
    const { now, seed } = call.head
    this.#stay(call, plugin, loaded, (isolate) =>
      isolate.settle(now, seed, id, effect, ok, JSON.stringify(value) ?? ''),
    )
    this.#advanceIfOver(call)
    this.#advanceOthers()
  }

  cancel(id: number): void {
    const call = this.#calls.get(id)
    if (call === undefined) return
    this.#calls.delete(id)
    const plugin = call.head.plugins[call.at]
    const isolate = plugin === undefined ? null : this.#plugins.get(plugin)?.isolate
    try {
      isolate?.cancel(id)
    } catch (error) {
      if (!(error instanceof IsolateFault)) throw error
    }
  }

  /** Asks plugin after plugin for as long as they answer at once. */
  #advance(call: Call): void {
    while (this.#calls.has(call.id)) {
      const plugin = call.head.plugins[call.at]
      if (plugin === undefined) return this.#end(call)
      call.startedAt = performance.now()
      call.cpuMicros = 0
      const before = call.at
      const loaded = this.#plugins.get(plugin)
      if (loaded === undefined) this.#fault(call, plugin, 'unavailable', 'the plugin is not loaded', '')
      else this.#start(call, plugin, loaded)
      if (call.at === before) return this.#flush(call)
    }
  }

  /** Calls that were answered during another call's stay: plugins share promises between their calls. */
  #advanceOthers(): void {
    for (let call = this.#answeredAside.pop(); call !== undefined; call = this.#answeredAside.pop())
      this.#advanceIfOver(call)
  }

  #advanceIfOver(call: Call): void {
    if (!this.#calls.has(call.id)) return
    if (call.startedAt === 0) this.#advance(call)
    else this.#flush(call)
  }

  #start(call: Call, plugin: number, loaded: Loaded): void {
    const { hook, now, seed } = call.head
    const said = this.#stay(call, plugin, loaded, (isolate) =>
      isolate.start(now, seed, call.id, hook, call.event, call.fields),
    )
    if (!said) this.#report(call, [plugin, 0, 0, 0])
  }

  /**
   * One stay in an isolate, then its commands. Whatever goes wrong becomes a report.
   *
   * @returns false when the plugin had no opinion and nothing else to say
   */
  #stay(call: Call, plugin: number, loaded: Loaded, enter: (isolate: PluginIsolate) => boolean): boolean {
    this.#outlet.entering(plugin, call.id)
    let before = 0
    try {
      const isolate = (loaded.isolate ??= reloaded(loaded))
      before = isolate.cpuMicros()
      let said = true
      let threw = false
      try {
        said = enter(isolate)
      } catch (error) {
        threw = true
        // A promise nobody waits for was rejected: the plugin's fault, not this call's. What it did say still counts.
        if (!(error instanceof IsolateFault) || error.kind !== 'throw') throw error
        this.#outlet.log(0, plugin, 'warn', `unhandled rejection: ${error.message}`, null)
      }
      const commands = said ? isolate.drain(threw) : ''
      call.cpuMicros += isolate.cpuMicros() - before
      if (commands !== '') this.#obey(call, plugin, commands)
      return said
    } catch (error) {
      if (!(error instanceof IsolateFault)) throw error
      if (!isStarved(error, loaded, before))
        this.#fault(call, plugin, error.kind, error.message, error.isolateStack)
      this.#isolateGone(plugin, loaded)
      return true
    }
  }

  /** After a timeout or a memory fault the isolate is not touched again; whoever waits in it is lost with it. */
  #isolateGone(plugin: number, loaded: Loaded): void {
    loaded.isolate?.dispose()
    loaded.isolate = null
    for (const call of this.#calls.values()) {
      if (call.head.plugins[call.at] !== plugin) continue
      call.reports.push([plugin, 3, 0, 0])
      this.#end(call)
    }
  }

  /** @throws IsolateFault when the plugin made its prelude say what it never says */
  #obey(entered: Call, plugin: number, json: string): void {
    const commands = parseCommands(json)
    if (commands === null)
      throw new IsolateFault('throw', 'the plugin tampers with what its isolate says', '')
    for (const command of commands) {
      if (command.kind === 'log')
        this.#outlet.log(command.call, plugin, command.level, command.text, command.fields)
      else if (command.kind === 'effect') this.#ask(plugin, command)
      else this.#answered(entered, plugin, command)
    }
  }

  /** Earlier answers go first: the worker believes an effect only of the plugin whose turn it is. */
  #ask(plugin: number, { effect, call: id, method, args }: Extract<Command, { kind: 'effect' }>): void {
    const call = this.#calls.get(id)
    if (call === undefined || call.head.plugins[call.at] !== plugin) return
    this.#flush(call)
    this.#outlet.effect(id, effect, plugin, method, args)
  }

  #answered(entered: Call, plugin: number, command: Extract<Command, { kind: 'ended' | 'failed' }>): void {
    const call = this.#calls.get(command.call)
    // A late answer to a call that is over, or was taken to the next plugin: nobody waits for it.
    if (call === undefined || call.head.plugins[call.at] !== plugin) return
    if (call !== entered) this.#answeredAside.push(call)
    if (command.kind === 'failed') return this.#fault(call, plugin, 'throw', command.message, command.stack)
    const { answer, actions } = command
    if (answer === undefined && actions === undefined) return this.#report(call, [plugin, 0, 0, 0])
    this.#report(call, [plugin, 1, 0, 0, [answer ?? null, actions ?? []]])
    if (endsAsking(answer, call.head.hook)) this.#end(call)
  }

  #fault(call: Call, plugin: number, kind: string, message: string, stack: string): void {
    this.#report(call, [plugin, 2, 0, 0, { kind, message, stack }])
    this.#end(call)
  }

  /** Books the answer of the plugin asked last and turns to the next one. */
  #report(call: Call, [plugin, kind, , , body]: PluginReportTuple): void {
    const wallMicros = Math.round((performance.now() - call.startedAt) * 1000)
    const tuple: PluginReportTuple =
      body === undefined
        ? [plugin, kind, call.cpuMicros, wallMicros]
        : [plugin, kind, call.cpuMicros, wallMicros, body]
    call.reports.push(tuple)
    call.at++
    call.startedAt = 0
  }

  #end(call: Call): void {
    this.#flush(call)
    this.#calls.delete(call.id)
  }

  #flush(call: Call): void {
    if (call.reports.length === 0) return
    this.#outlet.reports(call.id, call.reports)
    call.reports = []
  }
}

/** A refusal does, and so does what is no answer: the worker sees it the same way. */
function endsAsking(answer: unknown, hook: string): boolean {
  if (answer === null || answer === undefined || typeof answer !== 'object') return false
  const { kind } = answer as { kind?: unknown }
  return kind !== 'pass' && !(kind === 'accept' && hook === 'auth')
}

/** The time was over before the plugin had its share of the processor: the machine's fault, not the plugin's. */
function isStarved({ kind }: IsolateFault, { isolate, request }: Loaded, cpuMicrosAtEntry: number): boolean {
  if (kind !== 'timeout' || isolate === null) return false
  return isolate.cpuMicros() - cpuMicrosAtEntry < request.sliceMs * 1000 * STARVED_SHARE
}

function reloaded(loaded: Loaded): PluginIsolate {
  const isolate = new PluginIsolate(loaded.request)
  loaded.generation = (loaded.generation + 1) % GENERATIONS
  isolate.configure(loaded.config, loaded.generation * EFFECTS_PER_ISOLATE)
  return isolate
}
