/** Replies of one connection on their way out: those of a pipelined group in one write (RFC 2920 §3.2). */
import type { Socket } from 'node:net'
import { formatReply, type Reply } from '../mail/reply.ts'

/** Octets gathered before they are written all the same. */
const MAX_GATHERED = 16_384

/** Longest time a reply waits for those behind it. A client waits five minutes for each (RFC 5321 §4.5.3.2). */
const MAX_WAIT_MS = 1_000

/** Commands whose replies may wait for others: not those a client may stop at (RFC 2920 §3.2, 5 and 6). */
const MAY_WAIT = /^(?:MAIL|RCPT|RSET)/i

export class ReplyGroup {
  #text = ''
  #since = 0

  /** Another reply, behind those that wait. Returns whether they may wait on. @param line the command answered */
  add(reply: Reply, line: string): boolean {
    if (this.#text === '') this.#since = performance.now()
    this.#text += formatReply(reply)
    return (
      MAY_WAIT.test(line) && this.#text.length < MAX_GATHERED && performance.now() - this.#since < MAX_WAIT_MS
    )
  }

  /** Writes what waits. Returns false when the client has to read before more is written. */
  writeTo(socket: Socket): boolean {
    const text = this.#take()
    return text === '' || !isWritable(socket) || socket.write(text, 'latin1')
  }

  /** Writes what waits, and ends our side of the connection. */
  endOn(socket: Socket): void {
    const text = this.#take()
    if (isWritable(socket)) socket.end(text, 'latin1')
  }

  #take(): string {
    const text = this.#text
    this.#text = ''
    return text
  }
}

function isWritable(socket: Socket): boolean {
  return !socket.destroyed && socket.writable
}
