/** Replies read off a socket, one at a time (RFC 5321 §4.2): lines with one code, the last one without a hyphen. */
import type { Socket } from 'node:net'

export interface SmtpReply {
  /** Three digits. */
  readonly code: number
  /** Text of each line behind the code, at least one. */
  readonly lines: readonly string[]
}

/** A server that says more than this in one reply is none. */
const MAX_REPLY_BYTES = 65_536

export class SmtpReplies {
  #received = ''
  #ended: Error | null = null
  #wake: () => void = () => {}

  constructor(socket: Socket) {
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#received += text
      this.#wake()
    })
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('the server closed the connection')))
  }

  /**
   * The next reply.
   *
   * @throws Error when none comes within `timeoutMs` milliseconds, when the connection ends, or when it is no reply
   */
  async next(timeoutMs: number): Promise<SmtpReply> {
    const endsAt = performance.now() + timeoutMs
    for (;;) {
      const reply = this.#take()
      if (reply !== null) return reply
      if (this.#ended !== null) throw this.#ended
      const leftMs = endsAt - performance.now()
      if (leftMs <= 0) throw new Error(`the server did not answer within ${timeoutMs / 1000} s`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  /** Cuts one whole reply off what was received, null when it is not all there. */
  #take(): SmtpReply | null {
    const match = /^(?:\d{3}-[^\n]*\n)*\d{3}(?: [^\n]*)?\r?\n/.exec(this.#received)
    if (match === null) {
      const isHopeless =
        this.#received.length > MAX_REPLY_BYTES || !/^(?:$|\d{1,3}(?:$|[ \r\n-]))/.test(this.#received)
      if (isHopeless)
        throw new Error(`the server said something that is no SMTP reply: ${this.#received.slice(0, 80)}`)
      return null
    }
    this.#received = this.#received.slice(match[0].length)
    const lines = match[0].split(/\r?\n/).slice(0, -1)
    return { code: Number(match[0].slice(0, 3)), lines: lines.map((line) => line.slice(4)) }
  }

  #end(error: Error): void {
    this.#ended ??= error
    this.#wake()
  }
}
