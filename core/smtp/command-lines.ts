/** Command lines out of the octets of one socket (RFC 5321 §2.3.8, §4.1.1): they end at CRLF and nowhere else. */
import type { Violation } from './dialogue-port.ts'
import { MAX_LINE_BYTES } from './line-limits.ts'

const CR = 0x0d
const LF = 0x0a
const NOTHING = Buffer.alloc(0)

/**
 * What the client has sent and nobody has heard yet. Lines are views of the pieces they came in; only a line that came
 * in several is put together, and no line is longer than MAX_LINE_BYTES.
 */
export class CommandLines {
  #octets: Buffer = NOTHING
  #from = 0
  /** Octets looked through already, and no LF among them. */
  #seen = 0
  #later: Buffer[] = []
  #laterBytes = 0

  /** Octets nobody has heard yet. */
  get byteLength(): number {
    return this.#octets.length - this.#from + this.#laterBytes
  }

  /** More octets, behind those that are there. */
  add(piece: Buffer): void {
    this.#later.push(piece)
    this.#laterBytes += piece.length
  }

  /** The next line without its CRLF; how the client broke the protocol; or null: its end has not come yet. */
  next(): Buffer | Violation | null {
    for (;;) {
      const end = this.#octets.indexOf(LF, Math.max(this.#from, this.#seen))
      if (end >= 0) return this.#line(end)
      this.#seen = this.#octets.length
      if (this.unfinishedBytes > MAX_LINE_BYTES) return 'line-too-long'
      const piece = this.#later.shift()
      if (piece === undefined) return null
      this.#append(piece)
    }
  }

  /** All of it, which is no command. */
  takeAll(): Buffer {
    const rest = this.#octets.subarray(this.#from)
    const octets = this.#later.length === 0 ? rest : Buffer.concat([rest, ...this.#later])
    this.clear()
    return octets
  }

  /** Forgets all of it. */
  clear(): void {
    this.#octets = NOTHING
    this.#from = this.#seen = 0
    this.#later = []
    this.#laterBytes = 0
  }

  /** Octets of the line that has not ended yet, what may be its CR not counted. */
  get unfinishedBytes(): number {
    const bytes = this.#octets.length - this.#from
    return bytes > 0 && this.#octets[this.#octets.length - 1] === CR ? bytes - 1 : bytes
  }

  /** Beginning of the line that has not ended yet. */
  beginning(bytes: number): string {
    return this.#octets.toString('latin1', this.#from, this.#from + bytes)
  }

  #line(end: number): Buffer | Violation {
    const { length } = this.#octets
    const from = this.#from
    this.#from = this.#seen = end + 1
    if (end === from || this.#octets[end - 1] !== CR) return 'bare-line-feed'
    const line = this.#octets.subarray(from, end - 1)
    if (this.#from === length) {
      this.#octets = NOTHING
      this.#from = this.#seen = 0
    }
    return line.includes(0) || line.includes(CR) ? 'control-character' : line
  }

  #append(piece: Buffer): void {
    this.#laterBytes -= piece.length
    const rest = this.#octets.length - this.#from
    this.#seen -= this.#from
    // The piece is what the system read in one go, so a line that comes octet by octet is copied at most that often.
    this.#octets = rest === 0 ? piece : Buffer.concat([this.#octets.subarray(this.#from), piece])
    this.#from = 0
  }
}
