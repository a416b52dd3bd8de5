/** How long a replaced process waits to be replaced: longer with each death that follows soon. */

const FIRST_MS = 100
const LONGEST_MS = 5_000
/** A life of this length starts the waiting anew. */
const HEALTHY_MS = 60_000

export class RespawnDelay {
  #nextMs = FIRST_MS

  /** @param livedMs how long the process that just died had lived */
  after(livedMs: number): number {
    if (livedMs >= HEALTHY_MS) this.#nextMs = FIRST_MS
    const delayMs = this.#nextMs
    this.#nextMs = Math.min(this.#nextMs * 2, LONGEST_MS)
    return delayMs
  }
}
