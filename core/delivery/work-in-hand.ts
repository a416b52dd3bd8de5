/** Everything this worker has claimed and not given back: leases are renewed here, memory is counted here. */
import type { StoredContent } from '../mail/message.ts'
import type { Clock } from '../observe/clock.ts'
import type { Queue } from '../queue/queue.ts'
import { type Delivery, type NewMessage, type Settlement, StoreFault } from '../queue/queue-store.ts'
import { pause } from './sleep.ts'
import { type StoreWatch, storeWaitMs } from './store-watch.ts'
import { memoryBytes, Work } from './work.ts'

export interface WorkInHandOptions {
  readonly queue: Queue
  readonly clock: Clock
  readonly watch: StoreWatch
  /** How long a lease lasts. */
  readonly leaseMs: number
}

/** A settlement that has failed so often, for some seconds, may never be written; the store is asked to hold instead. */
const HOLD_AFTER_FAILURES = 6

export class WorkInHand {
  readonly #options: WorkInHandOptions
  readonly #works = new Set<Work>()
  readonly #stopped = new AbortController()
  #bodyBytes = 0

  constructor(options: WorkInHandOptions) {
    this.#options = options
  }

  /** Octets of message content in memory. */
  get bodyBytes(): number {
    return this.#bodyBytes
  }

  get size(): number {
    return this.#works.size
  }

  take(delivery: Delivery, stored: StoredContent | null): Work {
    const work = new Work(delivery, stored)
    this.#works.add(work)
    this.#bodyBytes += memoryBytes(stored)
    return work
  }

  /** Forgets finished, lost or released work. */
  drop(work: Work): void {
    if (this.#works.delete(work)) this.#bodyBytes -= memoryBytes(work.stored)
    work.stored = null
  }

  /**
   * The content, from memory or from the store.
   *
   * @throws StoreFault when the store does not have it or does not answer
   */
  async content(work: Work): Promise<StoredContent> {
    if (work.stored !== null) return work.stored
    const stored = await this.#options.queue.store.content(work.delivery.message)
    if (this.#works.has(work)) {
      work.stored = stored
      this.#bodyBytes += memoryBytes(stored)
    }
    return stored
  }

  /**
   * Settles and drops the work. A store that fails is asked again until it answers: what a remote has taken over must
   * not be sent to it once more. When it is this settlement alone that cannot be written, the recipients are held.
   *
   * @returns `unsettled` when there was no time left to ask again, or they were held instead
   */
  async settle(
    work: Work,
    settlements: readonly Settlement[],
    notices: readonly NewMessage[],
  ): Promise<'settled' | 'lost' | 'unsettled'> {
    const { store } = this.#options.queue
    let failures = 0
    const settle = async (): Promise<boolean | 'held'> => {
      try {
        return await store.settle(work.delivery, settlements, notices)
      } catch (error) {
        failures += 1
        if (failures < HOLD_AFTER_FAILURES || isFull(error)) throw error
        return (await this.#hold(work, settlements, error)) && 'held'
      }
    }
    const settled = await this.#insist('settle', work, settle)
    this.drop(work)
    if (settled === 'held' || (settled === undefined && !work.isLost)) return 'unsettled'
    return settled === true ? 'settled' : 'lost'
  }

  /** A store that takes this has no trouble of its own. @throws StoreFault when it has */
  async #hold(work: Work, settlements: readonly Settlement[], error: unknown): Promise<boolean> {
    const { queue, watch } = this.#options
    const reason = error instanceof Error ? error.message : String(error)
    const detail = `the outcome of an attempt could not be written down: ${reason}`
    const addresses = new Set(settlements.map(({ address }) => address))
    const held = [...addresses].map((address): Settlement => ({ address, result: 'held', detail }))
    const isHeld = await queue.store.settle(work.delivery, held, [])
    if (isHeld) watch.gaveUp(work.delivery.message, reason)
    return isHeld
  }

  /** Gives work back untouched; it is due again at once. */
  async release(works: readonly Work[]): Promise<void> {
    const { queue, watch } = this.#options
    const held = works.filter((work) => !work.isLost)
    for (const work of works) this.drop(work)
    if (held.length === 0) return
    try {
      await queue.store.release(held.map(({ delivery }) => delivery))
      watch.worked('release')
    } catch (error) {
      // The leases end by themselves.
      watch.failed('release', error)
    }
  }

  /** Whether the lease holds long enough to begin an attempt; renews it when it is about to end. */
  async isReady(work: Work): Promise<boolean> {
    const { clock, leaseMs } = this.#options
    if (work.delivery.isSuspect && !(await this.#begin(work))) return false
    if (!work.isLost && work.leaseUntil - clock.now() >= leaseMs / 4) return true
    const isRenewed = await this.#insist('renew', work, async () => {
      await this.#renew([work])
      return true
    })
    if (isRenewed && !work.isLost) return true
    this.drop(work)
    return false
  }

  /** Suspect work is only attempted once that is written down: should it end us, its next owner knows. */
  async #begin(work: Work): Promise<boolean> {
    const { store } = this.#options.queue
    const isBegun = await this.#insist('renew', work, () => store.begin(work.delivery))
    if (isBegun === true) return true
    if (isBegun === false) work.lose()
    this.drop(work)
    return false
  }

  /** Renews every lease of which more than half is over. */
  async renewLeases(): Promise<void> {
    const { clock, leaseMs, watch } = this.#options
    const renewBefore = clock.now() + leaseMs / 2
    const works = [...this.#works].filter((work) => !work.isLost && work.leaseUntil < renewBefore)
    if (works.length === 0) return
    try {
      await this.#renew(works)
      watch.worked('renew')
    } catch (error) {
      watch.failed('renew', error)
    }
  }

  /** Ends the waiting for a store that fails. */
  stop(): void {
    this.#stopped.abort()
  }

  async #renew(works: readonly Work[]): Promise<void> {
    const { queue, clock, leaseMs } = this.#options
    // Taken before the call: rather too early than too late.
    const until = clock.now() + leaseMs
    const lost = await queue.renew(works.map(({ delivery }) => delivery))
    const lostFences = new Set(lost.map(({ fence }) => fence))
    for (const work of works) {
      if (lostFences.has(work.delivery.fence)) work.lose()
      else work.leaseUntil = until
    }
  }

  /** Undefined when there was no point in asking any longer. */
  async #insist<T>(operation: 'settle' | 'renew', work: Work, ask: () => Promise<T>): Promise<T | undefined> {
    const { watch } = this.#options
    for (let failures = 0; !work.isLost; ) {
      try {
        const answer = await ask()
        watch.worked(operation)
        return answer
      } catch (error) {
        watch.failed(operation, error)
      }
      failures += 1
      if (this.#stopped.signal.aborted) return undefined
      await pause(storeWaitMs(failures), this.#stopped.signal)
    }
    return undefined
  }
}

/** Room may come back, and a hold takes some too. */
function isFull(error: unknown): boolean {
  return error instanceof StoreFault && error.code === 'full'
}
