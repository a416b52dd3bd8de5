/**
 * Verifies names and passwords (RFC 4616, RFC 4954 §4). What an attacker may learn is right or wrong, and that slowly:
 * an unknown user takes as long as a wrong password, and who was wrong too often waits before the next attempt is even
 * looked at.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { Clock } from '../observe/clock.ts'
import { LocalTallies, type Tallies } from '../state/tallies.ts'
import { type FailureCounts, Failures } from './failures.ts'
import { type PasswordCheck, PasswordThreads } from './password-threads.ts'
import { prepareName, preparePassword } from './saslprep.ts'
import { HASH_OCTETS, SALT_OCTETS, SCRYPT_WORK, type ScryptHash } from './scrypt.ts'
import { Turns } from './turns.ts'
import type { Users } from './users-text.ts'
import { VerifiedCredentials } from './verified-credentials.ts'

/** What became of one attempt. */
export type Verification =
  /** `identity` is the user's name in its prepared form. */
  | { readonly kind: 'verified'; readonly identity: string }
  /** `failures` are counted with this one, since the last quarter of an hour without any. */
  | { readonly kind: 'wrong'; readonly failures: FailureCounts }
  /** Nothing is known about the credentials: 454. Too much to do, or trouble of ours. */
  | { readonly kind: 'busy' | 'unavailable'; readonly reason: string }

export interface Attempt {
  readonly name: string
  readonly password: string
  /** Client network everything is counted by. */
  readonly network: string
  /** Aborted when the client is gone: an attempt that waits then ends as `unavailable`. */
  readonly signal?: AbortSignal
}

/** A proof that was looked at already: it costs nothing to check, so it waits only for what earlier failures cost. */
export interface ProofAttempt {
  /** Prepared; null: what was offered can be no name. */
  readonly name: string | null
  readonly isRight: boolean
  readonly network: string
  readonly signal?: AbortSignal
}

export interface VerifierOptions {
  readonly clock: Clock
  /** The users as they are now, asked at every attempt; a string is the reason why they are not known. */
  readonly users: () => Users | string
  /** What failures are counted in; of this worker alone unless told otherwise. */
  readonly tallies?: Tallies
  /** Threads of its own unless told otherwise; closed with the verifier. */
  readonly check?: PasswordCheck
  /** Waits so many milliseconds, rejected when the signal is aborted; another one is for tests. */
  readonly wait?: (ms: number, signal: AbortSignal | undefined) => Promise<unknown>
}

/** Verifications at once, each a thread. */
export const MAX_AT_ONCE = 2
/** Attempts waiting for a turn; beyond it they are told to come back. */
export const MAX_WAITING = 100
/** Attempts that wait because of earlier failures: of all networks, and of one. They hold no turn meanwhile. */
export const MAX_DELAYED = 1_000
export const MAX_DELAYED_PER_NETWORK = 4

const BUSY: Verification = Object.freeze({ kind: 'busy', reason: 'too many log-ins at once' })
const TOO_MANY: Verification = Object.freeze({ kind: 'busy', reason: 'too many wrong passwords' })
const GONE: Verification = Object.freeze({ kind: 'unavailable', reason: 'the client has gone' })

interface Turn {
  readonly network: string
  readonly identity: string
  readonly signal: AbortSignal | undefined
}

