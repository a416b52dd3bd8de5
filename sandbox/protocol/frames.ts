/**
 * Frames on the wire between a worker and its plughost: `u32le length | u8 type | u32le id | payload`, where length
 * counts type, id and payload. Written in batches: whatever was sent in one turn of the loop leaves in one write.
 */

export interface Frame {
  readonly type: number
  readonly id: number
  /** UTF-8 text. */
  readonly payload: string
}

/** Octets of the largest frame either side accepts; a plugin's source with its configuration fits. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024

const LENGTH_BYTES = 4
const HEAD_BYTES = 5

/** Batches are written here first and copied, so that nobody allocates for the worst case. */
const SCRATCH_BYTES = 256 * 1024
/** From so many characters on a payload is measured. */
const COUNTED_CHARS = 8_192
const scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES)

/** Collects frames and hands them over as one buffer. */
export class FrameBatch {
  #frames: Frame[] = []
  #bytes = 0

  get isEmpty(): boolean {
    return this.#frames.length === 0
  }

  add(type: number, id: number, payload: string): void {
    this.#frames.push({ type, id, payload })
    // Room for the worst case of UTF-8, so that one pass writes everything; of what is long the room it needs.
    const room = payload.length < COUNTED_CHARS ? payload.length * 3 : Buffer.byteLength(payload)
    this.#bytes += LENGTH_BYTES + HEAD_BYTES + room
  }

  /** The bytes of every frame added since the last call. */
  take(): Buffer {
    const out = this.#bytes <= SCRATCH_BYTES ? scratch : Buffer.allocUnsafeSlow(this.#bytes)
    let offset = 0
    for (const { type, id, payload } of this.#frames) {
      const written = out.write(payload, offset + LENGTH_BYTES + HEAD_BYTES, 'utf8')
      out.writeUInt32LE(HEAD_BYTES + written, offset)
      out[offset + LENGTH_BYTES] = type
      out.writeUInt32LE(id, offset + LENGTH_BYTES + 1)
      offset += LENGTH_BYTES + HEAD_BYTES + written
    }
    this.#frames = []
    this.#bytes = 0
    const written = out.subarray(0, offset)
    return out === scratch ? Buffer.from(written) : written
  }
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  #pending: Buffer | null = null

  /**
   * @returns the frames completed by `chunk`
   * @throws RangeError when a frame announces more than MAX_FRAME_BYTES: the other side is not to be believed any more
   */
  push(chunk: Buffer): readonly Frame[] {
    const bytes = this.#pending === null ? chunk : Buffer.concat([this.#pending, chunk])
    const frames: Frame[] = []
    let offset = 0
    while (bytes.length - offset >= LENGTH_BYTES) {
      const length = bytes.readUInt32LE(offset)
      if (length < HEAD_BYTES || length > MAX_FRAME_BYTES) throw new RangeError(`a frame of ${length} octets`)
      const end = offset + LENGTH_BYTES + length
      if (end > bytes.length) break
      const start = offset + LENGTH_BYTES
      const payload = bytes.toString('utf8', start + HEAD_BYTES, end)
      frames.push({ type: bytes[start] as number, id: bytes.readUInt32LE(start + 1), payload })
      offset = end
    }
    this.#pending = offset === bytes.length ? null : bytes.subarray(offset)
    return frames
  }
}
