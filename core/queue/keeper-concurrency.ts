/** The concurrency a worker asks for when a keeper counts for all of them. */
import type { Concurrency, Slot } from '../state/concurrency.ts'
import { LocalConcurrency } from '../state/concurrency.ts'
import type { KeeperClient } from './keeper-client.ts'
import type { SharedOperations } from './keeper-protocol.ts'

export class KeeperConcurrency implements Concurrency {
  readonly #client: KeeperClient
  /** What is too much for this worker alone is too much for all: a flood does not get to the keeper. */
  readonly #own = new LocalConcurrency()

  constructor(client: KeeperClient) {
    this.#client = client
  }

  async acquire(slots: readonly Slot[]): Promise<string | null> {
    const keys = slots.map(({ key }) => key)
    const full = this.#own.acquire(slots)
    if (full !== null) return full
    const wire = slots.map(({ key, limit }) => ({ key, limit: Number.isFinite(limit) ? limit : null }))
    const call = { name: 'acquire', arguments: { slots: wire } } as const
    try {
      const { value } = await this.#client.call({ store: 'shared', call })
      const answer = value as SharedOperations['acquire']['answer']
      if (answer !== null) this.#own.release(keys)
      return answer
    } catch (error) {
      this.#own.release(keys)
      throw error
    }
  }

  release(keys: readonly string[]): void {
    this.#own.release(keys)
    // A keeper that does not hear it is gone, and its counts with it.
    this.#client.call({ store: 'shared', call: { name: 'release', arguments: { keys } } }).catch(() => {})
  }
}