export class Verifier {
  readonly #users: () => Users | string
  readonly #check: PasswordCheck
  readonly #wait: NonNullable<VerifierOptions['wait']>
  readonly #failures: Failures
  readonly #verified: VerifiedCredentials
  readonly #turns = new Turns(MAX_AT_ONCE, MAX_WAITING)
  readonly #delayed = new Map<string, number>()
  #delayedInAll = 0
  /** What the password of an unknown user is compared with: nothing hashes to it, and it takes as long. */
  readonly #nobody: ScryptHash = {
    ...SCRYPT_WORK,
    salt: randomBytes(SALT_OCTETS).toString('base64'),
    hash: randomBytes(HASH_OCTETS).toString('base64'),
  }

  constructor({ clock, users, tallies, check, wait }: VerifierOptions) {
    this.#users = users
    this.#check = check ?? new PasswordThreads(MAX_AT_ONCE)
    this.#wait = wait ?? ((ms, signal) => pause(ms, undefined, signal === undefined ? {} : { signal }))
    this.#failures = new Failures(tallies ?? new LocalTallies(() => clock.monotonic()))
    this.#verified = new VerifiedCredentials(clock)
  }

  /** Never rejected: failures that cannot be counted are trouble of ours, and nobody guesses meanwhile. */
  verify(attempt: Attempt): Promise<Verification> {
    return orUnavailable(this.#verification(attempt))
  }

  /** The same for who has proven to know the password (RFC 5802), or has not. */
  verifyProof({ name, isRight, network, signal }: ProofAttempt): Promise<Verification> {
    return orUnavailable(
      name === null
        ? this.#wrong(network, null)
        : this.#inTurn({ network, identity: name, signal }, async () => isRight),
    )
  }

  /** Attempts that wait for a turn: how busy it is. */
  get waiting(): number {
    return this.#turns.waiting
  }

  close(): Promise<void> {
    return this.#check.close()
  }

  async #verification({ name, password, network, signal }: Attempt): Promise<Verification> {
    const users = this.#users()
    if (typeof users === 'string') return { kind: 'unavailable', reason: users }
    const prepared = prepareName(name)
    if (!prepared.ok) return this.#wrong(network, null)
    const secret = preparePassword(password)
    if (!secret.ok) return this.#wrong(network, prepared.text)
    const identity = prepared.text
    const user = users.get(identity)
    const hash = user?.scrypt ?? this.#nobody
    const key = this.#verified.keyOf([network, identity, secret.text, hash.salt, hash.hash])
    if (this.#verified.has(key)) return { kind: 'verified', identity }
    const verification = await this.#inTurn({ network, identity, signal }, async () => {
      const matches = await this.#check.matches(secret.text, hash)
      return matches && user !== undefined
    })
    if (verification.kind === 'verified') this.#verified.add(key)
    return verification
  }

  /** Waits for a turn, decides in it, and counts what came of it. */
  async #inTurn({ network, identity, signal }: Turn, isRight: () => Promise<boolean>): Promise<Verification> {
    const refused = await this.#turn(network, identity, signal)
    if (refused !== null) return refused
    try {
      if (!(await isRight())) return await this.#wrong(network, identity)
      await this.#failures.succeeded(identity)
      return { kind: 'verified', identity }
    } finally {
      this.#turns.release()
    }
  }

  /**
   * Waits for a turn, and before it for what earlier failures cost: that is looked up when the turn comes, so a hundred
   * guesses sent at once pay for those among them that were wrong. Null: it is our turn, to be given back.
   */
  async #turn(network: string, name: string, signal: AbortSignal | undefined): Promise<Verification | null> {
    if (!(await this.#turns.take())) return BUSY
    const delayMs = await this.#delayMs(network, name)
    if (delayMs > 0) {
      this.#turns.release()
      const refused = await this.#delay(network, delayMs, signal)
      if (refused !== null) return refused
      if (!(await this.#turns.take())) return BUSY
    }
    if (signal?.aborted !== true) return null
    this.#turns.release()
    return GONE
  }

  /** Gives the turn back when it cannot be known. */
  async #delayMs(network: string, name: string): Promise<number> {
    try {
      return await this.#failures.delayMs(network, name)
    } catch (error) {
      this.#turns.release()
      throw error
    }
  }

  /** Right and wrong passwords wait alike, or the quick answers would be the right ones. */
  async #delay(
    network: string,
    delayMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Verification | null> {
    const ofNetwork = this.#delayed.get(network) ?? 0
    if (ofNetwork >= MAX_DELAYED_PER_NETWORK || this.#delayedInAll >= MAX_DELAYED) return TOO_MANY
    this.#delayed.set(network, ofNetwork + 1)
    this.#delayedInAll += 1
    try {
      await this.#wait(delayMs, signal)
      return null
    } catch {
      return GONE
    } finally {
      const left = (this.#delayed.get(network) ?? 1) - 1
      if (left > 0) this.#delayed.set(network, left)
      else this.#delayed.delete(network)
      this.#delayedInAll -= 1
    }
  }

  async #wrong(network: string, name: string | null): Promise<Verification> {
    return { kind: 'wrong', failures: await this.#failures.failed(network, name) }
  }
}

async function orUnavailable(verification: Promise<Verification>): Promise<Verification> {
  try {
    return await verification
  } catch (error) {
    return { kind: 'unavailable', reason: (error as Error).message }
  }
}
