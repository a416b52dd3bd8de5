/** Message content of a counted length on the wire (RFC 3030 §2): nothing in it has a meaning. */

const NOTHING = Buffer.alloc(0)

export class ChunkReader {
  #left: number
  #rest: Buffer = NOTHING

  /** @param octets how many belong to the chunk */
  constructor(octets: number) {
    this.#left = octets
  }

  /** What came behind the chunk; null while it is not complete. */
  get rest(): Buffer | null {
    return this.#left === 0 ? this.#rest : null
  }

  /** The content in `piece`, as a view of it. */
  take(piece: Buffer): Buffer {
    const content = piece.subarray(0, this.#left)
    this.#left -= content.length
    if (this.#left === 0) this.#rest = piece.subarray(content.length)
    return content
  }
}
