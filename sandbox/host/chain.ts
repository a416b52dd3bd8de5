/** Calls in progress: each asks its plugins one after the other until one refuses or fails, or all were asked. */
import { CallTable } from '../protocol/call-table.ts'
import type { AskHead, LoadedReport, LoadRequest, PluginReportTuple } from '../protocol/messages.ts'

import { type Command, parseCommands } from './command.ts'
import { completeConfiguration } from './configuration.ts'
import { IsolateFault, PluginIsolate, threadMicros } from './engine.ts'
import { patiently } from './patience.ts'
import { type Call, type EffectAnswer, type Turn, TurnQueue } from './turn-queue.ts'

/** Where a chain's results go. */
export interface Outlet {
  reports(call: number, reports: readonly PluginReportTuple[]): void
  effect(call: number, effect: number, plugin: number, method: string, args: unknown): void
  log(call: number, plugin: number, level: string, text: string, fields: unknown): void
  /** Called before stays in an isolate: what a death from here on is blamed on. `call` 0: one of many. */
  entering(plugin: number, call: number): void
  /** Whether the worker has heard nothing for so long that it should. `now`: of performance.now(). */
  isOverdue(now: number): boolean
  /** What was handed over goes out now. */
  speak(): void
}

interface Loaded {
  readonly request: LoadRequest
  readonly config: string
  isolate: PluginIsolate | null
  /** Isolates this plugin has had before. */
  generation: number
  readonly turns: TurnQueue
  /** The call that was in the isolate last and left commands there; null: there are none. */
  hasSpoken: Call | null
}

/** Effects one isolate may number; 256 generations fit the 32 bits of a frame before they come round again. */
const EFFECTS_PER_ISOLATE = 2 ** 24
const GENERATIONS = 256

/**
 * Turns one after the other of the same plugin up to which each stay is written down and drained by itself. Beyond, the
 * plugin alone is written down, once: a write costs more than the stay of a plugin without an opinion.
 */
const FEW_TURNS = 8

/** A plugin that used less of its slice than this was not the one that took the time. */
const STARVED_SHARE = 0.5
/** Most that the thread uses between a reading of its CPU time and the stay it is read for. */
const STALE_MS = 5
/** From here on what a stay used of the processor is told from what it waited for it. */
const LONG_MICROS = 20_000
/** Calls remembered to be asked again; without the memory a busy machine spares one that never ends. */
const MAX_STARVED = 4_096

export class Chains {
  readonly #outlet: Outlet
  /** In the order of their numbers, which is the order of every chain. */
  #plugins = new Map<number, Loaded>()
  readonly #calls = new CallTable<Call>()
  /** Calls with reports not handed over yet; some may have been meanwhile. */
  #unsent: Call[] = []
  /** What calls to be asked again have used of the processor, by their number. */
  readonly #starved = new Map<number, { readonly plugin: number | undefined; readonly usedMicros: number }>()
  #frame = 0
  /** When the last stay ended, of performance.now(). */
  #now = 0
  #usedRead = 0
  #usedReadAt = Number.NEGATIVE_INFINITY

  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  /** Loads a plugin and checks its configuration. @returns what it declares @throws IsolateFault, ConfigurationError */
  load(plugin: number, request: LoadRequest): LoadedReport {
    this.#outlet.entering(plugin, 0)
    const startedAt = performance.now()
    this.#plugins.get(plugin)?.isolate?.dispose()
    const isolate = patiently(() => new PluginIsolate(request), isTimeout, threadMicros)
    try {
      const manifest: unknown = JSON.parse(isolate.manifestJson)
      const schema = (manifest as { config?: unknown }).config ?? null
      const config = JSON.stringify(completeConfiguration(schema, request.config))
      isolate.configure(config, 0)
      const loaded = { request, config, isolate, generation: 0, turns: new TurnQueue(), hasSpoken: null }
      this.#plugins = new Map([...this.#plugins.set(plugin, loaded)].sort(([a], [b]) => a - b))
      const wallMicros = Math.round((performance.now() - startedAt) * 1000)
      return { manifest, heapBytes: isolate.heapBytes(), wallMicros }
    } catch (error) {
      isolate.dispose()
      throw error
    }
  }

  /** Takes a question on; `work` puts it. */
  ask(id: number, head: AskHead, event: string, fields: string): void {
    const frame = ++this.#frame
    const call: Call = { id, head, event, fields, at: 0, reports: [], startedAt: 0, cpuMicros: 0, frame }
    this.#calls.add(call)
    this.#next(call)
  }

