/** Calls in progress: each asks its plugins one after the other until one refuses or fails, or all were asked. */
import { CallTable } from '../protocol/call-table.ts'
import type { LoadedReport, LoadRequest, PluginReportTuple } from '../protocol/messages.ts'
import { type Command, endsAsking, parseCommands } from './command.ts'
import { completeConfiguration } from './configuration.ts'
import { IsolateFault, isTimeout, PluginIsolate, STARTED, type Started, threadMicros } from './engine.ts'
import { LoadedPlugin } from './loaded.ts'
import type { Outlet } from './outlet.ts'
import { patiently } from './patience.ts'
import { makeRow, type Row, rowFrom, textOf } from './row.ts'
import { Starvation } from './starvation.ts'
import type { Call, EffectAnswer, Told, Turn } from './turn-queue.ts'

/**
 * Turns one after the other of the same plugin up to which each stay is written down and drained by itself. Beyond, the
 * plugin alone is written down, once: a write costs more than the stay of a plugin without an opinion.
 */
const FEW_TURNS = 4
/** From here on what a stay used of the processor is told from what it waited for it. */
const LONG_MICROS = 20_000

export class Chains {
  readonly #outlet: Outlet
  /** In the order of their numbers, which is the order of every chain. */
  #plugins = new Map<number, LoadedPlugin>()
  readonly #calls = new CallTable<Call>()
  /** Calls with reports not handed over yet; some may have been meanwhile. */
  #unsent: Call[] = []
  readonly #starvation = new Starvation()
  #frame = 0
  /** When the last stay ended, of performance.now(). */
  #now = 0

  constructor(outlet: Outlet) {
    this.#outlet = outlet
  }

  /** Loads a plugin and checks its configuration. @returns what it declares @throws IsolateFault, ConfigurationError */
  load(plugin: number, request: LoadRequest): LoadedReport {
    this.#outlet.entering(plugin, 0)
    const startedAt = performance.now()
    this.#plugins.get(plugin)?.disposeIsolate()
    const isolate = patiently(() => new PluginIsolate(request), isTimeout, threadMicros)
    try {
      const manifest: unknown = JSON.parse(isolate.manifestJson)
      const schema = (manifest as { config?: unknown }).config ?? null
      const config = JSON.stringify(completeConfiguration(schema, request.config))
      isolate.configure(config, 0)
      const loaded = new LoadedPlugin(request, config, isolate)
      this.#plugins = new Map([...this.#plugins.set(plugin, loaded)].sort(([a], [b]) => a - b))
      const wallMicros = Math.round((performance.now() - startedAt) * 1000)
      return { manifest, heapBytes: isolate.heapBytes(), wallMicros }
    } catch (error) {
      isolate.dispose()
      throw error
    }
  }

