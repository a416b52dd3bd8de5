/** Events that are counted until none has come for a while, in memory. */

/** A tally is forgotten this long after the last event. */
export const FORGOTTEN_AFTER_MS = 15 * 60_000
/** Tallies of one kind remembered at once; the ones without an event for longest go first. */
const MAX_TALLIES = 10_000

export interface TallyKey {
  /** Tallies of one kind never push out those of another. There are a few kinds. */
  readonly kind: string
  readonly key: string
}

/** The port: kept in this process alone, or for several together. Rejections are StoreFaults. */
export interface Tallies {
  /** Counts one more event for each key; the counts with it. */
  add(keys: readonly TallyKey[]): readonly number[] | Promise<readonly number[]>
  counts(keys: readonly TallyKey[]): readonly number[] | Promise<readonly number[]>
  clear(keys: readonly TallyKey[]): void | Promise<void>
}

interface Tally {
  readonly count: number
  /** Monotonic milliseconds. */
  readonly lastAt: number
}

export class LocalTallies implements Tallies {
  readonly #monotonic: () => number
  readonly #kinds = new Map<string, Map<string, Tally>>()

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  add(keys: readonly TallyKey[]): number[] {
    return keys.map(({ kind, key }) => this.#book(this.#kind(kind), key))
  }

  counts(keys: readonly TallyKey[]): number[] {
    return keys.map(({ kind, key }) => this.#count(this.#kind(kind), key))
  }

  clear(keys: readonly TallyKey[]): void {
    for (const { kind, key } of keys) this.#kinds.get(kind)?.delete(key)
  }

  #kind(kind: string): Map<string, Tally> {
    const known = this.#kinds.get(kind)
    if (known !== undefined) return known
    const tallies = new Map<string, Tally>()
    this.#kinds.set(kind, tallies)
    return tallies
  }

  #count(tallies: ReadonlyMap<string, Tally>, key: string): number {
    const tally = tallies.get(key)
    return tally === undefined || this.#isForgotten(tally) ? 0 : tally.count
  }

  #book(tallies: Map<string, Tally>, key: string): number {
    const count = this.#count(tallies, key) + 1
    // Deleted first, so that the map is in the order of the last event.
    tallies.delete(key)
    tallies.set(key, { count, lastAt: this.#monotonic() })
    for (const [oldest, tally] of tallies) {
      if (tallies.size <= MAX_TALLIES && !this.#isForgotten(tally)) break
      tallies.delete(oldest)
    }
    return count
  }

  #isForgotten({ lastAt }: Tally): boolean {
    return this.#monotonic() - lastAt >= FORGOTTEN_AFTER_MS
  }
}
