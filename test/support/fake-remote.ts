/** A remote SMTP server on loopback that does what a script says and keeps what it was given, byte for byte. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'

/** What the remote is about to answer. `dot` is the end of a message. */
export interface Said {
  readonly verb: 'connect' | 'ehlo' | 'helo' | 'mail' | 'rcpt' | 'data' | 'dot' | 'rset' | 'quit' | 'other'
  /** Path of MAIL and RCPT without brackets; otherwise what stands behind the verb. */
  readonly argument: string
  /** Connection, from 1 in the order of their coming. */
  readonly connection: number
  /** MAIL commands on this connection so far. */
  readonly transaction: number
}

/** What it does: a reply (text without its final line end, or raw octets), late, and perhaps something else after it. */
export interface Reaction {
  readonly reply?: string | Uint8Array
  readonly delayMs?: number
  /** `drop` closes, `reset` breaks off, `stall` says nothing any more, `deaf` does not even read. */
  readonly after?: 'drop' | 'reset' | 'stall' | 'deaf'
}

/** Undefined for what a friendly server would do. */
export type Script = (said: Said) => Reaction | string | undefined

export interface ReceivedMessage {
  readonly connection: number
  readonly reversePath: string
  /** Recipients it took. */
  readonly recipients: readonly string[]
  /** As sent, dots stuffed, without the final `.` line. */
  readonly wire: Buffer
  /** Dots removed. */
  readonly content: Buffer
  /** Whether the reply to the message was 2yz. */
  readonly isAccepted: boolean
  /** Milliseconds since 1970. */
  readonly at: number
}

const FRIENDLY: Readonly<Record<Said['verb'], string>> = {
  connect: '220 remote.test ESMTP',
  ehlo: '250-remote.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0',
  helo: '250 remote.test',
  mail: '250 2.1.0 ok',
  rcpt: '250 2.1.5 ok',
  data: '354 go on',
  dot: '250 2.0.0 taken',
  rset: '250 2.0.0 ok',
  quit: '221 2.0.0 bye',
  other: '500 5.5.2 what?',
}

export class FakeRemote {
  readonly #server: Server
  readonly #script: Script
  readonly #sockets = new Set<Socket>()
  /** Everything that ended with a dot, accepted or not. */
  readonly messages: ReceivedMessage[] = []
  /** Every command line, without its line end. */
  readonly commands: string[] = []
  /** Connections that came. */
  connections = 0
  /** The most that were open at the same time. */
  mostOpen = 0

  private constructor(script: Script) {
    this.#script = script
    this.#server = createServer((socket) => this.#came(socket))
  }