  /** Takes a question on; `work` puts it. */
  ask(id: number, head: Pick<Call, 'route' | 'now' | 'seed' | 'watched'>, told: Told): void {
    const frame = ++this.#frame
    const call: Call = { id, ...head, told, at: 0, reports: [], startedAt: 0, cpuMicros: 0, frame }
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
    const plugin = call.route.plugins[call.at]
    const isolate = plugin === undefined ? null : this.#plugins.get(plugin)?.current
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
        if (!loaded.hasWork) continue
        isDone = false
        this.#workOff(plugin, loaded)
      }
    }
    this.#send()
  }

  #workOff(plugin: number, loaded: LoadedPlugin): void {
    const rows = loaded.rows
    loaded.rows = []
    // Calls enter in the order of their frames: rows go on as they are while nobody else waits for the same plugin.
    const asRows = rows.length === 1 && loaded.turns.isEmpty && !loaded.entersAlone(this.#now)
    for (const row of rows) {
      if (asRows && row.calls.length > FEW_TURNS && !loaded.waitsIn.has(row.calls[0]?.route.hook ?? '')) {
        this.#outlet.entering(plugin, 0)
        this.#stayOfRow(plugin, loaded, row)
        this.#drain(plugin, loaded, false)
        this.#pause(plugin, loaded)
      } else this.#scatter(row)
    }
    const turns = loaded.turns.take()
    const each =
      turns.length <= FEW_TURNS || loaded.entersAlone(this.#now) || turns.some(({ call }) => call.watched)
    if (!each) this.#outlet.entering(plugin, 0)
    const mayBeInRow = (turn: Turn): boolean =>
      this.#isDue(plugin, turn) && !loaded.waitsIn.has(turn.call.route.hook)
    for (let at = 0; at < turns.length; this.#pause(plugin, loaded)) {
      const calls = each ? [] : rowFrom(turns, at, mayBeInRow)
      const [first] = calls
      if (first !== undefined && calls.length > 1) {
        this.#stayOfRow(plugin, loaded, makeRow(calls, first.at, []))
        at += calls.length
      } else {
        const turn = turns[at++] as Turn
        if (!this.#isDue(plugin, turn)) continue
        if (each) this.#outlet.entering(plugin, turn.call.id)
        this.#stay(plugin, loaded, turn)
        if (each) this.#drain(plugin, loaded, false)
      }
    }
    this.#drain(plugin, loaded, false)
  }

  /** Between two stays: the worker hears of what is done when it has heard nothing for long. */
  #pause(plugin: number, loaded: LoadedPlugin): void {
    if (!this.#outlet.isOverdue(this.#now)) return
    this.#drain(plugin, loaded, false)
    this.#send()
    this.#outlet.speak()
  }

  /** Neither cancelled, nor answered during another call's stay, nor lost with the isolate. */
  #isDue(plugin: number, { call }: Turn): boolean {
    return this.#calls.get(call.id) === call && call.route.plugins[call.at] === plugin
  }

  /** Calls that enter together. Whatever goes wrong is nobody's fault yet: then each enters by itself. */
  #stayOfRow(plugin: number, loaded: LoadedPlugin, row: Row): void {
    const startedAt = this.#now
    const { calls } = row
    try {
      const isolate = loaded.isolate()
      const before = isolate.insideMicros()
      const started = isolate.startRow((row.text ??= textOf(calls)), calls.length)
      this.#now = performance.now()
      const inside = isolate.insideMicros() - before
      // One of them took it all, and nobody knows which: none pays, and for a while each enters by itself.
      if (inside > LONG_MICROS) loaded.parts(this.#now)
      const cpuMicros = inside > LONG_MICROS ? 0 : Math.round(inside / started.length)
      const wallMicros = Math.round(((this.#now - startedAt) * 1000) / started.length)
      const quiet = [plugin, 0, cpuMicros, wallMicros] as const
      this.#partRow(loaded, row, started, quiet, startedAt)
    } catch (error) {
      if (!(error instanceof IsolateFault)) throw error
      this.#now = performance.now()
      loaded.parts(this.#now)
      this.#scatter(row)
      this.#isolateGone(plugin, loaded)
    }
  }

  /** Those without an opinion stay together, who said something goes on by itself, and the rest has not entered yet. */
  #partRow(
    loaded: LoadedPlugin,
    row: Row,
    started: string,
    quiet: PluginReportTuple,
    startedAt: number,
  ): void {
    const { calls, at, reports } = row
    if (started.length === calls.length && !/[12]/.test(started))
      return this.#passOn({ ...row, at: at + 1, reports: [...reports, quiet] })
    const isQuiet = (index: number): boolean => started[index] === '0'
    for (let index = 0; index < started.length; index++) {
      if (isQuiet(index)) continue
      const call = calls[index] as Call
      this.#book(call, at, reports)
      call.startedAt = startedAt
      call.cpuMicros = quiet[2]
      loaded.hasSpoken = call
      if (started[index] === '2') loaded.waitsIn.add(call.route.hook)
    }
    const silent = calls.filter((_, index) => isQuiet(index))
    if (silent.length > 0) this.#passOn(makeRow(silent, at + 1, [...reports, quiet]))
    const left = calls.slice(started.length)
    if (left.length > 0) this.#scatter(makeRow(left, at, reports))
  }

  /** To the plugin whose turn it is; behind the last one its calls are over. */
  #passOn(row: Row): void {
    const { calls, at, reports } = row
    const plugin = calls[0]?.route.plugins[at]
    if (plugin !== undefined) {
      const loaded = this.#plugins.get(plugin)
      if (loaded === undefined) this.#scatter(row)
      else loaded.rows.push(row)
      return
    }
    const over: number[] = []
    for (const call of calls) {
      if (call.reports.length === 0) {
        over.push(call.id)
        this.#calls.delete(call.id)
      } else {
        this.#book(call, at, reports)
        this.#end(call)
      }
    }
    if (over.length > 0) this.#outlet.quiet(over, reports)
  }

  /** From here on each goes its own way. */
  #scatter({ calls, at, reports }: Row): void {
    for (const call of calls) {
      this.#book(call, at, reports)
      this.#next(call)
    }
  }

  /** Brings a call of a row up to date. */
  #book(call: Call, at: number, reports: readonly PluginReportTuple[]): void {
    if (call.reports.length === 0 && reports.length > 0) this.#unsent.push(call)
    call.reports.push(...reports)
    call.at = at
    call.startedAt = 0
    call.cpuMicros = 0
  }

  /** One stay in an isolate. Whatever goes wrong becomes a report; what the plugin says is left there for `#drain`. */
  #stay(plugin: number, loaded: LoadedPlugin, { call, answer }: Turn): void {
    const { now, seed, route, told } = call
    const usedBefore = this.#starvation.usedMicros(this.#now)
    try {
      if (answer === null) call.startedAt = this.#now
      const isolate = loaded.isolate()
      const before = isolate.insideMicros()
      let started: Started = STARTED.spoke
      let rejected: IsolateFault | null = null
      try {
        started =
          answer === null
            ? isolate.start(now, seed, call.id, route.hook, told)
            : isolate.settle(now, seed, call.id, answer.effect, answer.ok, answer.json)
      } catch (error) {
        if (!(error instanceof IsolateFault) || error.kind !== 'throw') throw error
        rejected = error
      }
      this.#now = performance.now()
      const inside = isolate.insideMicros() - before
      call.cpuMicros += inside < LONG_MICROS ? inside : Math.min(inside, threadMicros() - usedBefore)
      if (started === STARTED.waits) loaded.waitsIn.add(route.hook)
      if (started !== STARTED.quiet) loaded.hasSpoken = call
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
  #drain(plugin: number, loaded: LoadedPlugin, threw: boolean): void {
    const { hasSpoken: call, current: isolate } = loaded
    if (call === null || isolate === null) return
    loaded.hasSpoken = null
    const usedBefore = this.#starvation.usedMicros(this.#now)
    try {
      const before = isolate.insideMicros()
      const commands = isolate.drain(threw)
      call.cpuMicros += isolate.insideMicros() - before
      if (commands !== '') this.#obey(plugin, commands)
    } catch (error) {
      this.#failed(call, plugin, loaded, usedBefore, error)
    }
  }

  /** @throws what is no fault of an isolate's */
  #failed(call: Call, plugin: number, loaded: LoadedPlugin, usedBefore: number, error: unknown): void {
    if (!(error instanceof IsolateFault)) throw error
    this.#now = performance.now()
    const isToBlame = this.#calls.get(call.id) === call && isWith(call, plugin)
    if (isToBlame && !this.#starvation.excuses(call.id, plugin, error, usedBefore, loaded.request.sliceMs))
      this.#fault(call, plugin, error.kind, error.message, error.isolateStack)
    this.#isolateGone(plugin, loaded)
  }

  /** Whoever waits in an isolate is lost with it. */
  #isolateGone(plugin: number, loaded: LoadedPlugin): void {
    loaded.disposeIsolate()
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
    const isOver = endsAsking(answer, call.route.hook)
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
    const plugin = call.route.plugins[call.at]
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
  return call.startedAt !== 0 && call.route.plugins[call.at] === plugin
}
