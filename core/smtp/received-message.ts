/** A message that has arrived completely: its header, and its body in pieces. */
import { bodyOffset, parseHeaderFields } from '../mail/header-fields.ts'
import { BODY_CHUNK_BYTES, type MessageReader } from '../mail/hook-events.ts'
import type { Content, HeaderField } from '../mail/message.ts'
import type { ReadChunk } from './ports.ts'

/** No header of a message that is meant to be read is longer, and parsing one takes a few milliseconds. */
export const MAX_HEADER_BYTES = 262_144
/** Of a file, read at once: four pieces of a body. */
const BLOCK_BYTES = 4 * BODY_CHUNK_BYTES

export class ReceivedMessage implements MessageReader {
  readonly content: Content
  readonly sizeBytes: number
  /** The header block as received, the empty line included. */
  readonly header: Uint8Array
  readonly #readChunk: ReadChunk
  #fields: readonly HeaderField[] | null = null
  /** Read last: whoever reads a body wants several pieces of it, and opening a file for each costs more than reading. */
  #latest: { readonly index: number; readonly block: Promise<Uint8Array> } | null = null

  private constructor(content: Content, header: Uint8Array, readChunk: ReadChunk) {
    this.content = content
    this.sizeBytes = sizeOf(content)
    this.header = header
    this.#readChunk = readChunk
  }

  /** Reads the header; null when it is longer than MAX_HEADER_BYTES. */
  static async open(content: Content, readChunk: ReadChunk): Promise<ReceivedMessage | null> {
    const start = content.kind === 'inline' ? content.bytes : await beginning(content, readChunk)
    const end = bodyOffset(start)
    const isWhole = end < start.byteLength || start.byteLength === sizeOf(content)
    if (!isWhole || end > MAX_HEADER_BYTES) return null
    return new ReceivedMessage(content, start.subarray(0, end), readChunk)
  }

  headers(): readonly HeaderField[] {
    this.#fields ??= parseHeaderFields(this.header)
    return this.#fields
  }

  async bodyChunk(index: number): Promise<Uint8Array | undefined> {
    const start = this.header.byteLength + index * BODY_CHUNK_BYTES
    if (start >= this.sizeBytes) return undefined
    const { content } = this
    if (content.kind === 'inline') return content.bytes.subarray(start, start + BODY_CHUNK_BYTES)
    const block = Math.floor(start / BLOCK_BYTES)
    const within = start % BLOCK_BYTES
    const wanted = Math.min(BODY_CHUNK_BYTES, this.sizeBytes - start)
    const piece = (await this.#block(block)).subarray(within, within + wanted)
    if (piece.byteLength === wanted) return piece
    const rest = await this.#block(block + 1)
    return Buffer.concat([piece, rest.subarray(0, wanted - piece.byteLength)])
  }

  #block(index: number): Promise<Uint8Array> {
    if (this.#latest?.index === index) return this.#latest.block
    const block = this.#read(index)
    this.#latest = { index, block }
    return block
  }

  async #read(index: number): Promise<Uint8Array> {
    try {
      return (await this.#readChunk(this.content, index, BLOCK_BYTES)) ?? NOTHING
    } catch (error) {
      // The next one who asks tries again.
      this.#latest = null
      throw error
    }
  }
}

const NOTHING = new Uint8Array(0)

/** Enough of a spooled content to hold the header, if it is not too long. */
async function beginning(content: Content, readChunk: ReadChunk): Promise<Uint8Array> {
  let start: Uint8Array = NOTHING
  for (let index = 0; start.byteLength <= MAX_HEADER_BYTES; index++) {
    const piece = await readChunk(content, index, BODY_CHUNK_BYTES)
    if (piece === undefined || piece.byteLength === 0) break
    start = index === 0 ? piece : Buffer.concat([start, piece])
    if (bodyOffset(start) < start.byteLength) break
  }
  return start
}

function sizeOf(content: Content): number {
  return content.kind === 'inline' ? content.bytes.byteLength : content.sizeBytes
}
