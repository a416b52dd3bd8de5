/**
 * Calls in flight by their numbers. Not a Map: one that is always being filled and emptied is made anew all the time, and
 * each old table holds its calls and the next table, so that no call would be garbage before the whole heap is looked at.
 */
/** Calls at once. */
export const MAX_CALLS = 1_024
/** The largest number: a frame has 32 bits for it. */
const LAST_ID = 0x7fff_ffff

export class CallTable<Call extends { readonly id: number }> {
  readonly #slots = Array.from<Call | undefined>({ length: MAX_CALLS })
  #size = 0
  #lastId = 0

  get size(): number {
    return this.#size
  }

  /** A number no call has had for long. Not when the table is full. */
  nextId(): number {
    do this.#lastId = (this.#lastId % LAST_ID) + 1
    while (this.#slots[this.#lastId % MAX_CALLS] !== undefined)
    return this.#lastId
  }

  get(id: number): Call | undefined {
    const call = this.#slots[id % MAX_CALLS]
    return call?.id === id ? call : undefined
  }

  has(id: number): boolean {
    return this.get(id) !== undefined
  }

  /** @param call its number is of `nextId`, here or on the other side; whoever had its place is over */
  add(call: Call): void {
    const slot = call.id % MAX_CALLS
    if (this.#slots[slot] === undefined) this.#size++
    this.#slots[slot] = call
  }

  delete(id: number): void {
    if (!this.has(id)) return
    this.#slots[id % MAX_CALLS] = undefined
    this.#size--
  }

  /** Those there are now, in the order of their numbers. */
  values(): readonly Call[] {
    return this.#slots.filter((call) => call !== undefined).toSorted((a, b) => a.id - b.id)
  }
}
