/** Waiting that can end early. */
import type { Clock } from '../observe/clock.ts'

/** A sleep that can be shortened while it lasts. */
export class Sleep {
  readonly ended: Promise<void>
  readonly #resolve: () => void
  readonly #clock: Clock
  #until: number
  #timer: NodeJS.Timeout

  constructor(ms: number, clock: Clock) {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ended = promise
    this.#resolve = resolve
    this.#clock = clock
    this.#until = clock.monotonic() + ms
    this.#timer = setTimeout(resolve, ms)
  }

  end(): void {
    clearTimeout(this.#timer)
    this.#resolve()
  }

  /** Ends it in `ms` at the latest. */
  endWithin(ms: number): void {
    const until = this.#clock.monotonic() + Math.max(ms, 0)
    if (until >= this.#until) return
    this.#until = until
    clearTimeout(this.#timer)
    this.#timer = setTimeout(this.#resolve, Math.max(ms, 0))
  }
}

/** Resolves after `ms`, or as soon as the signal is aborted. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
      resolve()
    }
    const timer = setTimeout(end, ms)
    signal.addEventListener('abort', end, { once: true })
  })
}
