/** Credentials verified a moment ago: clients that open a connection for every mail need not pay for scrypt each time. */
import { createHmac, randomBytes } from 'node:crypto'
import type { Clock } from '../observe/clock.ts'

export const REMEMBERED_MS = 60_000
const MAX_REMEMBERED = 10_000

/** Names one set of credentials without containing it. */
export type CredentialsKey = string

/**
 * Keys are HMACs under a key this process alone has, and for its life: what is in memory here is of no use to somebody
 * who reads it elsewhere. Only what was right is remembered.
 */
export class VerifiedCredentials {
  readonly #clock: Clock
  readonly #secret = randomBytes(32)
  /** By key, when it is over: monotonic milliseconds. In the order of time. */
  readonly #until = new Map<CredentialsKey, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * @param facts everything that must be the same: with the stored hash among them a changed password is a miss, with
   *              the client network among them nobody else can find out by the time an answer takes that a guess is right
   */
  keyOf(facts: readonly string[]): CredentialsKey {
    // JSON keeps the facts apart: ['a', 'bc'] is not ['ab', 'c'].
    return createHmac('sha256', this.#secret).update(JSON.stringify(facts)).digest('base64')
  }

  has(key: CredentialsKey): boolean {
    const until = this.#until.get(key)
    return until !== undefined && this.#clock.monotonic() < until
  }

  /** Remembers for REMEMBERED_MS from now; being used does not make it longer. */
  add(key: CredentialsKey): void {
    const now = this.#clock.monotonic()
    this.#until.delete(key)
    this.#until.set(key, now + REMEMBERED_MS)
    for (const [oldest, until] of this.#until) {
      if (this.#until.size <= MAX_REMEMBERED && now < until) break
      this.#until.delete(oldest)
    }
  }

  get size(): number {
    return this.#until.size
  }
}
