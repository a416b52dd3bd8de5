/** Lines of a message that are longer than RFC 5321 §4.5.3.1.6 has everybody take. */

/** Octets of a line, its CRLF not counted (RFC 5322 §2.1.1). */
export const MAX_TEXT_LINE_BYTES = 998

const LF = 0x0a

/** Looks through content that comes in pieces; how far the last line has got is all it keeps between them. */
export class LineLengths {
  /** Octets of the line that has not ended yet. */
  #unfinished = 0

  /** Whether a line in this piece is too long. After that its answers mean nothing. */
  isPast(piece: Uint8Array): boolean {
    // The last line end within reach is looked for, not each one: what stands between them is short enough.
    const reach = MAX_TEXT_LINE_BYTES + 2
    let start = 0
    let had = this.#unfinished
    while (piece.byteLength - start + had >= reach) {
      const end = piece.subarray(start, start + reach - had).lastIndexOf(LF)
      if (end < 0) return true
      start += end + 1
      had = 0
    }
    const last = piece.subarray(start).lastIndexOf(LF)
    this.#unfinished = last < 0 ? had + piece.byteLength - start : piece.byteLength - start - last - 1
    return false
  }
}
