/**
 * Calls that were in a plughost when it died and were not to blame, as far as anybody knows. They are asked again one
 * after the other: each has to get through its first stay before the next one follows, so that one more poisoned call
 * among them takes no other with it.
 */
import type { Call } from './call.ts'

export class RetryLine {
  readonly #send: (call: Call) => void
  readonly #waiting = new Set<Call>()
  #first: Call | null = null

  constructor(send: (call: Call) => void) {
    this.#send = send
  }

  add(call: Call): void {
    this.#waiting.add(call)
  }

  has(call: Call): boolean {
    return this.#waiting.has(call)
  }

  /** The plughost is ready for the next one. */
  go(): void {
    if (this.#first !== null) return
    const [next] = this.#waiting
    if (next === undefined) return
    this.#waiting.delete(next)
    this.#first = next
    this.#send(next)
  }

  /** The plughost was heard of it, or it is over. */
  passed(call: Call): void {
    this.#waiting.delete(call)
    if (this.#first !== call) return
    this.#first = null
    this.go()
  }

  /** The plughost is gone: whoever was sent is no longer with it. */
  stop(): void {
    this.#first = null
  }
}
