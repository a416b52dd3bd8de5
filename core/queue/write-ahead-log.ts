/**
 * The write-ahead log of SQLite, looked at before SQLite does: it reads the log up to the first frame that does not
 * match its checksum and forgets what is behind, also when that is mail which was promised (sqlite.org/fileformat2.html
 * §4). An unfinished last transaction is what a power cut leaves; anything before it is damage.
 */
import { closeSync, fstatSync, openSync, readSync, writeSync } from 'node:fs'

const HEADER_BYTES = 32
const FRAME_HEADER_BYTES = 24
const LITTLE_ENDIAN_MAGIC = 0x377f0682
const BIG_ENDIAN_MAGIC = 0x377f0683
const LOG_VERSION = 3_007_000

export interface LogState {
  /** `whole`: nothing is wrong, or there is no log. `tail`: the last transaction is not whole. `damaged`: an earlier one is. */
  readonly kind: 'whole' | 'tail' | 'damaged'
  /** Frames of this log that SQLite would forget. */
  readonly forgotten: number
}

interface Frame {
  readonly page: number
  /** Pages of the database behind this transaction; 0 within it. */
  readonly commit: number
  readonly isOfThisLog: boolean
  readonly isSound: boolean
}

/** What the log at `file` holds. @param pageBytes size of a page of the database */
export function logState(file: string, pageBytes: number): LogState {
  const log = OpenLog.open(file, pageBytes, 'r')
  if (log === null) return { kind: 'whole', forgotten: 0 }
  try {
    const frames = [...log.frames()]
    if (!log.isHeaderSound)
      return { kind: frames.length === 0 ? 'tail' : 'damaged', forgotten: frames.length }
    const state = stateOf(frames)
    return state.kind === 'whole' && log.endsInFrame ? { kind: 'tail', forgotten: 1 } : state
  } finally {
    log.close()
  }
}

/**
 * Makes SQLite read every frame of the log, also those that do not match: what they hold is to be checked by whoever
 * reads it. For a copy that is to be salvaged.
 */
export function mendLog(file: string, pageBytes: number): void {
  const log = OpenLog.open(file, pageBytes, 'r+')
  if (log === null) return
  try {
    log.mend()
  } finally {
    log.close()
  }
}

function stateOf(frames: readonly Frame[]): LogState {
  const first = frames.findIndex(({ isSound }) => !isSound)
  if (first === -1) return { kind: 'whole', forgotten: 0 }
  // Frames of an earlier round stand behind those of this one, and are nobody's.
  const rest = frames.slice(first).filter(({ isOfThisLog }, index) => isOfThisLog || index === 0)
  const own = rest.filter(({ isOfThisLog }) => isOfThisLog).length
  if (own === 0) return { kind: 'whole', forgotten: 0 }
  // Each commit is synced before the next transaction is written: with one behind it, this one was whole.
  const end = rest.findIndex(({ commit }) => commit !== 0)
  const isBehind = end !== -1 && end < rest.length - 1
  return { kind: isBehind ? 'damaged' : 'tail', forgotten: rest.length }
}

class OpenLog {
  readonly #descriptor: number
  readonly #pageBytes: number
  readonly #header = Buffer.alloc(HEADER_BYTES)
  readonly isHeaderSound: boolean
  readonly #isBigEndian: boolean

