/**
 * The wire of the server role. Only this file and parser.ts know smtp-server. It splits command lines and watches the
 * socket for us; what is said and done is decided behind the Dialogue port. TLS is Node's own. Message content does not
 * go through its data stream: that takes out dots behind bare line feeds too, and one turn of the event loop for each.
 *
 * Members of smtp-server that are not public are used here; test/core/smtp/smtp-server-contract.test.ts names them.
 */
import type { Server, Socket } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import type { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { formatReply, type Reply } from '../mail/reply.ts'
import { newSessionId } from '../observe/identifier.ts'
import { clientOf } from './client-network.ts'
import type { Listener } from './client-session.ts'
import { Conversation } from './conversation.ts'
import type {
  Dialogue,
  Receiver,
  ReceiveStep,
  ReplyStep,
  SecureStep,
  Step,
  Violation,
} from './dialogue-port.ts'
import { Parser } from './parser.ts'
import type { PolicyParts } from './policy.ts'
import type { SmtpParts } from './ports.ts'
import { throughProxy } from './proxy-header.ts'
import { SmtpService } from './service.ts'
import { type HandshakeTerms, secureSocket } from './tls-socket.ts'

const CR = 0x0d

type Done = (error?: Error | null) => void

/** The server role: accepts from the listeners attached to it until it is drained. */
export class SmtpServer {
  readonly #service: SmtpService
  readonly #engine: Engine
  readonly #open = new Map<Connection, Listener>()
  readonly #listeners: Listener[] = []
  readonly #closed = Promise.withResolvers<void>()

  constructor(parts: SmtpParts) {
    this.#service = new SmtpService(parts)
    this.#engine = new Engine(parts.policy.settings.limits.idleMs)
  }

  /** Sessions begun, messages accepted and refusals said, since the start. */
  get counters(): { readonly sessions: number; readonly accepted: number; readonly refused: number } {
    return this.#service.counters
  }

  /**
   * Takes over every connection that `server`, already listening, accepts. Closing it remains the caller's.
   *
   * @throws when the listener is to offer TLS and there is no certificate
   */
  attach(server: Server, listener: Listener): void {
    if (listener.tls !== 'off' && this.#service.policy.tls === null)
      throw new Error(`no certificate for ${listener.address}`)
    this.#listeners.push(listener)
    const { proxy } = listener
    const { log } = this.#service.parts
    server.on('connection', (socket) => {
      if (proxy === undefined) this.#converse(socket, listener, socket.remoteAddress, socket.remotePort)
      else
        throughProxy(socket, proxy, log, ({ address, port }) =>
          this.#converse(socket, listener, address, port),
        )
    })
  }

  /** Another policy is in force: for whatever begins from now on. */
  use(policy: PolicyParts): void {
    this.#service.use(policy)
    this.#engine.idleMs = policy.settings.limits.idleMs
  }

  /** Open connections by listener. */
  listeners(): readonly (Listener & { readonly connections: number })[] {
    const open = [...this.#open.values()]
    return this.#listeners.map((listener) => {
      const connections = open.filter((reached) => reached === listener).length
      return { ...listener, connections }
    })
  }

  /** From now on no transaction begins: sessions end as soon as they have none. Transactions under way finish. */
  drain(): void {
    this.#service.isDraining = true
    for (const connection of this.#open.keys()) connection.leave()
    if (this.#open.size === 0) this.#closed.resolve()
  }

  /** Resolves once `drain` was called and the last session has ended. */
  closed(): Promise<void> {
    return this.#closed.promise
  }

  #converse(socket: Socket, listener: Listener, address?: string, port?: number): void {
    if (address === undefined || port === undefined) {
      // Gone between the kernel's accept and ours.
      socket.on('error', ignore)
      socket.destroy()
      return
    }
    const id = newSessionId()
    const dialogue = new Conversation(this.#service, id, clientOf(address, port), listener)
    const connection = this.#engine.connect(socket, {
      id,
      dialogue,
      tls: listener.tls === 'implicit' ? 'first' : 'later',
      terms: () => this.#terms(listener),
      ended: () => this.#ended(connection),
      // Said so that the system is not asked; nobody reads them.
      localAddress: listener.address,
      localPort: 1,
    })
    this.#open.set(connection, listener)
  }

  #terms({ clientCertificates }: Listener): HandshakeTerms {
    const { tls } = this.#service.policy
    if (tls === null) throw new Error('there is no certificate')
    return { certificate: tls, asksForCertificate: clientCertificates === 'request' }
  }

  #ended(connection: Connection): void {
    this.#open.delete(connection)
    if (this.#service.isDraining && this.#open.size === 0) this.#closed.resolve()
  }
}

interface ConnectionOptions extends SMTPConnectionOptions {
  readonly id: string
  readonly dialogue: Dialogue
  /** `first`: the handshake comes before the greeting (RFC 8314 §3). */
  readonly tls: 'first' | 'later'
  /** In force at this moment. */
  readonly terms: () => HandshakeTerms
  readonly ended: () => void
}

/** smtp-server without its listener, its TLS and its words. */
class Engine extends SMTPServer {
  /** Of connections that begin. */
  idleMs: number

  constructor(idleMs: number) {
    // A name, so that the system is not asked for one with each connection. It is never said.
    super({ name: 'unsaid', logger: false, hideSTARTTLS: true, disableReverseLookup: true })
    this.idleMs = idleMs
  }

  override connect(socket: Socket, options: ConnectionOptions): Connection {
    const connection = new Connection(this, socket, options)
    this.connections.add(connection)
    connection.init()
    return connection
  }
}

