/** Wrong passwords, counted for each client network and each name, and how long the next attempt is made to wait. */
import type { Clock } from '../observe/clock.ts'

/** What stands against one network or one name. */
interface Tally {
  count: number
  /** Monotonic milliseconds. */
  lastAt: number
}

/** Wrong passwords that cost nothing: everybody mistypes. */
export const FREE_FAILURES = 3
export const FIRST_DELAY_MS = 1_000
/** Clients give up a log-in that takes half a minute, and a household behind one address shares what one of it did. */
export const MAX_DELAY_MS = 10_000
/** A tally is forgotten this long after the last failure. */
export const FORGOTTEN_AFTER_MS = 15 * 60_000
/** Networks, and names, remembered at once; the ones that failed least recently go first. */
const MAX_TALLIES = 10_000

export interface FailureCounts {
  readonly ofNetwork: number
  readonly ofName: number
}

export class Failures {
  readonly #clock: Clock
  readonly #networks = new Map<string, Tally>()
  readonly #names = new Map<string, Tally>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** How long an attempt from this network, for this name, has to wait before it is looked at. */
  delayMs(network: string, name: string): number {
    const { ofNetwork, ofName } = this.counts(network, name)
    return delayAfter(Math.max(ofNetwork, ofName))
  }

  /** @param name null: what was offered can be no name, so only the network is to blame */
  failed(network: string, name: string | null): void {
    this.#book(this.#networks, network)
    if (name !== null) this.#book(this.#names, name)
  }

  /** The right password clears the name. Not the network: an account of one's own would buy guesses at others'. */
  succeeded(name: string): void {
    this.#names.delete(name)
  }

  counts(network: string, name: string | null): FailureCounts {
    return {
      ofNetwork: this.#count(this.#networks, network),
      ofName: name === null ? 0 : this.#count(this.#names, name),
    }
  }

  #count(tallies: Map<string, Tally>, key: string): number {
    const tally = tallies.get(key)
    return tally === undefined || this.#isForgotten(tally) ? 0 : tally.count
  }

  #book(tallies: Map<string, Tally>, key: string): void {
    const before = this.#count(tallies, key)
    // Deleted first, so that the map is in the order of the last failure.
    tallies.delete(key)
    tallies.set(key, { count: before + 1, lastAt: this.#clock.monotonic() })
    for (const [oldest, tally] of tallies) {
      if (tallies.size <= MAX_TALLIES && !this.#isForgotten(tally)) break
      tallies.delete(oldest)
    }
  }

  #isForgotten({ lastAt }: Tally): boolean {
    return this.#clock.monotonic() - lastAt >= FORGOTTEN_AFTER_MS
  }
}

/** Nothing, nothing, nothing, then 1 s, doubled with each further failure up to MAX_DELAY_MS. */
function delayAfter(failures: number): number {
  if (failures < FREE_FAILURES) return 0
  return Math.min(FIRST_DELAY_MS * 2 ** (failures - FREE_FAILURES), MAX_DELAY_MS)
}
