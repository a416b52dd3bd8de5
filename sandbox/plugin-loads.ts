/** The plugins of one trust domain that a plughost is loading, and whoever waits to hear what came of it. */
import type { LoadRequest } from './protocol/messages.ts'
import type { RawFault } from './protocol/parse.ts'

/** What loading came to. */
export type LoadOutcome =
  | { readonly manifest: unknown; readonly heapBytes: number; readonly wallMicros: number }
  | { readonly fault: RawFault }

interface Waiting {
  readonly request: LoadRequest
  readonly settle: (outcome: LoadOutcome) => void
}

export class PluginLoads {
  readonly #waiting = new Map<number, Waiting>()
  /** Numbers of those the plughost was sent and has not answered. */
  readonly #underWay = new Set<number>()

  /** Whether the plughost still has to answer one. */
  get areUnderWay(): boolean {
    return this.#underWay.size > 0
  }

  /** Somebody waits for a plugin that is loaded for the first time. */
  wait(plugin: number, request: LoadRequest): Promise<LoadOutcome> {
    return new Promise((settle) => this.#waiting.set(plugin, { request, settle }))
  }

  /** What a new plughost has to be sent, for somebody waits for it. */
  get waitedFor(): readonly (readonly [number, LoadRequest])[] {
    return [...this.#waiting].map(([plugin, { request }]) => [plugin, request] as const)
  }

  sent(plugin: number): void {
    this.#underWay.add(plugin)
  }

  /** @returns whether somebody waited for it; null when it was not asked for */
  answered(plugin: number, outcome: LoadOutcome): boolean | null {
    if (!this.#underWay.delete(plugin)) return null
    const waiting = this.#waiting.get(plugin)
    this.#waiting.delete(plugin)
    waiting?.settle(outcome)
    return waiting !== undefined
  }

  /**
   * The plughost is gone. The plugin it was loading fails alone, and the others are still to be loaded; when nobody
   * knows of one, all of them fail.
   */
  hostDied(guilty: number, message: string): void {
    this.#underWay.clear()
    const waiting = this.#waiting.get(guilty)
    if (waiting === undefined) return this.fail(message)
    this.#waiting.delete(guilty)
    waiting.settle(death(`while loading it, ${message}`))
  }

  /** All of them fail. */
  fail(message: string): void {
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const { settle } of waiting) settle(death(message))
  }
}

function death(message: string): LoadOutcome {
  return { fault: { kind: 'death', message, stack: '' } }
}
