/** The server's end of a connection without a network: for many short sessions, and to see each write. */
import { Duplex } from 'node:stream'

/** Turns of the event loop a reply may take. */
const MAX_TURNS = 2_000

export class InProcessSocket extends Duplex {
  readonly remoteAddress = '192.0.2.7'
  readonly remotePort = 4_000
  /** What the server wrote, one text for each write. */
  readonly writes: string[] = []
  #taken = 0

  constructor() {
    super({ allowHalfOpen: true })
  }

  /** The client sends these octets, and they arrive as one piece. */
  say(octets: string): void {
    this.push(Buffer.from(octets, 'latin1'))
  }

  /** The client ends its side. */
  finish(): void {
    this.push(null)
  }

  /** The next `count` replies, each its last line; fewer when the server has closed. */
  async replies(count: number): Promise<readonly string[]> {
    for (let turn = 0; turn < MAX_TURNS; turn++) {
      const lines = this.#lines()
      if (lines.length >= this.#taken + count || this.writableFinished) {
        const replies = lines.slice(this.#taken, this.#taken + count)
        this.#taken += replies.length
        return replies
      }
      await new Promise((resolve) => setImmediate(resolve))
    }
    throw new Error(`${count} replies did not come; heard ${JSON.stringify(this.writes)}`)
  }

  override _read(): void {}

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.writes.push(chunk.toString('latin1'))
    done()
  }

  #lines(): readonly string[] {
    return this.writes
      .join('')
      .split('\r\n')
      .filter((line) => /^\d{3} /.test(line))
  }
}
