/** How much one plugin may write to the log: 100 lines a second, each of at most 1 KiB. The rest is counted. */

const LINES_PER_SECOND = 100
const MAX_LINE_CHARS = 1_024
/** What a plughost may send beyond that in one second before it is believed to be out of its mind. */
const FLOOD_PER_SECOND = 20_000
const WINDOW_MS = 1_000

export type LogVerdict = 'write' | 'drop' | 'flood'

export class LogAllowance {
  #windowEndsAt = 0
  #lines = 0
  #dropped = 0

  /** @param now milliseconds of a monotonic clock */
  take(now: number): LogVerdict {
    if (now >= this.#windowEndsAt) {
      this.#windowEndsAt = now + WINDOW_MS
      this.#lines = 0
      this.#dropped = 0
    }
    if (++this.#lines <= LINES_PER_SECOND) return 'write'
    return ++this.#dropped > FLOOD_PER_SECOND ? 'flood' : 'drop'
  }

  /** Whether the line just dropped was the first of its second: one is told for all. */
  get isFirstDropped(): boolean {
    return this.#dropped === 1
  }
}

/** Text and fields within the size of a line; fields that are too large are left out as a whole, and that is said. */
export function cutLine(
  text: string,
  fields: Readonly<Record<string, unknown>>,
): { readonly text: string; readonly facts: Readonly<Record<string, unknown>> } {
  const isTooLarge = JSON.stringify(fields).length > MAX_LINE_CHARS
  return { text: text.slice(0, MAX_LINE_CHARS), facts: isTooLarge ? { omitted: true } : fields }
}