  /** An effect's result: with `work` the plugin that waits for it goes on. */
  settle(id: number, plugin: number, answer: EffectAnswer): void {
    const call = this.#calls.get(id)
    if (call === undefined || !isWith(call, plugin)) return
    this.#plugins.get(plugin)?.turns.add({ call, frame: ++this.#frame, answer })
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

  /**
   * Does everything that was taken on: plugin after plugin in the order of the chains, and for each one call after the
   * other as their frames came. So in every isolate things happen in the order of the frames, and what is the same for
   * all stays of a plugin is done once.
   */
  work(): void {
    this.#now = performance.now()
    for (let isDone = false; !isDone; ) {
      isDone = true
      for (const [plugin, loaded] of this.#plugins) {
        if (loaded.turns.isEmpty) continue
        isDone = false
        this.#workOff(plugin, loaded)
      }
    }
    this.#send()
  }

  #workOff(plugin: number, loaded: Loaded): void {
    const turns = loaded.turns.take()
    const each = turns.length <= FEW_TURNS || turns.some(({ call }) => call.head.watched)
    if (!each) this.#outlet.entering(plugin, 0)
    for (const turn of turns) {
      const { call } = turn
      // Cancelled, answered during another call's stay, or lost with the isolate.
      if (this.#calls.get(call.id) !== call || call.head.plugins[call.at] !== plugin) continue
      if (each) this.#outlet.entering(plugin, call.id)
      this.#stay(plugin, loaded, turn)
      if (each) this.#drain(plugin, loaded, false)
      if (this.#outlet.isOverdue(this.#now)) {
        this.#drain(plugin, loaded, false)
        this.#send()
        this.#outlet.speak()
      }
    }
    this.#drain(plugin, loaded, false)
  }

  /** One stay in an isolate. Whatever goes wrong becomes a report; what the plugin says is left there for `#drain`. */
  #stay(plugin: number, loaded: Loaded, { call, answer }: Turn): void {
    const { now, seed, hook } = call.head
    const usedBefore = this.#usedMicros()
    try {
      if (answer === null) call.startedAt = this.#now
      const isolate = (loaded.isolate ??= reloaded(loaded))
      const before = isolate.insideMicros()
      let hasSpoken = true
      let rejected: IsolateFault | null = null
      try {
        hasSpoken =
          answer === null
            ? isolate.start(now, seed, call.id, hook, call.event, call.fields)
            : isolate.settle(now, seed, call.id, answer.effect, answer.ok, answer.json)
      } catch (error) {
        if (!(error instanceof IsolateFault) || error.kind !== 'throw') throw error
        rejected = error
      }
      this.#now = performance.now()
      const inside = isolate.insideMicros() - before
      call.cpuMicros += inside < LONG_MICROS ? inside : Math.min(inside, threadMicros() - usedBefore)
      if (hasSpoken) loaded.hasSpoken = call
      else if (answer === null) this.#report(call, [plugin, 0, 0, 0])
      if (rejected === null) return
      // A promise nobody waits for was rejected: the plugin's fault, not this call's. What it did say still counts.
      this.#outlet.log(0, plugin, 'warn', `unhandled rejection: ${rejected.message}`, null)
      this.#drain(plugin, loaded, true)
    } catch (error) {
      this.#failed(call, plugin, loaded, usedBefore, error)
    }
  }

