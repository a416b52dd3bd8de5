/** Message content on the wire: ends at CRLF.CRLF and nowhere else, leading dots doubled (RFC 5321 §4.1.1.4, §4.5.2). */

const CR = 0x0d
const LF = 0x0a
const DOT = 0x2e
const LEADING_DOT = Buffer.from('\r\n.')
const CARRIAGE_RETURN = Buffer.from('\r')
const NOTHING = Buffer.alloc(0)

/** Where the last piece ended. A line end is content whatever follows it; a leading dot and a CR behind it may not be. */
type Place = 'within-line' | 'behind-cr' | 'line-start' | 'behind-dot' | 'behind-dot-cr'

/**
 * Takes the wire's pieces and gives back content. Linear in the octets whatever they are; a line starts only behind
 * CRLF, so a dot behind a bare LF is neither an end nor a doubled one. Content is a view of the piece it came in.
 */
export class DataReader {
  /** The start of the content is the start of a line. */
  #place: Place = 'line-start'
  #rest: Buffer | null = null

  /** What came behind the final dot; null while there was none. */
  get rest(): Buffer | null {
    return this.#rest
  }

  /** The content in `piece`, which is changed in place where a dot is taken out. */
  take(piece: Buffer): Buffer {
    if (piece.length === 0) return piece
    if (this.#place === 'behind-dot') return this.#behindDot(piece)
    if (this.#place === 'behind-dot-cr') {
      if (piece[0] === LF) return this.#ended(piece, 1, NOTHING)
      // That CR was content: the one octet that is not a view.
      return Buffer.concat([CARRIAGE_RETURN, this.#content(piece, -1)])
    }
    return this.#content(piece, this.#leadingDot(piece))
  }

  #behindDot(piece: Buffer): Buffer {
    if (piece[0] !== CR || (piece.length > 1 && piece[1] !== LF)) return this.#content(piece, -1)
    if (piece.length > 1) return this.#ended(piece, 2, NOTHING)
    this.#place = 'behind-dot-cr'
    return NOTHING
  }

  /** Index of a dot at the start of the line that the piece before ended in front of; -1 when there is none. */
  #leadingDot(piece: Buffer): number {
    if (this.#place === 'line-start') return piece[0] === DOT ? 0 : -1
    return this.#place === 'behind-cr' && piece[0] === LF && piece[1] === DOT ? 1 : -1
  }

  /** @param first index of a leading dot that only the piece before shows to be one; -1 when there is none */
  #content(piece: Buffer, first: number): Buffer {
    let from = 0
    let to = 0
    let dot = first >= 0 ? first : nextDot(piece, 0)
    while (dot >= 0) {
      const behind = whatFollows(piece, dot)
      if (behind === 'end') return this.#ended(piece, dot + 3, piece.subarray(0, moved(piece, from, to, dot)))
      if (behind === 'unknown') {
        this.#place = dot + 1 === piece.length ? 'behind-dot' : 'behind-dot-cr'
        return piece.subarray(0, moved(piece, from, to, dot))
      }
      to = moved(piece, from, to, dot)
      from = dot + 1
      dot = nextDot(piece, from)
    }
    this.#place = this.#placeBehind(piece)
    return piece.subarray(0, moved(piece, from, to, piece.length))
  }

  #placeBehind(piece: Buffer): Place {
    const last = piece[piece.length - 1]
    if (last === CR) return 'behind-cr'
    const hasCr = piece.length > 1 ? piece[piece.length - 2] === CR : this.#place === 'behind-cr'
    return last === LF && hasCr ? 'line-start' : 'within-line'
  }

  #ended(piece: Buffer, end: number, content: Buffer): Buffer {
    this.#rest = piece.subarray(end)
    return content
  }
}

function nextDot(piece: Buffer, from: number): number {
  const at = piece.indexOf(LEADING_DOT, from)
  return at < 0 ? -1 : at + 2
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
