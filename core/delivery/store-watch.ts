/** Says once that the queue store has stopped answering, and once that it answers again. */
import type { Log } from '../observe/log.ts'

const FIRST_WAIT_MS = 100
const LONGEST_WAIT_MS = 5_000

export type StoreOperation = 'claim' | 'release' | 'renew' | 'settle' | 'suspensions'

/** Each operation for itself: one may fail while the others work. */
export class StoreWatch {
  readonly #log: Log
  readonly #failing = new Set<StoreOperation>()

  constructor(log: Log) {
    this.#log = log
  }

  failed(operation: StoreOperation, error: unknown): void {
    if (this.#failing.has(operation)) return
    this.#failing.add(operation)
    this.#log.error('queue-store-failed', { operation, reason: String(error) })
  }

  /** One settlement is given up for good, while the store works. */
  gaveUp(message: string, reason: string): void {
    this.#log.error('delivery-outcome-held', { message, reason })
  }

  worked(operation: StoreOperation): void {
    if (this.#failing.delete(operation)) this.#log.info('queue-store-back', { operation })
  }
}

/** How long to wait after this many failures in a row, milliseconds. */
export function storeWaitMs(failures: number): number {
  return Math.min(FIRST_WAIT_MS * 2 ** Math.min(failures - 1, 10), LONGEST_WAIT_MS)
}
