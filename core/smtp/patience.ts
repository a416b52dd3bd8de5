/** How long a client may owe us something (RFC 5321 §4.5.3.2.7), and how slowly content may come. */

/** Longest time Node's timers know. */
const MAX_TIMER_MS = 2_147_483_647

/** Content is not held to a rate before so much time has passed: beginnings are slow. */
const RATE_GRACE_MS = 60_000

export interface PatienceLimits {
  /** Silence, or a command line that does not end; Infinity: without end. */
  readonly idleMs: number
  /** Content of one message, the time we kept the client waiting not counted; Infinity: without end. */
  readonly contentMs: number
  /** Octets of content a second, over all of it so far; 0: any. */
  readonly contentBytesPerSecond: number
}

interface Content {
  readonly startedAt: number
  heldMs: number
  bytes: number
}

/**
 * One timer for a connection, set again only when it has rung: a command costs the look at a clock and nothing else.
 */
export class Patience {
  readonly #limits: PatienceLimits
  readonly #now: () => number
  readonly #over: () => void
  #timer: NodeJS.Timeout | null = null
  /** Since when the client owes us something; null while we owe it something. */
  #since: number | null = null
  #content: Content | null = null

  /**
   * @param now milliseconds of a clock that only goes forward
   * @param over called once: the client owed us something for too long
   */
  constructor(limits: PatienceLimits, now: () => number, over: () => void) {
    this.#limits = limits
    this.#now = now
    this.#over = over
  }

  /** It is the client's turn: from now on, or since it became so. A part of a command buys no time. */
  clientOwes(): void {
    this.#since ??= this.#now()
    if (this.#timer === null) this.#arm(this.#limits.idleMs)
  }

  /** It is ours. */
  weOwe(): void {
    this.#since = null
  }

  /** Content of another message begins: the client owes it. */
  contentBegins(): void {
    this.#since = null
    this.clientOwes()
    this.#content = { startedAt: this.#now(), heldMs: 0, bytes: 0 }
  }

  /** Some of it is there. Returns whether it came too slowly. */
  contentCame(bytes: number): boolean {
    this.#since = this.#now()
    if (this.#content === null) return false
    this.#content.bytes += bytes
    return this.#isTooSlow(this.#content, this.#since)
  }

  /** We kept the client waiting for so long. */
  held(ms: number): void {
    if (this.#content !== null) this.#content.heldMs += ms
  }

  /** The connection ends or is another one now. */
  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#since = null
    this.#content = null
  }

  #arm(ms: number): void {
    if (ms <= MAX_TIMER_MS) this.#timer = setTimeout(() => this.#rang(), Math.max(1, Math.ceil(ms)))
  }

  #rang(): void {
    const { idleMs } = this.#limits
    const leftMs = this.#since === null ? idleMs : this.#since + idleMs - this.#now()
    if (leftMs > 0) return this.#arm(leftMs)
    this.#timer = null
    this.#over()
  }

  #isTooSlow({ startedAt, heldMs, bytes }: Content, now: number): boolean {
    const { contentMs, contentBytesPerSecond } = this.#limits
    const ms = now - startedAt - heldMs
    return ms > contentMs || (ms > RATE_GRACE_MS && bytes * 1_000 < contentBytesPerSecond * ms)
  }
}
