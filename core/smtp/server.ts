/**
 * The wire of the server role, and the only file that knows smtp-server. It splits command lines and watches the
 * socket for us; what is said and done is decided behind the Dialogue port. Message content does not go through its
 * data stream: that takes out dots behind bare line feeds too, and one turn of the event loop for each.
 *
 * Members of smtp-server that are not public are used here; test/core/smtp/smtp-server-contract.test.ts names them.
 */
import type { Server, Socket } from 'node:net'
import { SMTPServer } from 'smtp-server'
import { SMTPConnection, type SMTPConnectionOptions } from 'smtp-server/lib/smtp-connection.js'
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { formatReply, type Reply } from '../mail/reply.ts'
import { newSessionId } from '../observe/identifier.ts'
import { clientOf } from './client-network.ts'
import type { Listener } from './client-session.ts'
import { bareLineFeed } from './content-check.ts'
import { Conversation } from './conversation.ts'
import { DataReader } from './data-reader.ts'
import type { Dialogue, Receiver, ReceiveStep, ReplyStep, Step, Violation } from './dialogue-port.ts'
import type { SmtpParts } from './ports.ts'
import { SmtpService } from './service.ts'

/** RFC 5321 §4.5.3.1.4 asks for 512 octets, extensions for more; nothing we know of needs as much as this. */
const MAX_COMMAND_BYTES = 2_048
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
    this.#engine = new Engine(parts.settings.limits.idleMs)
  }

  /** Sessions begun, messages accepted and refusals said, since the start. */
  get counters(): { readonly sessions: number; readonly accepted: number; readonly refused: number } {
    return this.#service.counters
  }

  /** Takes over every connection that `server`, already listening, accepts. Closing it remains the caller's. */
  attach(server: Server, listener: Listener): void {
    this.#listeners.push(listener)
    server.on('connection', (socket) => this.#converse(socket, listener))
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

  #converse(socket: Socket, listener: Listener): void {
    const { remoteAddress, remotePort } = socket
    if (remoteAddress === undefined || remotePort === undefined) {
      // Gone between the kernel's accept and ours.
      socket.on('error', ignore)
      socket.destroy()
      return
    }
    const id = newSessionId()
    const dialogue = new Conversation(this.#service, id, clientOf(remoteAddress, remotePort), listener)
    const connection = this.#engine.connect(socket, {
      id,
      dialogue,
      ended: () => this.#ended(connection),
      // Said so that the system is not asked; nobody reads them.
      localAddress: listener.address,
      localPort: 1,
    })
    this.#open.set(connection, listener)
  }

  #ended(connection: Connection): void {
    this.#open.delete(connection)
    if (this.#service.isDraining && this.#open.size === 0) this.#closed.resolve()
  }
}

interface ConnectionOptions extends SMTPConnectionOptions {
  readonly id: string
  readonly dialogue: Dialogue
  readonly ended: () => void
}

/** smtp-server without its listener, its TLS and its words. */
class Engine extends SMTPServer {
  readonly idleMs: number

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
  readonly #ended: () => void
  readonly #idleMs: number
  /** The client waits for us, so silence is ours. */
  #owesReply = true
  #isGreeted = false
  /** Error code of the socket; '' without one. */
  #cause = ''

  constructor(engine: Engine, socket: Socket, options: ConnectionOptions) {
    super(engine, socket, options)
    this.#dialogue = options.dialogue
    this.#ended = options.ended
    this.#idleMs = engine.idleMs
  }

  get isGreeted(): boolean {
    return this.#isGreeted
  }

  /** Reads from the first moment on, so that what is said before the greeting is heard. */
  override init(): void {
    this._setListeners(ignore)
    void this.#dialogue.greet().then((step) => {
      this.#isGreeted = true
      this.#act(step, ignore)
    })
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
    this.#owesReply = true
    const step = this.#dialogue.command(line)
    if (step instanceof Promise) void step.then((later) => this.#act(later, done))
    else this.#act(step, done)
  }

  #act(step: Step, done: Done): void {
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
    this.#cause = error.code ?? error.name
  }

  override _onClose(): void {
    if (this._closed) return
    super._onClose()
    this.#dialogue.ended(this.#cause)
    this.#ended()
  }
}

/** Command lines and message content out of the octets of one socket. */
class Parser extends SMTPStream {
  readonly #connection: Connection
  #endedInCr = false
  #incoming: { readonly reader: DataReader; readonly receiver: Receiver; isOpen: boolean } | null = null

  constructor(connection: Connection) {
    super({ maxCommandLength: MAX_COMMAND_BYTES })
    this.#connection = connection
    // Only a command line that is too long is an error of the stream, and it was answered before.
    this.on('error', ignore)
  }

  /** What follows is content for `receiver`; until `goAhead` it is sent too early. */
  expect(receiver: Receiver): void {
    this._dataMode = true
    this.#incoming = { reader: new DataReader(), receiver, isOpen: false }
  }

  goAhead(): void {
    if (this.#incoming !== null) this.#incoming.isOpen = true
  }

  override oncommand(line: Buffer, done?: () => void): void {
    this.#connection._onCommand(line, done)
  }

  /** smtp-server takes a bare LF for the end of a line, so that is looked for first. */
  override _write(chunk: Buffer, encoding: BufferEncoding | 'buffer', next: Done): void {
    if (this.isClosed || chunk.length === 0) return next()
    if (!this.#connection.isGreeted) return this.#violated('early-talker', next)
    if (this._dataMode) return this._feedDataStream(chunk, next)
    const bareLf = bareLineFeed(chunk, this.#endedInCr)
    this.#endedInCr = chunk[chunk.length - 1] === CR
    if (bareLf < 0) return super._write(chunk, encoding, next)
    // The commands before it were whole and are answered in their turn.
    super._write(chunk.subarray(0, bareLf), encoding, (error) => {
      if (error || this.isClosed) next(error)
      else if (this._dataMode) this._write(chunk.subarray(bareLf), encoding, next)
      else this.#violated('bare-line-feed', next)
    })
  }

  override _feedDataStream(chunk: Buffer, next: Done): void {
    const incoming = this.#incoming
    if (incoming === null || !incoming.isOpen) return this.#violated('content-before-354', next)
    const content = incoming.reader.take(chunk)
    const taken = content.length === 0 ? undefined : incoming.receiver.write(content)
    if (taken === undefined) this.#afterContent(incoming, next)
    else if (taken instanceof Promise) void taken.then(() => this.#afterContent(incoming, next))
    else this.#connection.breakOff(taken, next)
  }

  #afterContent({ reader, receiver }: { reader: DataReader; receiver: Receiver }, next: Done): void {
    const { rest } = reader
    if (rest === null) return next()
    this._dataMode = false
    this._remainder = ''
    this.#incoming = null
    this.#endedInCr = false
    this.#connection.endOfData(receiver, () => this._write(rest, 'buffer', next))
  }

  override _commandTooLong(): Error {
    this._remainder = ''
    this.#connection.violated('line-too-long')
    return new Error('Command line too long')
  }

  /** The connection ended within a line: half a command is none. */
  override _flushData(): void {}

  #violated(violation: Violation, next: Done): void {
    this.#connection.violated(violation)
    next()
  }
}

function ignore(): void {}
