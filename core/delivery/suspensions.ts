/** Destinations that operators have suspended, as the store last said. */
import type { Clock } from '../observe/clock.ts'
import type { QueueStore, Suspension } from '../queue/queue-store.ts'

export class Suspensions {
  readonly #store: Pick<QueueStore, 'suspensions'>
  readonly #clock: Clock
  #known: readonly Suspension[] = []

  constructor(store: Pick<QueueStore, 'suspensions'>, clock: Clock) {
    this.#store = store
    this.#clock = clock
  }

  /** Asks the store. Returns whether something has changed. @throws StoreFault */
  async refresh(): Promise<boolean> {
    const before = JSON.stringify(this.routes)
    this.#known = await this.#store.suspensions()
    return JSON.stringify(this.routes) !== before
  }

  /** Those in force now. */
  get routes(): readonly string[] {
    const now = this.#clock.now()
    return this.#known.filter(({ until }) => until === null || until > now).map(({ route }) => route)
  }

  has(route: string): boolean {
    return this.#known.length > 0 && this.routes.includes(route)
  }
}
