/**
 * Whether a stay that was cut short had its share of the processor. If not, the machine is to blame and the call is asked
 * again; what it used is remembered, so that one that never ends is found on a busy machine too.
 */
import { type IsolateFault, threadMicros } from './engine.ts'

/** A plugin that used less of its slice than this was not the one that took the time. */
const STARVED_SHARE = 0.5
/** Most that the thread uses between a reading of its CPU time and the stay it is read for. */
const STALE_MS = 5
/** Calls remembered to be asked again; without the memory a busy machine spares one that never ends. */
const MAX_STARVED = 4_096

export class Starvation {
  /** What calls to be asked again have used of the processor, by their number. */
  readonly #starved = new Map<number, { readonly plugin: number; readonly usedMicros: number }>()
  #usedRead = 0
  #usedReadAt = Number.NEGATIVE_INFINITY

  /**
   * CPU time of this thread, as it was not long ago: to read it takes as much of it as a short stay.
   *
   * @param now of performance.now()
   */
  usedMicros(now: number): number {
    if (now - this.#usedReadAt > STALE_MS) {
      this.#usedRead = threadMicros()
      this.#usedReadAt = now
    }
    return this.#usedRead
  }

  /**
   * Whether the machine was at fault and not the plugin.
   *
   * @param usedBefore CPU time of this thread when the stay began
   * @param sliceMs longest stay there is
   */
  excuses(
    call: number,
    plugin: number,
    { kind }: IsolateFault,
    usedBefore: number,
    sliceMs: number,
  ): boolean {
    const usedMicros = threadMicros() - usedBefore
    const before = this.#starved.get(call)
    const usedInAll = usedMicros + (before !== undefined && before.plugin === plugin ? before.usedMicros : 0)
    this.#starved.delete(call)
    if (kind !== 'timeout' || usedInAll >= sliceMs * 1000 * STARVED_SHARE) return false
    if (this.#starved.size >= MAX_STARVED) this.#starved.clear()
    this.#starved.set(call, { plugin, usedMicros: usedInAll })
    return true
  }
}
