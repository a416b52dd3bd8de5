/** A clock that stands until it is told to go on. */
import type { Clock } from '../../../core/observe/clock.ts'

export class StandingClock implements Clock {
  #at = 1_000_000

  now(): number {
    return this.#at
  }

  monotonic(): number {
    return this.#at
  }

  forward(ms: number): void {
    this.#at += ms
  }
}
