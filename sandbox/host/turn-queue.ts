/** Turns of one plugin: calls that are to enter its isolate. */
import type { PluginReportTuple } from '../protocol/messages.ts'

/** What a question tells, as JSON. */
export interface Told {
  /** Without its subject. */
  readonly event: string
  /** Name of the member that says whom it is about, and its JSON; '' without one. */
  readonly subject: string
  readonly subjectJson: string
  /** Header fields, '' without them. */
  readonly fields: string
}

/** Which hook, and whom to ask in this order until one refuses or fails. One object for every call of that kind. */
export interface Route {
  readonly hook: string
  readonly plugins: readonly number[]
}

/** A question on its way through the plugins it is for. */
export interface Call {
  readonly id: number
  readonly route: Route
  /** Milliseconds since 1970: the plugin's clock. */
  readonly now: number
  /** Of the plugin's Math.random. */
  readonly seed: number
  /** Each stay is written down by itself. */
  readonly watched: boolean
  readonly told: Told
  /** Index in route.plugins of the one being asked. */
  at: number
  /** Reports not sent yet. */
  reports: PluginReportTuple[]
  /** When the plugin being asked was entered, of performance.now(); 0: it was not yet. */
  startedAt: number
  cpuMicros: number
  /** Number of the frame it came with. */
  readonly frame: number
}

/** What became of an effect; `json` is its value or the reason of its failure, '' for no value. */
export interface EffectAnswer {
  readonly effect: number
  readonly ok: boolean
  readonly json: string
}

/** A stay to come. */
export interface Turn {
  readonly call: Call
  /** Number of the frame it is owed to. */
  readonly frame: number
  /** null: the plugin is asked, else it goes on with this. */
  readonly answer: EffectAnswer | null
}

/** They come out in the order of their frames, whatever order they were added in. */
export class TurnQueue {
  #turns: Turn[] = []
  #isSorted = true

  get isEmpty(): boolean {
    return this.#turns.length === 0
  }

  add(turn: Turn): void {
    const last = this.#turns.at(-1)
    if (last !== undefined && last.frame > turn.frame) this.#isSorted = false
    this.#turns.push(turn)
  }

  /** Everything added since the last time. */
  take(): readonly Turn[] {
    const turns = this.#turns
    if (!this.#isSorted) turns.sort((a, b) => a.frame - b.frame)
    this.#turns = []
    this.#isSorted = true
    return turns
  }
}
