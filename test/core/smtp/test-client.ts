/** A client that says exactly what it is told, octet for octet, and hears whole replies. */
import { connect, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectSecurely, type TLSSocket } from 'node:tls'

const PATIENCE_MS = 20_000

export class TestClient {
  /** Below TLS too. */
  readonly #plain: Socket
  #socket: Socket
  #heard = ''
  #isClosed = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#plain = socket
    this.#socket = socket
    socket.setNoDelay(true)
    this.#listen()
  }

  #listen(): void {
    const socket = this.#socket
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.#heard += text
      this.#wake()
    })
    socket.on('close', () => {
      this.#isClosed = true
      this.#wake()
    })
    socket.on('error', () => {})
  }

  static connect(port: number): Promise<TestClient> {
    return new Promise((resolve, reject) => {
      const socket = connect(port, '127.0.0.1', () => resolve(client))
      socket.once('error', reject)
      const client = new TestClient(socket)
    })
  }

  /** Does the handshake and goes on inside TLS. @throws what the handshake failed with */
  secure(options: ConnectionOptions = {}): Promise<TLSSocket> {
    const plain = this.#plain
    plain.removeAllListeners('data')
    return new Promise((resolve, reject) => {
      const secure = connectSecurely({ rejectUnauthorized: false, ...options, socket: plain })
      secure.once('error', reject)
      secure.once('close', () => reject(new Error('closed within the handshake')))
      secure.once('secureConnect', () => resolve(secure))
      this.#socket = secure
      this.#listen()
    })
  }

  /** Ends the connection as a crash does. */
  reset(): void {
    this.#plain.resetAndDestroy()
  }

  /** Sends octets as they are, one character an octet. */
  raw(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  /** Sends a command line. */
  say(line: string): void {
    this.raw(`${line}\r\n`)
  }

  /** Sends a command line and hears the reply to it. */
  ask(line: string): Promise<string> {
    this.say(line)
    return this.reply()
  }

  /** The next line, without its line end. */
  async line(): Promise<string> {
    await this.#until(() => this.#heard.includes('\r\n'), 'a line')
    const end = this.#heard.indexOf('\r\n')
    const line = this.#heard.slice(0, end)
    this.#heard = this.#heard.slice(end + 2)
    return line
  }

  /** The next reply, its lines joined by LF. */
  async reply(): Promise<string> {
    const lines: string[] = []
    do lines.push(await this.line())
    while (/^\d{3}-/.test(lines.at(-1) ?? ''))
    return lines.join('\n')
  }

  /** One message up to the reply to its final dot. */
  async send(from: string, to: readonly string[], content: string): Promise<string> {
    const replies = [await this.ask(`MAIL FROM:<${from}>`)]
    for (const recipient of to) replies.push(await this.ask(`RCPT TO:<${recipient}>`))
    replies.push(await this.ask('DATA'))
    const unexpected = replies.find((reply) => !/^[23]/.test(reply))
    if (unexpected !== undefined) return unexpected
    this.raw(`${content}\r\n.\r\n`)
    return this.reply()
  }

  /** Resolves when the server has closed, with whatever was said before. */
  async closed(): Promise<string> {
    await this.#until(() => this.#isClosed, 'the end of the connection')
    return this.#heard
  }

  /** What was heard and not asked for after `ms`. */
  async silence(ms: number): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, ms))
    return this.#heard
  }

  /** Does not read what is said until `resume`. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (!isThere()) {
      const left = deadline - performance.now()
      if (left <= 0) throw new Error(`${what} did not come; heard ${JSON.stringify(this.#heard)}`)
      if (this.#isClosed) throw new Error(`closed before ${what}; heard ${JSON.stringify(this.#heard)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}