  /** What a plugin said since the last time. @param threw the last stay ended with an error */
  #drain(plugin: number, loaded: Loaded, threw: boolean): void {
    const { hasSpoken: call, isolate } = loaded
    if (call === null || isolate === null) return
    loaded.hasSpoken = null
    const usedBefore = this.#usedMicros()
    try {
      const before = isolate.insideMicros()
      const commands = isolate.drain(threw)
      call.cpuMicros += isolate.insideMicros() - before
      if (commands !== '') this.#obey(plugin, commands)
    } catch (error) {
      this.#failed(call, plugin, loaded, usedBefore, error)
    }
  }

  /** CPU time of this thread, as it was not long ago: to read it takes as much of it as a short stay. */
  #usedMicros(): number {
    if (this.#now - this.#usedReadAt > STALE_MS) {
      this.#usedRead = threadMicros()
      this.#usedReadAt = this.#now
    }
    return this.#usedRead
  }

  /** @throws what is no fault of an isolate's */
  #failed(call: Call, plugin: number, loaded: Loaded, usedBefore: number, error: unknown): void {
    if (!(error instanceof IsolateFault)) throw error
    this.#now = performance.now()
    const isToBlame = this.#calls.get(call.id) === call && isWith(call, plugin)
    if (isToBlame && !this.#isStarved(call, error, loaded, threadMicros() - usedBefore))
      this.#fault(call, plugin, error.kind, error.message, error.isolateStack)
    this.#isolateGone(plugin, loaded)
  }

  /**
   * Whether the time was over before the plugin had its share of the processor: the machine's fault, not the plugin's.
   * What it uses when it is asked again is added, so that one that never ends is found on a busy machine too.
   */
  #isStarved(
    { id, head, at }: Call,
    { kind }: IsolateFault,
    { request }: Loaded,
    usedMicros: number,
  ): boolean {
    const plugin = head.plugins[at]
    const before = this.#starved.get(id)
    const usedInAll = usedMicros + (before !== undefined && before.plugin === plugin ? before.usedMicros : 0)
    this.#starved.delete(id)
    if (kind !== 'timeout' || usedInAll >= request.sliceMs * 1000 * STARVED_SHARE) return false
    if (this.#starved.size >= MAX_STARVED) this.#starved.clear()
    this.#starved.set(id, { plugin, usedMicros: usedInAll })
    return true
  }

  /** After a timeout or a memory fault the isolate is not touched again; whoever waits in it is lost with it. */
  #isolateGone(plugin: number, loaded: Loaded): void {
    loaded.isolate?.dispose()
    loaded.isolate = null
    loaded.hasSpoken = null
    for (const call of this.#calls.values()) {
      if (!isWith(call, plugin)) continue
      call.reports.push([plugin, 3, 0, 0])
      this.#end(call)
    }
  }

  /** @throws IsolateFault when the plugin made its prelude say what it never says */
  #obey(plugin: number, json: string): void {
    const commands = parseCommands(json)
    if (commands === null)
      throw new IsolateFault('throw', 'the plugin tampers with what its isolate says', '')
    for (const command of commands) {
      if (command.kind === 'log')
        this.#outlet.log(command.call, plugin, command.level, command.text, command.fields)
      else if (command.kind === 'effect') this.#ask(plugin, command)
      else this.#answered(plugin, command)
    }
  }

  /** Earlier answers go first: the worker believes an effect only of the plugin whose turn it is. */
  #ask(plugin: number, { effect, call: id, method, args }: Extract<Command, { kind: 'effect' }>): void {
    const call = this.#calls.get(id)
    if (call === undefined || !isWith(call, plugin)) return
    this.#flush(call)
    this.#outlet.effect(id, effect, plugin, method, args)
  }

  #answered(plugin: number, command: Extract<Command, { kind: 'ended' | 'failed' }>): void {
    const call = this.#calls.get(command.call)
    // A late answer to a call that is over, or was taken to the next plugin: nobody waits for it.
    if (call === undefined || !isWith(call, plugin)) return
    if (command.kind === 'failed') return this.#fault(call, plugin, 'throw', command.message, command.stack)
    const { answer, actions } = command
    const isOver = endsAsking(answer, call.head.hook)
    if (answer === undefined && actions === undefined) this.#report(call, [plugin, 0, 0, 0])
    else this.#report(call, [plugin, 1, 0, 0, [answer ?? null, actions ?? []]], isOver)
  }

  #fault(call: Call, plugin: number, kind: string, message: string, stack: string): void {
    this.#report(call, [plugin, 2, 0, 0, { kind, message, stack }], true)
  }

  /** Books the answer of the plugin asked last and turns to the next one, if it is not the last word. */
  #report(call: Call, [plugin, kind, , , body]: PluginReportTuple, isOver = false): void {
    const wallMicros = Math.round((this.#now - call.startedAt) * 1000)
    if (call.reports.length === 0) this.#unsent.push(call)
    call.reports.push(
      body === undefined
        ? [plugin, kind, call.cpuMicros, wallMicros]
        : [plugin, kind, call.cpuMicros, wallMicros, body],
    )
    call.at++
    call.startedAt = 0
    call.cpuMicros = 0
    if (isOver) this.#end(call)
    else this.#next(call)
  }

  /** The plugin whose turn it is is going to be asked; after the last one the call is over. */
  #next(call: Call): void {
    const plugin = call.head.plugins[call.at]
    if (plugin === undefined) return this.#end(call)
    const loaded = this.#plugins.get(plugin)
    if (loaded !== undefined) return loaded.turns.add({ call, frame: call.frame, answer: null })
    call.startedAt = this.#now
    this.#fault(call, plugin, 'unavailable', 'the plugin is not loaded', '')
  }

  #end(call: Call): void {
    this.#flush(call)
    this.#calls.delete(call.id)
  }

  /** The worker times each plugin from the report of the one before it: those of a call that waits go, too. */
  #send(): void {
    for (const call of this.#unsent) this.#flush(call)
    this.#unsent = []
  }

  #flush(call: Call): void {
    if (call.reports.length === 0) return
    this.#outlet.reports(call.id, call.reports)
    call.reports = []
  }
}

/** Whether the plugin was asked and has not answered. */
function isWith(call: Call, plugin: number): boolean {
  return call.startedAt !== 0 && call.head.plugins[call.at] === plugin
}

/** A refusal does, and so does what is no answer: the worker sees it the same way. */
function endsAsking(answer: unknown, hook: string): boolean {
  if (answer === null || answer === undefined || typeof answer !== 'object') return false
  const { kind } = answer as { kind?: unknown }
  return kind !== 'pass' && !(kind === 'accept' && hook === 'auth')
}

function isTimeout(error: unknown): boolean {
  return error instanceof IsolateFault && error.kind === 'timeout'
}

function reloaded(loaded: Loaded): PluginIsolate {
  const isolate = new PluginIsolate(loaded.request)
  loaded.generation = (loaded.generation + 1) % GENERATIONS
  isolate.configure(loaded.config, loaded.generation * EFFECTS_PER_ISOLATE)
  return isolate
}