  private constructor(descriptor: number, pageBytes: number) {
    this.#descriptor = descriptor
    this.#pageBytes = pageBytes
    readSync(descriptor, this.#header, 0, HEADER_BYTES, 0)
    const magic = this.#header.readUInt32BE(0)
    this.#isBigEndian = magic === BIG_ENDIAN_MAGIC
    const sum = checksum(this.#header.subarray(0, 24), [0, 0], this.#isBigEndian)
    this.isHeaderSound =
      (magic === LITTLE_ENDIAN_MAGIC || magic === BIG_ENDIAN_MAGIC) &&
      this.#header.readUInt32BE(8) === pageBytes &&
      sum[0] === this.#header.readUInt32BE(24) &&
      sum[1] === this.#header.readUInt32BE(28)
  }

  /** Null when there is no log, or nothing in it. */
  static open(file: string, pageBytes: number, flags: 'r' | 'r+'): OpenLog | null {
    let descriptor: number
    try {
      descriptor = openSync(file, flags)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null
      throw error
    }
    if (readSync(descriptor, Buffer.alloc(HEADER_BYTES), 0, HEADER_BYTES, 0) === HEADER_BYTES)
      return new OpenLog(descriptor, pageBytes)
    closeSync(descriptor)
    return null
  }

  /** The file ends within a frame, as after a write that was cut off. */
  get endsInFrame(): boolean {
    return (fstatSync(this.#descriptor).size - HEADER_BYTES) % (FRAME_HEADER_BYTES + this.#pageBytes) !== 0
  }

  /** Whole frames in their order. Behind one that is not sound none is. */
  *frames(): Generator<Frame> {
    let sum: Sum = [this.#header.readUInt32BE(24), this.#header.readUInt32BE(28)]
    let isSound = this.isHeaderSound
    for (const frame of this.#raw()) {
      const isOfThisLog = frame.compare(this.#header, 16, 24, 8, 16) === 0
      const next = this.#sumOf(frame, sum)
      isSound &&= isOfThisLog && next[0] === frame.readUInt32BE(16) && next[1] === frame.readUInt32BE(20)
      sum = next
      yield { page: frame.readUInt32BE(0), commit: frame.readUInt32BE(4), isOfThisLog, isSound }
    }
  }

  mend(): void {
    const frames: Buffer[] = []
    for (const frame of this.#raw()) frames.push(Buffer.from(frame))
    if (!this.isHeaderSound) this.#mendHeader(frames)
    let sum: Sum = [this.#header.readUInt32BE(24), this.#header.readUInt32BE(28)]
    const last = frames.findLastIndex((frame) => frame.compare(this.#header, 16, 24, 8, 16) === 0)
    for (const [index, frame] of frames.entries()) {
      if (index > last) break
      this.#header.copy(frame, 8, 16, 24)
      sum = this.#sumOf(frame, sum)
      frame.writeUInt32BE(sum[0], 16)
      frame.writeUInt32BE(sum[1], 20)
      writeSync(this.#descriptor, frame, 0, FRAME_HEADER_BYTES, this.#offsetOf(index))
    }
  }

  close(): void {
    closeSync(this.#descriptor)
  }

  /** Of the salts that most of the frames have. */
  #mendHeader(frames: readonly Buffer[]): void {
    const salts = new Map<string, number>()
    for (const frame of frames) {
      const salt = frame.toString('latin1', 8, 16)
      salts.set(salt, (salts.get(salt) ?? 0) + 1)
    }
    const [most = ['\0'.repeat(8), 0]] = [...salts].toSorted(([, a], [, b]) => b - a)
    this.#header.writeUInt32BE(this.#isBigEndian ? BIG_ENDIAN_MAGIC : LITTLE_ENDIAN_MAGIC, 0)
    this.#header.writeUInt32BE(LOG_VERSION, 4)
    this.#header.writeUInt32BE(this.#pageBytes, 8)
    this.#header.write(most[0], 16, 'latin1')
    const sum = checksum(this.#header.subarray(0, 24), [0, 0], this.#isBigEndian)
    this.#header.writeUInt32BE(sum[0], 24)
    this.#header.writeUInt32BE(sum[1], 28)
    writeSync(this.#descriptor, this.#header, 0, HEADER_BYTES, 0)
  }

  #offsetOf(index: number): number {
    return HEADER_BYTES + index * (FRAME_HEADER_BYTES + this.#pageBytes)
  }

  #sumOf(frame: Buffer, before: Sum): Sum {
    const sum = checksum(frame.subarray(0, 8), before, this.#isBigEndian)
    return checksum(frame.subarray(FRAME_HEADER_BYTES), sum, this.#isBigEndian)
  }

  /** The same buffer each time. */
  *#raw(): Generator<Buffer> {
    const frame = Buffer.alloc(FRAME_HEADER_BYTES + this.#pageBytes)
    for (let index = 0; ; index++) {
      const read = readSync(this.#descriptor, frame, 0, frame.byteLength, this.#offsetOf(index))
      if (read < frame.byteLength) return
      yield frame
    }
  }
}

type Sum = readonly [number, number]

/** As SQLite has it, over pairs of 32 bits. */
function checksum(bytes: Buffer, before: Sum, isBigEndian: boolean): Sum {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  let [first, second] = before
  for (let at = 0; at < bytes.byteLength; at += 8) {
    first = (first + view.getUint32(at, !isBigEndian) + second) >>> 0
    second = (second + view.getUint32(at + 4, !isBigEndian) + first) >>> 0
  }
  return [first, second]
}
