/** A plugin that is loaded, with its isolate of the moment and what waits to enter that. */
import type { LoadRequest } from '../protocol/messages.ts'
import { PluginIsolate } from './engine.ts'
import type { Row } from './row.ts'
import { type Call, TurnQueue } from './turn-queue.ts'

/** Effects one isolate may number; 256 generations fit the 32 bits of a frame before they come round again. */
const EFFECTS_PER_ISOLATE = 2 ** 24
const GENERATIONS = 256
/** After a row that came to nothing. */
const ALONE_MS = 60_000

export class LoadedPlugin {
  readonly request: LoadRequest
  readonly #config: string
  #isolate: PluginIsolate | null
  /** Isolates this plugin has had before. */
  #generation = 0
  readonly turns = new TurnQueue()
  /** Rows that come from another plugin as they are. */
  rows: Row[] = []
  /** The call that was in the isolate last and left commands there; null: there are none. */
  hasSpoken: Call | null = null
  /** Hooks in which it has waited for a promise: their calls enter one by one. */
  readonly waitsIn = new Set<string>()
  #aloneUntil = 0

  constructor(request: LoadRequest, config: string, isolate: PluginIsolate) {
    this.request = request
    this.#config = config
    this.#isolate = isolate
  }

  get hasWork(): boolean {
    return !this.turns.isEmpty || this.rows.length > 0
  }

  /** The isolate there is; null: the last one is gone. */
  get current(): PluginIsolate | null {
    return this.#isolate
  }

  /** The isolate, made anew when it is gone. @throws IsolateFault */
  isolate(): PluginIsolate {
    if (this.#isolate !== null) return this.#isolate
    const isolate = new PluginIsolate(this.request)
    this.#isolate = isolate
    this.#generation = (this.#generation + 1) % GENERATIONS
    isolate.configure(this.#config, this.#generation * EFFECTS_PER_ISOLATE)
    return isolate
  }

  /** After a timeout or a memory fault the isolate is not touched again. */
  disposeIsolate(): void {
    this.#isolate?.dispose()
    this.#isolate = null
    this.hasSpoken = null
  }

  /** A row came to nothing: for a while each call enters by itself. @param now of performance.now() */
  parts(now: number): void {
    this.#aloneUntil = now + ALONE_MS
  }

  entersAlone(now: number): boolean {
    return now < this.#aloneUntil
  }
}
