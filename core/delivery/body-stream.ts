/** The content of a message as the client sends it. */
import { isAscii } from 'node:buffer'
import { Readable } from 'node:stream'
import type { StoredContent } from '../mail/message.ts'
import { readContent } from '../queue/stored-content.ts'

/** The body as a stream that says when it is first read: the remote has answered DATA by then. */
export function bodyStream(stored: StoredContent, onStart: () => void): Readable {
  const { head, content, contentOffset } = stored
  if (content.kind === 'spool')
    return Readable.from(announced(readContent(stored), onStart), { objectMode: false })
  return new Readable({
    read() {
      onStart()
      this.push(Buffer.concat([head, content.bytes.subarray(contentOffset)]))
      this.push(null)
    },
  })
}

async function* announced(
  chunks: AsyncIterable<Uint8Array>,
  onStart: () => void,
): AsyncGenerator<Uint8Array> {
  onStart()
  yield* chunks
}

/** Whether BODY=8BITMIME has to be declared (RFC 6152). A spooled body is not read for it: declaring is allowed. */
export function hasHighBytes({ head, content }: StoredContent): boolean {
  return content.kind === 'spool' || !isAscii(content.bytes) || !isAscii(head)
}
