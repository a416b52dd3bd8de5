/** Takes the content of one message while it arrives: in memory while it is small, in a spool file afterwards. */
import type { FileHandle } from 'node:fs/promises'
import { open, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { Content } from '../mail/message.ts'
import { storeFault } from '../state/store-fault.ts'
import { syncDirectory } from './durable-directory.ts'
import type { SpoolFolders } from './spool-folders.ts'

/** Octets collected before they are written: each write costs a turn through the thread pool. */
const WRITE_BYTES = 262_144

/** Pieces kept apart; when there are as many they become one. */
const MAX_PIECES = 256

export class SpoolReceiver {
  readonly #path: string
  readonly #inlineBytes: number
  readonly #folders: SpoolFolders
  #chunks: Uint8Array[] = []
  #collectedBytes = 0
  #sizeBytes = 0
  /** Of what goes to the file. */
  #checksum = 0
  #file: FileHandle | null = null
  /** The writes so far, one after the other; null while everything is in memory. */
  #written: Promise<void> | null = null
  /** There is a file, and this made it. */
  #isOurs = false
  #isOver = false

  constructor(path: string, inlineBytes: number, folders: SpoolFolders) {
    this.#path = path
    this.#inlineBytes = inlineBytes
    this.#folders = folders
  }

  /** Octets taken so far. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /**
   * Takes a chunk, which must not change afterwards. Returns undefined when it found room in memory; otherwise wait
   * for the promise before reading on from the client.
   *
   * @throws StoreFault as a rejection; `finish` gives it again
   */
  write(chunk: Uint8Array): Promise<void> | undefined {
    this.#requireOpen()
    this.#chunks.push(chunk)
    this.#collectedBytes += chunk.byteLength
    this.#sizeBytes += chunk.byteLength
    // A client may send an octet at a time, and each piece costs a hundred octets around its own.
    if (this.#chunks.length >= MAX_PIECES) this.#chunks = [joined(this.#chunks, this.#collectedBytes)]
    const limit = this.#written === null ? this.#inlineBytes : WRITE_BYTES
    return this.#collectedBytes > limit ? this.#writeOut() : undefined
  }

  /**
   * The content: the octets in one exact buffer, or a file that survives a power cut.
   *
   * @throws StoreFault when the file could not be written; nothing is left of it then
   */
  async finish(): Promise<Content> {
    this.#requireOpen()
    if (this.#written === null) {
      this.#isOver = true
      return { kind: 'inline', bytes: joined(this.#chunks, this.#sizeBytes) }
    }
    try {
      await this.#writeOut()
      await this.#file?.datasync()
      await this.#closeFile()
      await syncDirectory(dirname(this.#path))
      this.#isOver = true
      return { kind: 'spool', path: this.#path, sizeBytes: this.#sizeBytes, checksum: this.#checksum }
    } catch (error) {
      await this.abort()
      throw storeFault(error)
    }
  }

  /** Forgets the content and removes its file. Also for content already finished that will not be stored. */
  async abort(): Promise<void> {
    this.#isOver = true
    this.#chunks = []
    if (this.#written === null) return
    // Why it failed was said to whoever wrote.
    await this.#written.catch(() => {})
    await this.#closeFile().catch(() => {})
    // What cannot be removed is removed by the sweep of the next start.
    if (this.#isOurs) await rm(this.#path, { force: true }).catch(() => {})
  }

  #requireOpen(): void {
    if (this.#isOver) throw new Error('this content is finished or aborted')
  }

  #writeOut(): Promise<void> {
    const chunks = this.#chunks
    this.#chunks = []
    this.#collectedBytes = 0
    for (const chunk of chunks) this.#checksum = crc32(chunk, this.#checksum)
    const before = this.#written
    const written = this.#append(before, chunks)
    // A caller that does not wait for this write meets its failure at the next one.
    written.catch(() => {})
    this.#written = written
    return written
  }

  async #append(before: Promise<void> | null, chunks: readonly Uint8Array[]): Promise<void> {
    try {
      await before
      this.#file ??= await this.#create()
      if (chunks.length > 0) await writeAll(this.#file, chunks)
    } catch (error) {
      throw storeFault(error)
    }
  }

  async #create(): Promise<FileHandle> {
    const folder = dirname(this.#path)
    try {
      await this.#folders.make(folder)
      const file = await open(this.#path, 'wx', 0o600)
      this.#isOurs = true
      return file
    } catch (error) {
      this.#folders.forget(folder)
      throw error
    }
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close()
  }
}

/** A short write is how a full volume begins: the rest is tried until the system says what is wrong. */
async function writeAll(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = [...chunks]
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest)
    rest = behind(rest, bytesWritten)
  }
}

function behind(chunks: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes
  const rest: Uint8Array[] = []
  for (const chunk of chunks) {
    if (skip < chunk.byteLength) rest.push(chunk.subarray(skip))
    skip = Math.max(0, skip - chunk.byteLength)
  }
  return rest
}

function joined(chunks: readonly Uint8Array[], sizeBytes: number): Uint8Array {
  const [first] = chunks
  if (chunks.length === 1 && first !== undefined && first.buffer.byteLength === sizeBytes) return first
  // Not from the shared pool: whoever keeps this keeps nothing else.
  const bytes = Buffer.allocUnsafeSlow(sizeBytes)
  let offset = 0
  for (const chunk of chunks) {
    bytes.set(chunk, offset)
    offset += chunk.byteLength
  }
  return bytes
}
