/** Message content on the wire: ends at CRLF.CRLF and nowhere else, leading dots doubled (RFC 5321 §4.1.1.4, §4.5.2). */

const CR = 0x0d
const LF = 0x0a
const LINE_END = Buffer.from('\r\n')
const LEADING_DOT = Buffer.from('\r\n.')
const NOTHING = Buffer.alloc(0)

/**
 * Takes the wire's pieces and gives back content. Linear in the octets whatever they are; a line starts only behind
 * CRLF, so a dot behind a bare LF is neither an end nor a doubled one.
 */
export class DataReader {
  /** The start of the content is the start of a line: as if a line end had come before. */
  #held: Buffer = LINE_END
  #isFirst = true
  #rest: Buffer | null = null

  /** What came behind the final dot; null while there was none. */
  get rest(): Buffer | null {
    return this.#rest
  }

  /** The content in `piece`, perhaps less and the rest of it with the next one. `piece` is changed in place. */
  take(piece: Buffer): Buffer {
    const bytes = this.#held.length === 0 ? piece : Buffer.concat([this.#held, piece])
    let from = 0
    let to = 0
    let at = bytes.indexOf(LEADING_DOT)
    while (at >= 0) {
      const dot = at + 2
      const behind = whatFollows(bytes, dot)
      if (behind === 'unknown') return this.#give(bytes, from, to, at)
      if (behind === 'end') {
        this.#rest = bytes.subarray(dot + 3)
        return this.#give(bytes, from, to, dot, NOTHING)
      }
      to = moved(bytes, from, to, dot)
      from = dot + 1
      at = bytes.indexOf(LEADING_DOT, from)
    }
    return this.#give(bytes, from, to, bytes.length - maybeLineEnd(bytes, from))
  }

  /** Content up to `end`; what stands there and could still become an end of data is held back. */
  #give(bytes: Buffer, from: number, to: number, end: number, held = bytes.subarray(end)): Buffer {
    // A copy: the octets it stands on are about to be somebody else's.
    this.#held = held.length === 0 ? NOTHING : Buffer.from(held)
    const content = bytes.subarray(0, moved(bytes, from, to, end))
    if (!this.#isFirst || content.length === 0) return content
    this.#isFirst = false
    return content.subarray(LINE_END.length)
  }
}

/** Closes the gap the dots taken out have left: octets `from` to `end` go to `to`. Returns the new end. */
function moved(bytes: Buffer, from: number, to: number, end: number): number {
  if (from !== to) bytes.copyWithin(to, from, end)
  return to + end - from
}

/** Whether the dot at `dot`, first of its line, ends the data. */
function whatFollows(bytes: Buffer, dot: number): 'end' | 'content' | 'unknown' {
  const first = bytes[dot + 1]
  if (first !== CR) return first === undefined ? 'unknown' : 'content'
  const second = bytes[dot + 2]
  if (second === undefined) return 'unknown'
  return second === LF ? 'end' : 'content'
}

/** How many octets at the end may be the start of CRLF and a dot, none of them before `from`. */
function maybeLineEnd(bytes: Buffer, from: number): number {
  const length = bytes.length
  if (length - from >= 1 && bytes[length - 1] === CR) return 1
  return length - from >= 2 && bytes[length - 2] === CR && bytes[length - 1] === LF ? 2 : 0
}
