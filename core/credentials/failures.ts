/** Wrong passwords, counted for each client network and each name, and how long the next attempt is made to wait. */
import type { Tallies, TallyKey } from '../state/tallies.ts'

/** Wrong passwords that cost nothing: everybody mistypes. */
export const FREE_FAILURES = 3
export const FIRST_DELAY_MS = 1_000
/** Clients give up a log-in that takes half a minute, and a household behind one address shares what one of it did. */
export const MAX_DELAY_MS = 10_000

export interface FailureCounts {
  readonly ofNetwork: number
  readonly ofName: number
}

/** Whatever is rejected is a StoreFault of the tallies. */
export class Failures {
  readonly #tallies: Tallies

  /** @param tallies of this worker alone, or shared with the others */
  constructor(tallies: Tallies) {
    this.#tallies = tallies
  }

  /** How long an attempt from this network, for this name, has to wait before it is looked at. */
  async delayMs(network: string, name: string): Promise<number> {
    const counts = await this.#tallies.counts(keysOf(network, name))
    return delayAfter(Math.max(...counts))
  }

  /**
   * Counts one more.
   *
   * @param name null: what was offered can be no name, so only the network is to blame
   */
  async failed(network: string, name: string | null): Promise<FailureCounts> {
    const [ofNetwork = 0, ofName = 0] = await this.#tallies.add(keysOf(network, name))
    return { ofNetwork, ofName }
  }

  /** The right password clears the name. Not the network: an account of one's own would buy guesses at others'. */
  async succeeded(name: string): Promise<void> {
    await this.#tallies.clear([ofName(name)])
  }
}

/** Kinds of their own: made-up names never push out the tally of the network that made them up. */
function keysOf(network: string, name: string | null): readonly TallyKey[] {
  const key = { kind: 'sign-in-network', key: network }
  return name === null ? [key] : [key, ofName(name)]
}

function ofName(name: string): TallyKey {
  return { kind: 'sign-in-name', key: name }
}

/** Nothing, nothing, nothing, then 1 s, doubled with each further failure up to MAX_DELAY_MS. */
function delayAfter(failures: number): number {
  if (failures < FREE_FAILURES) return 0
  return Math.min(FIRST_DELAY_MS * 2 ** (failures - FREE_FAILURES), MAX_DELAY_MS)
}
