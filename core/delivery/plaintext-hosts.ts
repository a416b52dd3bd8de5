/** Hosts that offer TLS and cannot do it: for a while they are spoken to in the clear without trying. */
import type { Clock } from '../observe/clock.ts'

const REMEMBERED_MS = 3_600_000
const MAX_HOSTS = 1_000

export class PlaintextHosts {
  readonly #clock: Pick<Clock, 'monotonic'>
  /** Until when, monotonic; the oldest first. */
  readonly #until = new Map<string, number>()

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock
  }

  get size(): number {
    return this.#until.size
  }

  /** @param remote address and port, as it is called in records */
  has(remote: string): boolean {
    return this.#clock.monotonic() < (this.#until.get(remote) ?? 0)
  }

  /** For an hour; with too many of them the oldest is tried again sooner. */
  add(remote: string): void {
    this.#until.delete(remote)
    this.#until.set(remote, this.#clock.monotonic() + REMEMBERED_MS)
    const [oldest] = this.#until.keys()
    if (this.#until.size > MAX_HOSTS && oldest !== undefined) this.#until.delete(oldest)
  }
}
