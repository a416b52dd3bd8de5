/**
 * Places for outgoing connections, over all sites: a queue full of hosts that do not answer may not use up the sockets
 * of the machine. A place that becomes free goes to the site that has the fewest, among equals to the one that has
 * waited longest, so that a busy site does not keep the others out.
 */

/** The places of one site. Each one taken has to be given back. */
export interface SitePlaces {
  /** Takes a place if one is free and nobody waits. */
  take(): boolean
  /** Resolves to true with a place, or to false when the signal was first. */
  wait(signal: AbortSignal): Promise<boolean>
  give(): void
  /** Whether some site waits: who can do without a place for a while should give it back. */
  readonly isWanted: boolean
  /**
   * A place is held and not used from now on: `giveUp` is called, at most once, when somebody comes who needs it.
   *
   * @returns what says that it is used again
   */
  idle(giveUp: () => void): () => void
}

/** One site's account. */
class Account implements SitePlaces {
  readonly #places: ConnectionPlaces
  readonly waiting = new Set<() => void>()
  held = 0

  constructor(places: ConnectionPlaces) {
    this.#places = places
  }

  get isWanted(): boolean {
    return this.#places.isWanted
  }

  take(): boolean {
    return this.#places.take(this)
  }

  async wait(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    if (this.take()) return true
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const goOn = (): void => resolve(true)
    const onAbort = (): void => {
      if (this.#places.forget(this, goOn)) resolve(false)
    }
    this.#places.enter(this, goOn)
    signal.addEventListener('abort', onAbort, { once: true })
    return await promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  give(): void {
    this.#places.give(this)
  }

  idle(giveUp: () => void): () => void {
    return this.#places.idle(giveUp)
  }
}

export class ConnectionPlaces {
  #free: number
  /** Sites that wait, the one that has waited longest first. */
  readonly #waiting = new Set<Account>()
  /** What gives back a place that is not used, the one unused longest first. */
  readonly #idle = new Set<() => void>()

  /** @param count at least 1; Infinity for what needs no socket */
  constructor(count: number) {
    this.#free = count
  }

  get isWanted(): boolean {
    return this.#waiting.size > 0
  }

  /** The account of a new site. */
  ofSite(): SitePlaces {
    return new Account(this)
  }

  /** For accounts. */
  take(account: Account): boolean {
    if (this.#free === 0 || this.isWanted) return false
    this.#free -= 1
    account.held += 1
    return true
  }

  /** For accounts: `goOn` is called with a place. */
  enter(account: Account, goOn: () => void): void {
    account.waiting.add(goOn)
    this.#waiting.add(account)
    const [giveUp] = this.#idle
    if (giveUp === undefined) return
    this.#idle.delete(giveUp)
    giveUp()
  }

  /** For accounts. */
  idle(giveUp: () => void): () => void {
    this.#idle.add(giveUp)
    return () => this.#idle.delete(giveUp)
  }

  /** For accounts: false when the place has been given already. */
  forget(account: Account, goOn: () => void): boolean {
    const waited = account.waiting.delete(goOn)
    if (account.waiting.size === 0) this.#waiting.delete(account)
    return waited
  }

  /** For accounts. */
  give(account: Account): void {
    account.held -= 1
    const next = this.#next()
    const [goOn] = next?.waiting ?? []
    if (next === null || goOn === undefined) {
      this.#free += 1
      return
    }
    next.held += 1
    this.forget(next, goOn)
    // The rest of its lanes wait from now on.
    if (this.#waiting.delete(next)) this.#waiting.add(next)
    goOn()
  }

  #next(): Account | null {
    let next: Account | null = null
    for (const account of this.#waiting) {
      if (next === null || account.held < next.held) next = account
      if (next.held === 0) break
    }
    return next
  }
}