  /** Listens on a free port of 127.0.0.1, or on this port and address. */
  static async start(script: Script = () => undefined, port = 0, address = '127.0.0.1'): Promise<FakeRemote> {
    const remote = new FakeRemote(script)
    remote.#server.listen(port, address)
    await once(remote.#server, 'listening')
    return remote
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get route(): string {
    return `smtp://127.0.0.1:${this.port}`
  }

  /** Connections that are open now. */
  get open(): number {
    return this.#sockets.size
  }

  get accepted(): readonly ReceivedMessage[] {
    return this.messages.filter(({ isAccepted }) => isAccepted)
  }

  /** Waits until so many messages were accepted. */
  async hasAccepted(count: number, withinMs = 20_000): Promise<void> {
    const deadline = Date.now() + withinMs
    while (this.accepted.length < count) {
      if (Date.now() > deadline) throw new Error(`${this.accepted.length} of ${count} messages came`)
      await wait(5)
    }
  }

  /** Ends every connection without a word. */
  dropAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async stop(): Promise<void> {
    this.dropAll()
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }

  #came(socket: Socket): void {
    this.connections += 1
    this.#sockets.add(socket)
    this.mostOpen = Math.max(this.mostOpen, this.#sockets.size)
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
    void new Dialogue(socket, this.connections, this.#script, this).run()
  }
}

/** A remote that lives as long as the test. */
export async function remoteFor(t: TestContext, script?: Script): Promise<FakeRemote> {
  const remote = await FakeRemote.start(script)
  t.after(() => remote.stop())
  return remote
}

/** One connection. Commands are answered one after the other, pipelined ones too. */
class Dialogue {
  readonly #socket: Socket
  readonly #connection: number
  readonly #script: Script
  readonly #remote: FakeRemote
  #hasMail = false
  #pending: Buffer = Buffer.alloc(0)
  #more: (() => void) | null = null
  #isOver = false
  #transaction = 0
  #reversePath = ''
  #recipients: string[] = []

  constructor(socket: Socket, connection: number, script: Script, remote: FakeRemote) {
    this.#socket = socket
    this.#connection = connection
    this.#script = script
    this.#remote = remote
    socket.setNoDelay(true)
    socket.on('data', (chunk) => {
      this.#pending = Buffer.concat([this.#pending, chunk])
      this.#more?.()
    })
    socket.once('close', () => {
      this.#isOver = true
      this.#more?.()
    })
  }

  async run(): Promise<void> {
    await this.#answer('connect', '')
    while (!this.#isOver) {
      const line = await this.#takeUntil('\r\n')
      if (line === null) return
      const text = line.toString('latin1')
      this.#remote.commands.push(text)
      await this.#command(text)
    }
  }

  async #command(line: string): Promise<void> {
    const verb = verbOf(line)
    const argument = /<(.*)>/.exec(line)?.[1] ?? line.slice(5)
    if (verb === 'mail') this.#transaction += 1
    const reply = await this.#answer(verb, argument)
    if (verb === 'mail' || verb === 'rset') {
      this.#hasMail = verb === 'mail' && reply.startsWith('2')
      this.#reversePath = argument
      this.#recipients = []
    }
    if (verb === 'rcpt' && reply.startsWith('2')) this.#recipients.push(argument)
    if (verb === 'data' && reply.startsWith('3')) await this.#message()
    if (verb === 'quit') this.#socket.end()
  }

  async #message(): Promise<void> {
    // The line end of DATA is the one before the dot of an empty message.
    this.#pending = Buffer.concat([Buffer.from('\r\n'), this.#pending])
    const wire = await this.#takeUntil('\r\n.\r\n')
    if (wire === null) return
    const whole = Buffer.concat([wire, Buffer.from('\r\n')]).subarray(2)
    // Booked before it is answered for: a test that sees the answer sees the message too.
    const at = Date.now()
    const said = this.#reaction('dot', '')
    const isAccepted = typeof said.reply !== 'object' && (said.reply ?? '').startsWith('2')
    const content = Buffer.from(whole.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1')
    this.#remote.messages.push({
      connection: this.#connection,
      reversePath: this.#reversePath,
      recipients: this.#recipients,
      wire: whole,
      content,
      isAccepted,
      at,
    })
    this.#recipients = []
    this.#hasMail = false
    await this.#do(said)
  }

  #reaction(verb: Said['verb'], argument: string): Reaction {
    const said = { verb, argument, connection: this.#connection, transaction: this.#transaction }
    const scripted = this.#script(said)
    if (typeof scripted === 'string') return { reply: scripted }
    return { ...(scripted?.after === undefined ? { reply: this.#friendly(verb) } : {}), ...scripted }
  }

  #friendly(verb: Said['verb']): string {
    if (verb === 'mail' && this.#hasMail) return '503 5.5.1 nested MAIL'
    if (verb === 'rcpt' && !this.#hasMail) return '503 5.5.1 MAIL first'
    if (verb === 'data' && this.#recipients.length === 0) return '503 5.5.1 RCPT first'
    return FRIENDLY[verb]
  }

  async #answer(verb: Said['verb'], argument: string): Promise<string> {
    return await this.#do(this.#reaction(verb, argument))
  }

  /** Returns the reply as text. */
  async #do({ reply, delayMs = 0, after }: Reaction): Promise<string> {
    if (delayMs > 0) await wait(delayMs)
    if (typeof reply === 'string') this.#socket.write(`${reply}\r\n`, 'latin1')
    else if (reply !== undefined) this.#socket.write(reply)
    if (after === 'drop') this.#socket.end()
    if (after === 'reset') this.#socket.resetAndDestroy()
    if (after === 'deaf') this.#socket.pause()
    if (after !== undefined) this.#isOver = true
    return typeof reply === 'string' ? reply : Buffer.from(reply ?? '').toString('latin1')
  }

  /** The octets before `end`, which is taken too; null when the connection ended before. */
  async #takeUntil(end: string): Promise<Buffer | null> {
    let searchFrom = 0
    for (;;) {
      const at = this.#pending.indexOf(end, searchFrom, 'latin1')
      if (at >= 0) {
        const taken = this.#pending.subarray(0, at)
        this.#pending = this.#pending.subarray(at + end.length)
        return taken
      }
      if (this.#isOver || this.#socket.destroyed) return null
      searchFrom = Math.max(0, this.#pending.length - end.length)
      await new Promise<void>((resolve) => {
        this.#more = resolve
      })
      this.#more = null
    }
  }
}

function verbOf(line: string): Said['verb'] {
  const verb = line.slice(0, 4).toLowerCase()
  switch (verb) {
    case 'ehlo':
    case 'helo':
    case 'mail':
    case 'rcpt':
    case 'data':
    case 'rset':
    case 'quit':
      return verb
    default:
      return 'other'
  }
}
