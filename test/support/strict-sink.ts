/** A next server that keeps every octet it was sent and reads them as RFC 5321 has it, and no other way. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'

/** What one connection was used for. */
export interface Reading {
  /** Command lines, in order. */
  readonly commands: readonly string[]
  /** Contents as sent, dots doubled, the final CRLF included. */
  readonly messages: readonly string[]
}

/** What ends a command line and a content: strictly, or as somebody less careful has it. */
export interface LineRules {
  readonly line: RegExp
  /** Sticks to the start of the content too, as if a line had just begun. */
  readonly end: RegExp
}

export const STRICT: LineRules = { line: /\r\n/g, end: /\r\n\.\r\n/g }

/** Reads what a client sent over one connection. Octets are characters; NUL may be left out first, as some do. */
export function readAs(octets: string, { line, end }: LineRules): Reading {
  const commands: string[] = []
  const messages: string[] = []
  for (let at = 0; at < octets.length; ) {
    line.lastIndex = at
    const found = line.exec(octets)
    if (found === null) break
    const command = octets.slice(at, found.index)
    commands.push(command)
    at = found.index + found[0].length
    if (!/^DATA$/i.test(command)) continue
    // The line end of DATA is the one before the dot of an empty message.
    end.lastIndex = at - found[0].length
    const over = end.exec(octets)
    if (over === null) break
    messages.push(octets.slice(at, over.index + 2))
    at = over.index + over[0].length
  }
  return { commands, messages }
}

export interface SinkRules {
  readonly protocol: 'smtp' | 'lmtp'
  /** Reply to RCPT; undefined: it is taken. */
  readonly rcpt?: string
}

export class StrictSink implements AsyncDisposable {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #rules: SinkRules
  /** Octets of each connection, each a character. */
  readonly streams: string[] = []

  private constructor(rules: SinkRules) {
    this.#rules = rules
    this.#server = createServer((socket) => this.#came(socket))
  }

  static async start(rules: SinkRules): Promise<StrictSink> {
    const sink = new StrictSink(rules)
    sink.#server.listen(0, '127.0.0.1')
    await once(sink.#server, 'listening')
    return sink
  }

  get route(): string {
    const { port } = this.#server.address() as AddressInfo
    return `${this.#rules.protocol}://127.0.0.1:${port}`
  }

  /** Contents of all connections, read strictly. */
  get messages(): readonly string[] {
    return this.streams.flatMap((octets) => readAs(octets, STRICT).messages)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #came(socket: Socket): void {
    const number = this.streams.push('') - 1
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
    socket.setEncoding('latin1')
    const heard = new SinkDialogue(this.#rules, (reply) => void socket.write(`${reply}\r\n`))
    socket.write('220 sink.test\r\n')
    socket.on('data', (octets: string) => {
      this.streams[number] += octets
      heard.take(octets)
    })
  }
}

/** Answers. What it takes for a command or a content is what STRICT says. */
class SinkDialogue {
  readonly #rules: SinkRules
  readonly #say: (reply: string) => void
  #pending = ''
  #isContent = false
  #recipients = 0

  constructor(rules: SinkRules, say: (reply: string) => void) {
    this.#rules = rules
    this.#say = say
  }

  take(octets: string): void {
    this.#pending += octets
    for (;;) {
      const end = this.#isContent ? '\r\n.\r\n' : '\r\n'
      const at = this.#pending.indexOf(end)
      if (at < 0) return
      const text = this.#pending.slice(0, at)
      this.#pending = this.#pending.slice(at + end.length)
      if (this.#isContent) this.#taken()
      else this.#command(text)
    }
  }

  #taken(): void {
    this.#isContent = false
    const replies = this.#rules.protocol === 'lmtp' ? this.#recipients : 1
    for (let reply = 0; reply < replies; reply++) this.#say('250 2.0.0 taken')
    this.#recipients = 0
  }

  #command(line: string): void {
    const verb = line.slice(0, 4).toUpperCase()
    if (verb === 'EHLO' || verb === 'LHLO')
      return this.#say('250-sink.test\r\n250-PIPELINING\r\n250 8BITMIME')
    if (verb === 'RCPT' && this.#rules.rcpt !== undefined) return this.#say(this.#rules.rcpt)
    if (verb === 'RCPT') this.#recipients += 1
    if (verb !== 'DATA') return this.#say(verb === 'QUIT' ? '221 2.0.0 bye' : '250 2.0.0 ok')
    if (this.#recipients === 0) return this.#say('503 5.5.1 nobody')
    this.#isContent = true
    // As if a line had just begun: what follows may be the dot.
    this.#pending = `\r\n${this.#pending}`
    this.#say('354 go on')
  }
}
