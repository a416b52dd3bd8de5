/** A remote SMTP or LMTP server on loopback that does what a script says and keeps what it was given, byte for byte. */
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type SecureContext, TLSSocket } from 'node:tls'

const VERBS = ['ehlo', 'helo', 'lhlo', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'rset', 'quit'] as const

/** What the remote is about to answer. `dot` is the end of a message; after LHLO it is asked for each recipient. */
export interface Said {
  readonly verb: (typeof VERBS)[number] | 'connect' | 'dot' | 'other'
  /**
   * Path of MAIL and RCPT without brackets; of `dot` after LHLO the recipient; of `auth` also each line that follows;
   * otherwise what stands behind the verb.
   */
  readonly argument: string
  /** Whether it was said inside TLS. */
  readonly isSecured: boolean
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
  lhlo: '250-remote.test\r\n250-PIPELINING\r\n250 8BITMIME',
  starttls: '220 2.0.0 go ahead',
  auth: '235 2.7.0 welcome',
  mail: '250 2.1.0 ok',
  rcpt: '250 2.1.5 ok',
  data: '354 go on',
  dot: '250 2.0.0 taken',
  rset: '250 2.0.0 ok',
  quit: '221 2.0.0 bye',
  other: '500 5.5.2 what?',
}

/** How a remote can do TLS. */
export interface RemoteTls {
  readonly context: SecureContext
  /** From the first octet on. */
  readonly isImplicit?: boolean
}

export class FakeRemote {
  readonly #server: Server
  readonly #script: Script
  readonly #tls: RemoteTls | null
  readonly #sockets = new Set<Socket>()
  /** Everything that ended with a dot, accepted or not. */
  readonly messages: ReceivedMessage[] = []
  /** Every command line, without its line end. */
  readonly commands: string[] = []
  /** Those of them that came inside TLS. */
  readonly securedCommands: string[] = []
  /** Host names clients asked for by SNI. */
  readonly serverNames: string[] = []
  /** Connections that came. */
  connections = 0
  /** The most that were open at the same time. */
  mostOpen = 0

  private constructor(script: Script, tls: RemoteTls | null) {
    this.#script = script
    this.#tls = tls
    this.#server = createServer((socket) => this.#came(socket))
  }

  /** Listens on a free port of 127.0.0.1, or on this port and address. */
  static async start(
    script: Script = () => undefined,
    port = 0,
    address = '127.0.0.1',
    tls: RemoteTls | null = null,
  ): Promise<FakeRemote> {
    const remote = new FakeRemote(script, tls)
    remote.#server.listen(port, address)
    await once(remote.#server, 'listening')
    return remote
  }

  /** Listens on a Unix socket. */
  static async startAt(path: string, script: Script = () => undefined): Promise<FakeRemote> {
    const remote = new FakeRemote(script, null)
    remote.#server.listen(path)
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
    void new Dialogue(socket, this.connections, this.#script, this, this.#tls).run()
  }
}

/** A remote that lives as long as the test. */
export async function remoteFor(
  t: TestContext,
  script?: Script,
  tls: RemoteTls | null = null,
): Promise<FakeRemote> {
  const remote = await FakeRemote.start(script, 0, '127.0.0.1', tls)
  t.after(() => remote.stop())
  return remote
}

/** One connection. Commands are answered one after the other, pipelined ones too. */
class Dialogue {
  #socket: Socket
  readonly #tls: RemoteTls | null
  readonly #connection: number
  readonly #script: Script
  readonly #remote: FakeRemote
  #hasMail = false
  #isLmtp = false
  /** What is expected next belongs to an exchange of AUTH. */
  #isSigningIn = false
  #pending: Buffer = Buffer.alloc(0)
  #more: (() => void) | null = null
  #isOver = false
  #transaction = 0
  #reversePath = ''
  #recipients: string[] = []

  constructor(socket: Socket, connection: number, script: Script, remote: FakeRemote, tls: RemoteTls | null) {
    this.#socket = socket
    this.#connection = connection
    this.#script = script
    this.#remote = remote
    this.#tls = tls
    socket.setNoDelay(true)
    this.#hear(socket)
    if (tls?.isImplicit) this.#secure(tls.context)
  }

  #hear(socket: Socket): void {
    socket.on('data', (chunk) => {
      this.#pending = Buffer.concat([this.#pending, chunk])
      this.#more?.()
    })
    socket.once('close', () => {
      this.#isOver = true
      this.#more?.()
    })
  }

  /** What came in the clear is forgotten. */
  #secure(secureContext: SecureContext): void {
    this.#socket.removeAllListeners('data')
    const secured = new TLSSocket(this.#socket, {
      isServer: true,
      secureContext,
      SNICallback: (name, done) => {
        this.#remote.serverNames.push(name)
        done(null)
      },
    })
    secured.on('error', () => {})
    this.#pending = Buffer.alloc(0)
    this.#socket = secured
    this.#hear(secured)
  }

  get #isSecured(): boolean {
    return this.#socket instanceof TLSSocket
  }

  async run(): Promise<void> {
    await this.#answer('connect', '')
    while (!this.#isOver) {
      const line = await this.#takeUntil('\r\n')
      if (line === null) return
      const text = line.toString('latin1')
      this.#remote.commands.push(text)
      if (this.#isSecured) this.#remote.securedCommands.push(text)
      await this.#command(text)
    }
  }

  async #command(line: string): Promise<void> {
    const verb = this.#isSigningIn ? 'auth' : verbOf(line)
    const argument = this.#isSigningIn ? line : (/<(.*)>/.exec(line)?.[1] ?? line.slice(5))
    if (verb === 'lhlo') this.#isLmtp = true
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
    this.#isSigningIn = verb === 'auth' && reply.startsWith('334')
    if (verb === 'starttls' && reply.startsWith('220') && this.#tls !== null) this.#secure(this.#tls.context)
  }

  async #message(): Promise<void> {
    // The line end of DATA is the one before the dot of an empty message.
    this.#pending = Buffer.concat([Buffer.from('\r\n'), this.#pending])
    const wire = await this.#takeUntil('\r\n.\r\n')
    if (wire === null) return
    const whole = Buffer.concat([wire, Buffer.from('\r\n')]).subarray(2)
    // Booked before it is answered for: a test that sees the answer sees the message too.
    const at = Date.now()
    const answers = (this.#isLmtp ? this.#recipients : ['']).map((to) => this.#reaction('dot', to))
    const isTaken = answers.map(({ reply }) => typeof reply === 'string' && reply.startsWith('2'))
    const isAccepted = isTaken.includes(true)
    const content = Buffer.from(whole.toString('latin1').replace(/(^|\r\n)\./g, '$1'), 'latin1')
    this.#remote.messages.push({
      connection: this.#connection,
      reversePath: this.#reversePath,
      recipients: this.#isLmtp ? this.#recipients.filter((_, index) => isTaken[index]) : this.#recipients,
      wire: whole,
      content,
      isAccepted,
      at,
    })
    this.#recipients = []
    this.#hasMail = false
    for (const answer of answers) {
      if (this.#isOver) return
      await this.#do(answer)
    }
  }

  #reaction(verb: Said['verb'], argument: string): Reaction {
    const said = {
      verb,
      argument,
      isSecured: this.#isSecured,
      connection: this.#connection,
      transaction: this.#transaction,
    }
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
  const verb = (/^[A-Za-z]+/.exec(line)?.[0] ?? '').toLowerCase()
  return VERBS.find((known) => known === verb) ?? 'other'
}
