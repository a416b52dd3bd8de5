/** How many of something there are at once: counted while they last, in memory, for each owner. */

/** One thing that is counted. */
export interface Slot {
  readonly key: string
  /** How many there may be; Infinity without a limit. */
  readonly limit: number
}

/** The port: counted in this process alone, or for several together. */
export interface Concurrency {
  /**
   * Takes all of these slots or none.
   *
   * @returns the key of the first that has reached its limit; null when they were taken
   * @throws StoreFault as a rejection when it cannot be known: nothing was taken
   */
  acquire(slots: readonly Slot[]): string | null | Promise<string | null>
  /** Gives back slots that were taken. */
  release(keys: readonly string[]): void
}

/** Counts of several owners against common limits. */
export class ConcurrencyTable {
  readonly #totals = new Map<string, number>()
  readonly #byOwner = new Map<string, Map<string, number>>()

  acquire(owner: string, slots: readonly Slot[]): string | null {
    const full = slots.find(({ key, limit }) => (this.#totals.get(key) ?? 0) >= limit)
    if (full !== undefined) return full.key
    const held = this.#byOwner.get(owner) ?? new Map<string, number>()
    this.#byOwner.set(owner, held)
    for (const { key } of slots) {
      add(this.#totals, key, 1)
      add(held, key, 1)
    }
    return null
  }

  /** What the owner does not hold is not given back. */
  release(owner: string, keys: readonly string[]): void {
    const held = this.#byOwner.get(owner)
    if (held === undefined) return
    for (const key of keys) {
      if (!held.has(key)) continue
      add(held, key, -1)
      add(this.#totals, key, -1)
    }
    if (held.size === 0) this.#byOwner.delete(owner)
  }

  /** The owner is gone, and whatever it held with it. */
  forget(owner: string): void {
    for (const [key, count] of this.#byOwner.get(owner) ?? []) add(this.#totals, key, -count)
    this.#byOwner.delete(owner)
  }
}

/** Counts of this process alone. */
export class LocalConcurrency implements Concurrency {
  readonly #table = new ConcurrencyTable()

  acquire(slots: readonly Slot[]): string | null {
    return this.#table.acquire('', slots)
  }

  release(keys: readonly string[]): void {
    this.#table.release('', keys)
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by
  if (count > 0) counts.set(key, count)
  else counts.delete(key)
}
