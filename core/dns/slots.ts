/** A fixed number of things that may go on at once; who comes later waits, first come first served. */

export class Slots {
  #free: number
  readonly #waiting = new Set<() => void>()

  constructor(count: number) {
    this.#free = count
  }

  /** Resolves to true with a slot, which has to be given back, or to false when the signal was first. */
  async take(signal: AbortSignal): Promise<boolean> {
    if (signal.aborted) return false
    if (this.#free > 0) {
      this.#free -= 1
      return true
    }
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const goOn = (): void => resolve(true)
    const onAbort = (): void => {
      if (this.#waiting.delete(goOn)) resolve(false)
    }
    this.#waiting.add(goOn)
    signal.addEventListener('abort', onAbort, { once: true })
    return await promise.finally(() => signal.removeEventListener('abort', onAbort))
  }

  give(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free += 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
