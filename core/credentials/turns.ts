/** Turns: so many at once, so many waiting in line, and nobody else. First come, first served. */

export class Turns {
  readonly #atOnce: number
  readonly #maxWaiting: number
  readonly #line: (() => void)[] = []
  #taken = 0

  constructor(atOnce: number, maxWaiting: number) {
    this.#atOnce = atOnce
    this.#maxWaiting = maxWaiting
  }

  /** Waits for a turn, which must be given back. False at once when the line is full: there is nothing to give back. */
  take(): Promise<boolean> {
    if (this.#taken < this.#atOnce) {
      this.#taken += 1
      return Promise.resolve(true)
    }
    if (this.#line.length >= this.#maxWaiting) return Promise.resolve(false)
    return new Promise((resolve) => this.#line.push(() => resolve(true)))
  }

  /** Gives a turn back: the first in line has it. */
  release(): void {
    const next = this.#line.shift()
    if (next === undefined) this.#taken -= 1
    else next()
  }

  get waiting(): number {
    return this.#line.length
  }
}
