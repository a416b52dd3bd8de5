/** How much of something was used up in the last ten minutes, by key, in memory. */

/** What is counted of one key: amounts by name. */
export type Amounts = Readonly<Record<string, number>>

/** Usage is what was counted in the last so many milliseconds, evenly spread within an earlier such time. */
export const USAGE_WINDOW_MS = 10 * 60_000
/** Keys remembered at once; the one without a count for longest goes first. */
const MAX_KEYS = 50_000

/** The port: counted in this process alone, or for several together. */
export interface UsageMeter {
  /** Counts; others hear of it within a second. */
  add(key: string, amounts: Amounts): void
  /** What is known here now; a name that is missing is 0. */
  of(key: string): Amounts
  /** Counts, and brings what others have counted. Never rejects: what cannot be known counts as nothing. */
  settle(key: string, amounts: Amounts): Promise<void> | void
}

interface Window {
  readonly startedAt: number
  readonly current: Amounts
  readonly previous: Amounts
}

const NOTHING: Amounts = Object.freeze({})

/** Counts of this process alone. Two windows for each key, the earlier one fading out. */
export class LocalUsage implements UsageMeter {
  readonly #monotonic: () => number
  /** In the order of the last count. */
  readonly #windows = new Map<string, Window>()

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
  }

  add(key: string, amounts: Amounts): void {
    const now = this.#monotonic()
    const { startedAt, current, previous } = this.#window(key, now)
    this.#put(key, { startedAt, current: sum(current, amounts), previous })
  }

  settle(key: string, amounts: Amounts): void {
    this.add(key, amounts)
  }

  of(key: string): Amounts {
    const now = this.#monotonic()
    const { startedAt, current, previous } = this.#window(key, now)
    const share = 1 - (now - startedAt) / USAGE_WINDOW_MS
    return sum(current, scaled(previous, share))
  }

  /** What was counted for this key is this from now on. */
  replace(key: string, amounts: Amounts): void {
    this.#put(key, { startedAt: this.#monotonic(), current: amounts, previous: NOTHING })
  }

  #put(key: string, window: Window): void {
    this.#windows.delete(key)
    this.#windows.set(key, window)
    for (const oldest of this.#windows.keys()) {
      if (this.#windows.size <= MAX_KEYS) break
      this.#windows.delete(oldest)
    }
  }

  #window(key: string, now: number): Window {
    const known = this.#windows.get(key)
    const age = known === undefined ? Infinity : now - known.startedAt
    if (known === undefined || age >= 2 * USAGE_WINDOW_MS)
      return { startedAt: now, current: NOTHING, previous: NOTHING }
    if (age < USAGE_WINDOW_MS) return known
    return { startedAt: known.startedAt + USAGE_WINDOW_MS, current: NOTHING, previous: known.current }
  }
}

/** Both together. */
export function sum(one: Amounts, other: Amounts): Amounts {
  const total: Record<string, number> = { ...one }
  for (const [name, amount] of Object.entries(other)) total[name] = (total[name] ?? 0) + amount
  return total
}

function scaled(amounts: Amounts, factor: number): Amounts {
  const scaledAmounts = Object.entries(amounts).map(([name, amount]) => [name, Math.floor(amount * factor)])
  return Object.fromEntries(scaledAmounts) as Amounts
}
