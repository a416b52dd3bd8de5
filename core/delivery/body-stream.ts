/** The content of a message as the client sends it. */
import { isAscii } from 'node:buffer'
import { Readable } from 'node:stream'
import type { StoredContent } from '../mail/message.ts'
import { readContent } from '../queue/stored-content.ts'

/** The longest piece of content that is written at once, octets: what ClientTimeouts.blockMs is for. */
export const BODY_PIECE_BYTES = 65_536

/** The content as it was stored, in pieces. */
export function bodyStream(stored: StoredContent): Readable {
  const { head, content, contentOffset } = stored
  if (content.kind === 'spool') return Readable.from(readContent(stored), { objectMode: false })
  let rest: Buffer | null = null
  return new Readable({
    read() {
      rest ??= Buffer.concat([head, content.bytes.subarray(contentOffset)])
      if (rest.byteLength > 0) this.push(rest.subarray(0, BODY_PIECE_BYTES))
      rest = rest.subarray(BODY_PIECE_BYTES)
      if (rest.byteLength === 0) this.push(null)
    },
  })
}

/** Whether BODY=8BITMIME has to be declared (RFC 6152). A spooled body is not read for it: declaring is allowed. */
export function hasHighBytes({ head, content }: StoredContent): boolean {
  return content.kind === 'spool' || !isAscii(content.bytes) || !isAscii(head)
}

/** The same for sure, the content is read. @throws what reading the file failed with */
export async function isEightBit(stored: StoredContent): Promise<boolean> {
  for await (const piece of readContent(stored)) if (!isAscii(piece)) return true
  return false
}
