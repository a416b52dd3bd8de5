/** Reading stored messages: the whole for sending, pieces of the content for plugins. */
import type { FileHandle } from 'node:fs/promises'
import { open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { Content, StoredContent } from '../mail/message.ts'
import { StoreFault, storeFault } from '../state/store-fault.ts'

/** Largest piece that is read at once, in octets. */
export const MAX_CHUNK_BYTES = 262_144
/** Largest piece of a message on its way out, in octets. */
const SENT_BYTES = 65_536

/**
 * The message as it is sent: head, then the content from its offset, in pieces of at most 64 KB beyond the head. No
 * piece is empty. The last piece of a spool file only comes when all of it is as it was stored.
 *
 * @throws StoreFault while reading: `unavailable` when the spool file cannot be read, `damaged` when it is missing, too
 *   short, or not what was stored
 */
export async function* readContent(stored: StoredContent): AsyncGenerator<Uint8Array, void, undefined> {
  const { head, content, contentOffset } = stored
  if (head.byteLength > 0) yield head
  if (content.kind === 'inline') {
    const rest = content.bytes.subarray(contentOffset)
    if (rest.byteLength > 0) yield rest
    return
  }
  if (content.checksum === undefined) yield* readSpoolFile(content.path, contentOffset, content.sizeBytes)
  else yield* readWhole(content.path, content.sizeBytes, contentOffset, content.checksum)
}

/** The file from `offset`, its octets before that read for the checksum alone. */
async function* readWhole(
  path: string,
  sizeBytes: number,
  offset: number,
  checksum: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let sum = 0
  let position = 0
  let kept: Uint8Array | null = null
  for await (const piece of readSpoolFile(path, 0, sizeBytes)) {
    sum = crc32(piece, sum)
    const rest = piece.subarray(Math.max(0, offset - position))
    position += piece.byteLength
    if (rest.byteLength === 0) continue
    if (kept !== null) yield kept
    kept = rest
  }
  if (sum !== checksum) throw new StoreFault('damaged', 'the spool file is not what was stored')
  if (kept !== null) yield kept
}

/**
 * One piece of the content as received.
 *
 * @param index      from 0
 * @param chunkBytes octets of a piece, 1 to 262144; the last may be shorter
 * @returns no octets behind the end
 * @throws StoreFault when the spool file cannot be read
 */
export async function contentChunk(content: Content, index: number, chunkBytes: number): Promise<Uint8Array> {
  if (!(chunkBytes >= 1 && chunkBytes <= MAX_CHUNK_BYTES && index >= 0)) {
    throw new RangeError(`no piece ${index} of ${chunkBytes} octets: 1 to ${MAX_CHUNK_BYTES} are allowed`)
  }
  const start = index * chunkBytes
  if (content.kind === 'inline') return content.bytes.subarray(start, start + chunkBytes)
  const end = Math.min(start + chunkBytes, content.sizeBytes)
  if (start >= end) return new Uint8Array(0)
  try {
    await using file = await open(content.path, 'r')
    return await readExactly(file, start, end - start)
  } catch (error) {
    throw spoolFault(error)
  }
}

async function* readSpoolFile(
  path: string,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    await using file = await open(path, 'r')
    let position = start
    while (position < end) {
      const wanted = Math.min(SENT_BYTES, end - position)
      const piece = await readExactly(file, position, wanted)
      position += wanted
      yield piece
    }
  } catch (error) {
    throw spoolFault(error)
  }
}

/** What is missing does not come back; anything else may pass. */
function spoolFault(error: unknown): StoreFault {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT')
    return new StoreFault('damaged', 'the spool file is missing', { cause: error })
  return storeFault(error)
}

async function readExactly(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const buffer = Buffer.allocUnsafeSlow(length)
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await file.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0)
      throw new StoreFault('damaged', `the spool file ends after ${position + filled} octets`)
    filled += bytesRead
  }
  return buffer
}