/** One socket: writes replies, keeps their order, and knows when the client owes us something. */
class Connection extends SMTPConnection {
  readonly #dialogue: Dialogue
  readonly #options: ConnectionOptions
  readonly #idleMs: number
  /** The client waits for us, so silence is ours. */
  #owesReply = true
  #isGreeted = false
  /** Error code of the socket or of TLS; '' without one. */
  #cause = ''

  constructor(engine: Engine, socket: Socket, options: ConnectionOptions) {
    super(engine, socket, options)
    this.#dialogue = options.dialogue
    this.#options = options
    this.#idleMs = engine.idleMs
  }

  get isGreeted(): boolean {
    return this.#isGreeted
  }

  get dialogue(): Dialogue {
    return this.#dialogue
  }

  override init(): void {
    this._socket.on('close', () => this._onClose())
    this._socket.on('error', (error) => this._onError(error))
    if (this.#options.tls === 'first') this.#handshake(() => this.#greet())
    else this.#greet()
  }

  /** Reads from the first moment on, so that what is said before the greeting is heard. */
  #greet(): void {
    this.#read()
    void this.#dialogue.greet().then((step) => {
      this.#isGreeted = true
      this.#act(step, ignore)
    })
  }

  #read(): void {
    this._armTimeout()
    if (this._parser instanceof Parser) this._socket.pipe(this._parser)
  }

  /** Ends the connection if we are draining and it has nothing to finish. */
  leave(): void {
    if (this.#owesReply || this._closing || this._closed) return
    const farewell = this.#dialogue.farewell()
    if (farewell !== null) this.#endWith(farewell)
  }

  violated(violation: Violation): void {
    if (!this._closing && !this._closed) this.#endWith(this.#dialogue.violated(violation))
  }

  /** The final dot was there: the next command waits for the reply to it. */
  endOfData(receiver: Receiver, done: Done): void {
    this.#owesReply = true
    void receiver.end().then((step) => this.#act(step, done))
  }

  /** The receiver has had enough. */
  breakOff(step: ReplyStep, done: Done): void {
    this.#act(step, done)
  }

  override _onCommand(line: Buffer, done: Done = ignore): void {
    if (this._closing || this._closed) return done()
    if (line.includes(0) || line.includes(CR)) {
      this.violated('control-character')
      return done()
    }
    if (line.length > this.#dialogue.lineLimit(line.toString('latin1', 0, 8))) {
      this.violated('line-too-long')
      return done()
    }
    this.#owesReply = true
    const step = this.#dialogue.command(line)
    if (step instanceof Promise) void step.then((later) => this.#act(later, done))
    else this.#act(step, done)
  }

  #act(step: Step, done: Done): void {
    if (step.kind === 'secure') return this._whenWritable(() => this.#secure(step, done))
    this.#owesReply = false
    if (step.kind === 'receive') return this._whenWritable(() => this.#receive(step, done))
    if (this._closing || this._closed) return done()
    if (step.closes) {
      this.#endWith(step.reply)
      return done()
    }
    this.#say(step.reply)
    this.leave()
    this._whenWritable(done)
  }

  /** Before 354 the parser is let go on: whatever it finds was sent without waiting for it (RFC 2920 §3.1). */
  #receive(step: ReceiveStep, done: Done): void {
    const parser = this._parser
    if (!(parser instanceof Parser)) return done()
    parser.expect(step.receiver)
    // A turn later: a step that came at once came from within the parser's own loop.
    process.nextTick(() => {
      done()
      if (this._closing || this._closed) return
      parser.goAhead()
      this.#say(step.reply)
    })
  }

  /** Before 220 the parser is let go on: whatever it finds was sent in the clear, to be heard inside TLS (RFC 3207 §6). */
  #secure(step: SecureStep, done: Done): void {
    const parser = this._parser
    if (!(parser instanceof Parser)) return done()
    parser.shut()
    process.nextTick(() => {
      done()
      if (this._closing || this._closed) return
      if (parser.holdsMore) return this.violated('command-before-tls')
      this.#say(step.reply)
      this._socket.unpipe(parser)
      parser.isClosed = true
      this.#handshake(() => {
        this.#owesReply = false
        this.#read()
        this.leave()
      })
    })
  }

  /** A parser of its own for what is said inside TLS: nothing that was said before gets there. */
  #handshake(secured: () => void): void {
    const plain = this._socket
    plain.setTimeout(0)
    const secure = secureSocket(plain, {
      ...this.#options.terms(),
      idleMs: this.#idleMs,
      secured: (tls) => {
        if (this._closing || this._closed) return
        this.#dialogue.secured(tls)
        secured()
      },
      failed: (cause) => {
        this.#cause ||= cause
      },
    })
    secure.on('close', () => this._onClose())
    this._socket = secure
    this._parser = this._createParser()
  }

  #say(reply: Reply): void {
    if (!this._socket.destroyed && this._socket.writable) this._socket.write(formatReply(reply), 'latin1')
  }

  #endWith(reply: Reply): void {
    this.#say(reply)
    this.close()
  }

  override _createParser(): SMTPStream {
    return new Parser(this)
  }

  override _armTimeout(): void {
    const timeoutMs = Number.isFinite(this.#idleMs) ? this.#idleMs : 0
    this._socket.setTimeout(timeoutMs, () => this._onTimeout())
  }

  override _onTimeout(): void {
    if (this._closing) this._socket.destroy()
    else if (this.#owesReply) this._armTimeout()
    else this.#endWith(this.#dialogue.idle())
  }

  /** 'close' follows, and says it. */
  override _onError(error: Error & { code?: string | undefined }): void {
    this.#cause ||= error.code ?? error.name
  }

  override _onClose(): void {
    if (this._closed) return
    super._onClose()
    this.#dialogue.ended(this.#cause)
    this.#options.ended()
  }
}

function ignore(): void {}
