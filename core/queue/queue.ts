/**
 * The queue as a worker uses it: few rules over the store. Nothing is dropped silently: what failed for good or
 * outlived its time goes to hold with its reason.
 */
import type { Clock } from '../observe/clock.ts'
import { retryDelayMs } from './backoff.ts'
import { createQueueIds } from './queue-id.ts'
import type { Delivery, Lease, NewMessage, OwedRecipient, QueueStore, Settlement } from './queue-store.ts'

export interface QueueRules {
  /** Waits after the first, second, … attempt in milliseconds; the last repeats. */
  readonly retryMs: readonly number[]
  readonly leaseMs: number
}

/** How an attempt ended for one recipient. */
export type RecipientOutcome =
  | { readonly address: string; readonly kind: 'delivered'; readonly detail: string }
  /** Permanent: trying again would not help. */
  | { readonly address: string; readonly kind: 'failed'; readonly detail: string }
  | {
      readonly address: string
      readonly kind: 'deferred'
      readonly detail: string
      /** False for trouble of our own: it does not lengthen the wait. */
      readonly counted: boolean
    }

export class Queue {
  readonly store: QueueStore
  /** In force for what is decided from now on. */
  rules: QueueRules
  readonly #owner: string
  readonly #clock: Clock
  readonly #random: () => number
  /** A new queue id: needed before the content arrives, since the spool file bears it. */
  readonly newId: () => string

  /**
   * @param owner  under which this worker holds its leases; a name for this life of it
   * @param random in [0, 1)
   */
  constructor(store: QueueStore, rules: QueueRules, owner: string, clock: Clock, random = Math.random) {
    this.store = store
    this.rules = rules
    this.#owner = owner
    this.#clock = clock
    this.#random = random
    this.newId = createQueueIds(() => clock.now())
  }

  /**
   * Stores a message. When it resolves 250 may be said. With a lease, what may leave is this worker's at once and
   * returned, to be attempted without being read again; without, it waits to be claimed.
   *
   * @throws StoreFault: 452 when `full`, else 451
   */
  accept(message: NewMessage, isLeased = true): Promise<readonly Delivery[]> {
    return this.store.add(message, isLeased ? this.#lease(this.#clock.now()) : null)
  }

  /** Claims at most `limit` deliveries that are due now. */
  claim(limit: number, exceptRoutes: readonly string[]): Promise<readonly Delivery[]> {
    const now = this.#clock.now()
    return this.store.claim({ lease: this.#lease(now), now, limit, exceptRoutes })
  }

  /** Extends leases by their full time; returns those that were lost: their outcome will not count. */
  renew(deliveries: readonly Delivery[]): Promise<readonly Delivery[]> {
    return this.store.renew(deliveries, this.#clock.now() + this.rules.leaseMs)
  }

  /** Writes down how an attempt ended, telling nobody; false when the lease had been lost meanwhile. */
  settle(delivery: Delivery, outcomes: readonly RecipientOutcome[]): Promise<boolean> {
    return this.store.settle(delivery, this.settlements(delivery, outcomes), [])
  }

  /**
   * What is stored for the outcomes: deferred recipients get their next moment, failed and expired ones are held, as
   * long as nobody is told of them.
   */
  settlements(delivery: Delivery, outcomes: readonly RecipientOutcome[]): Settlement[] {
    const now = this.#clock.now()
    const attempts = new Map(delivery.recipients.map((recipient) => [recipient.address, recipient]))
    return outcomes.map((outcome) => {
      const { address, kind, detail } = outcome
      if (kind === 'delivered') return { address, result: 'delivered', detail }
      if (kind === 'failed') return { address, result: 'held', detail }
      if (now >= delivery.expiresAt) {
        const life = lifeInWords(delivery.expiresAt - delivery.acceptedAt)
        return { address, result: 'held', detail: `expired after ${life}: ${detail}` }
      }
      const dueAt = Math.min(now + this.#delayMs(attempts.get(address), outcome.counted), delivery.expiresAt)
      const isDelayTold = attempts.get(address)?.isDelayTold ?? false
      return { address, result: 'deferred', detail, dueAt, counted: outcome.counted, isDelayTold }
    })
  }

  #delayMs(recipient: OwedRecipient | undefined, counted: boolean): number {
    const attempts = (recipient?.attempts ?? 0) + (counted ? 1 : 0)
    return retryDelayMs(this.rules.retryMs, attempts, this.#random())
  }

  #lease(now: number): Lease {
    return { owner: this.#owner, until: now + this.rules.leaseMs }
  }
}

const UNITS = [
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1_000],
] as const

/** The largest unit that fits, rounded: `5 days`, `36 hours`. */
function lifeInWords(ms: number): string {
  const [unit, unitMs] = UNITS.find(([, size]) => ms >= size && ms % size === 0) ?? ['second', 1_000]
  const count = Math.round(ms / unitMs)
  return `${count} ${unit}${count === 1 ? '' : 's'}`
}
