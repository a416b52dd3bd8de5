/** A queued message as it would be sent, in pieces for an operator. */
import type { MessagePiece } from '../admin/control.ts'
import { type QueueStore, StoreFault } from '../queue/queue-store.ts'
import { readContent } from '../queue/stored-content.ts'

/** Octets of a piece. */
const PIECE_BYTES = 1024 * 1024

/** Piece `index` from 0; null when there is no such message. @throws StoreFault when it is damaged */
export async function messagePiece(
  store: Pick<QueueStore, 'content'>,
  message: string,
  index: number,
): Promise<MessagePiece | null> {
  const [start, end] = [index * PIECE_BYTES, (index + 1) * PIECE_BYTES]
  const parts: Uint8Array[] = []
  let position = 0
  try {
    for await (const piece of readContent(await store.content(message))) {
      const from = Math.max(0, start - position)
      if (position < end && from < piece.byteLength) parts.push(piece.subarray(from, end - position))
      position += piece.byteLength
    }
  } catch (error) {
    if (error instanceof StoreFault && error.code === 'unavailable') return null
    throw error
  }
  return { base64: Buffer.concat(parts).toString('base64'), isLast: position <= end }
}
