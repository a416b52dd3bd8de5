/** A client that says exactly what it is told, from the address it is told, and hears whole replies. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { type ConnectionOptions, connect as connectSecurely, type TLSSocket } from 'node:tls'

export interface RawClientOptions {
  readonly port: number
  /** Address of the client's own end. */
  readonly from?: string
  /** How long a reply may take, milliseconds. */
  readonly patienceMs?: number
}

const PATIENCE_MS = 30_000

export class RawClient implements Disposable {
  /** Below TLS too. */
  readonly #plain: Socket
  #socket: Socket
  readonly #patienceMs: number
  #heard = ''
  #isClosed = false
  #wake: () => void = () => {}

  private constructor(socket: Socket, patienceMs: number) {
    this.#plain = socket
    this.#socket = socket
    this.#patienceMs = patienceMs
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
    // What broke the connection shows as its end.
    socket.on('error', () => {})
  }

  /** @throws when nobody listens */
  static async connect({ port, from, patienceMs = PATIENCE_MS }: RawClientOptions): Promise<RawClient> {
    const local = from === undefined ? {} : { localAddress: from }
    const socket = connect({ port, host: '127.0.0.1', ...local })
    await once(socket, 'connect')
    return new RawClient(socket, patienceMs)
  }

  /** Connected, greeted, and EHLO said. */
  static async greeted(options: RawClientOptions): Promise<RawClient> {
    const client = await RawClient.connect(options)
    await client.expect('220', null)
    await client.expect('250', 'EHLO client.example')
    return client
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

  /** Sends octets as they are; of a text each character is one. */
  raw(octets: string | Uint8Array): void {
    if (typeof octets === 'string') this.#socket.write(octets, 'latin1')
    else this.#socket.write(octets)
  }

  /** Sends octets no faster than they are taken. @throws when the server closes meanwhile */
  async flow(octets: Uint8Array): Promise<void> {
    if (this.#socket.write(octets)) return
    await new Promise<void>((resolve, reject) => {
      const closed = (): void => reject(new Error(`closed; heard ${JSON.stringify(this.#heard)}`))
      this.#socket.once('close', closed)
      this.#socket.once('drain', () => {
        this.#socket.off('close', closed)
        resolve()
      })
    })
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

  /** Says `line`, if any, and hears a reply that begins like this. @throws Error when it does not */
  async expect(beginning: string, line: string | null): Promise<string> {
    const reply = line === null ? await this.reply() : await this.ask(line)
    if (!reply.startsWith(beginning)) throw new Error(`${line ?? 'then'}: ${reply}`)
    return reply
  }

  /**
   * One message up to the reply to its final dot, or to the command that was refused.
   *
   * @param content octets, with CRLF at their end, get their dots doubled; a text is sent as it stands, CRLF behind it
   */
  async send(from: string, to: readonly string[], content: string | Uint8Array): Promise<string> {
    const commands = [`MAIL FROM:<${from}>`, ...to.map((recipient) => `RCPT TO:<${recipient}>`), 'DATA']
    for (const command of commands) {
      const reply = await this.ask(command)
      if (!/^[23]/.test(reply)) return reply
    }
    this.raw(typeof content === 'string' ? `${content}\r\n` : dotStuffed(content))
    return await this.ask('.')
  }

  /** Resolves when the server has closed, with what was heard and not asked for. */
  async closed(): Promise<string> {
    await this.#until(() => this.#isClosed, 'the end of the connection')
    return this.#heard
  }

  /** What was heard and not asked for after `ms`. */
  async silence(ms: number): Promise<string> {
    await wait(ms)
    return this.#heard
  }

  /** Does not read what is said until `resume`. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  /** Ends the connection as a crash does. */
  reset(): void {
    this.#plain.resetAndDestroy()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  [Symbol.dispose](): void {
    this.destroy()
  }

  async #until(isThere: () => boolean, what: string): Promise<void> {
    const deadline = performance.now() + this.#patienceMs
    while (!isThere()) {
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) throw new Error(`${what} did not come; heard ${JSON.stringify(this.#heard)}`)
      if (this.#isClosed) throw new Error(`closed before ${what}; heard ${JSON.stringify(this.#heard)}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }
}

/** RFC 5321 §4.5.2. */
function dotStuffed(content: Uint8Array): Uint8Array {
  const text = Buffer.from(content.buffer, content.byteOffset, content.byteLength).toString('latin1')
  return Buffer.from(text.replace(/(^|\r\n)\./g, '$1..'), 'latin1')
}
