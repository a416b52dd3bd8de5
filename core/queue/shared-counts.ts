/** What the keeper counts in memory for all workers: what each of them holds at once, and tallies they share. */
import { ConcurrencyTable } from '../state/concurrency.ts'
import { LocalTallies } from '../state/tallies.ts'
import { LocalUsage } from '../state/usage.ts'
import type { SharedCall } from './keeper-protocol.ts'

export class SharedCounts {
  readonly #concurrency = new ConcurrencyTable()
  readonly #tallies = new LocalTallies(() => performance.now())
  readonly #usage = new LocalUsage(() => performance.now())

  apply(owner: string, call: SharedCall): unknown {
    switch (call.name) {
      case 'acquire': {
        const slots = call.arguments.slots.map(({ key, limit }) => ({ key, limit: limit ?? Infinity }))
        return this.#concurrency.acquire(owner, slots)
      }
      case 'release':
        return this.#concurrency.release(owner, call.arguments.keys)
      case 'add-tallies':
        return this.#tallies.add(call.arguments.keys)
      case 'tallies':
        return this.#tallies.counts(call.arguments.keys)
      case 'clear-tallies':
        return this.#tallies.clear(call.arguments.keys)
      case 'add-usage':
        return call.arguments.keys.map(({ key, amounts }) => {
          this.#usage.add(key, amounts)
          return this.#usage.of(key)
        })
    }
  }

  /** An owner is gone. Tallies outlive it. */
  forget(owner: string): void {
    this.#concurrency.forget(owner)
  }
}
