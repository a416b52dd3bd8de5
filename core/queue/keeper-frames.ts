/**
 * Frames between a worker and the keeper's process, on a stream:
 * `u8 mark | u8 kind | u16le 0 | u32le text octets | u32le parts | u32le octets of each part | text | parts`.
 * Text is UTF-8. Octets are copied once, from where the stream put them to where they stay.
 */

export const FRAME = Object.freeze({ hello: 1, calls: 2, ready: 3, refused: 4, answers: 5, work: 6 })

export interface Frame {
  readonly kind: number
  readonly text: string
  readonly parts: readonly ArrayBuffer[]
}

/** Octets of text and parts together in the largest frame either side sends or accepts. */
export const MAX_FRAME_BYTES = 64 * 1024 * 1024
const MAX_PARTS = 65_536
const MARK = 0xf5
const HEADER_BYTES = 12
const NUMBER_BYTES = 4

/** What came is no frame: the other side is not to be believed any more. */
export class FrameFault extends Error {}

/**
 * The octets of a frame, in the order they are to be written. The parts are not copied, so they must not change.
 *
 * @throws FrameFault when it would be too large
 */
export function frameOctets(kind: number, text = '', parts: readonly ArrayBuffer[] = []): Uint8Array[] {
  const textBytes = Buffer.byteLength(text)
  requireBounds(textBytes, parts.length, sum(parts.map(({ byteLength }) => byteLength)))
  const start = HEADER_BYTES + NUMBER_BYTES * parts.length
  const octets = Buffer.allocUnsafe(start + textBytes)
  octets.writeUInt8(MARK, 0)
  octets.writeUInt8(kind, 1)
  octets.writeUInt16LE(0, 2)
  octets.writeUInt32LE(textBytes, 4)
  octets.writeUInt32LE(parts.length, 8)
  for (const [index, part] of parts.entries())
    octets.writeUInt32LE(part.byteLength, HEADER_BYTES + NUMBER_BYTES * index)
  octets.write(text, start, 'utf8')
  return [octets, ...parts.filter(({ byteLength }) => byteLength > 0).map((part) => new Uint8Array(part))]
}

/** Cuts a stream into frames. */
export class FrameReader {
  #frame = readFrame()
  #target: Uint8Array = new Uint8Array()
  #filled = 0
  #isMidFrame = false

  /** Whether the stream ended here would have been cut off. */
  get isMidFrame(): boolean {
    return this.#isMidFrame
  }

  /**
   * @returns the frames completed by `chunk`
   * @throws FrameFault when this is no frame, or one that is too large
   */
  push(chunk: Uint8Array): Frame[] {
    const frames: Frame[] = []
    let offset = 0
    while (true) {
      while (this.#filled === this.#target.byteLength) {
        const { done, value } = this.#frame.next()
        if (done === true) {
          frames.push(value)
          this.#isMidFrame = false
          this.#frame = readFrame()
          this.#target = new Uint8Array()
        } else this.#target = value
        this.#filled = 0
      }
      if (offset === chunk.byteLength) return frames
      const taken = Math.min(this.#target.byteLength - this.#filled, chunk.byteLength - offset)
      this.#target.set(chunk.subarray(offset, offset + taken), this.#filled)
      this.#filled += taken
      this.#isMidFrame = true
      offset += taken
    }
  }
}

/** Yields what is to be filled next. */
function* readFrame(): Generator<Uint8Array, Frame, void> {
  const header = Buffer.allocUnsafe(HEADER_BYTES)
  yield header
  if (header.readUInt8(0) !== MARK || header.readUInt16LE(2) !== 0) throw new FrameFault('this is no frame')
  const kind = header.readUInt8(1)
  const textBytes = header.readUInt32LE(4)
  const partCount = header.readUInt32LE(8)
  requireBounds(textBytes, partCount, 0)
  const table = Buffer.allocUnsafe(NUMBER_BYTES * partCount)
  if (partCount > 0) yield table
  const lengths = Array.from({ length: partCount }, (_, index) => table.readUInt32LE(NUMBER_BYTES * index))
  requireBounds(textBytes, partCount, sum(lengths))
  const text = Buffer.allocUnsafe(textBytes)
  if (textBytes > 0) yield text
  const parts: ArrayBuffer[] = []
  for (const length of lengths) {
    const part = new ArrayBuffer(length)
    if (length > 0) yield new Uint8Array(part)
    parts.push(part)
  }
  return { kind, text: text.toString('utf8'), parts }
}

function requireBounds(textBytes: number, partCount: number, partBytes: number): void {
  if (partCount > MAX_PARTS) throw new FrameFault(`a frame of ${partCount} parts, ${MAX_PARTS} are allowed`)
  const bytes = textBytes + partBytes
  if (bytes > MAX_FRAME_BYTES)
    throw new FrameFault(`a frame of ${bytes} octets, ${MAX_FRAME_BYTES} are allowed`)
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
