/** Line ends made CRLF (RFC 5321 §2.3.8), for clients that are allowed to send others. */

const CR = 0x0d
const LF = 0x0a
const LINE_FEED = Buffer.from('\n')
const CARRIAGE_RETURN = Buffer.from('\r')
/** An LF without its CR, and a CR without its LF. */
const ALONE = /(?<!\r)\n|\r(?!\n)/g

/** Takes content in pieces; one octet of state between them. What it gives ends in CRLF when the content does. */
export class LineEndings {
  #endedInCr = false

  /** The piece with its line ends made CRLF: itself, when they were. */
  take(piece: Uint8Array): Uint8Array {
    if (piece.byteLength === 0) return piece
    const bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
    const text = bytes.toString('latin1')
    const out: Uint8Array[] = []
    let from = 0
    if (this.#endedInCr && bytes[0] !== LF) out.push(LINE_FEED)
    for (const { index } of text.matchAll(ALONE)) {
      const isCr = bytes[index] === CR
      // Its LF may be the first octet of the next piece; and this one's CR may have been the last of the one before.
      if (isCr ? index === bytes.length - 1 : index === 0 && this.#endedInCr) continue
      const at = isCr ? index + 1 : index
      out.push(bytes.subarray(from, at), isCr ? LINE_FEED : CARRIAGE_RETURN)
      from = at
    }
    this.#endedInCr = bytes[bytes.length - 1] === CR
    if (out.length === 0) return piece
    out.push(bytes.subarray(from))
    return Buffer.concat(out)
  }
}
