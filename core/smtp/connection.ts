/**
 * The wire of one client: octets to commands and content, steps to replies, in order and one after the other. What is
 * said is decided behind the Dialogue port.
 */
import type { Socket } from 'node:net'
import type { Reply } from '../mail/reply.ts'
import { ChunkReader } from './chunk-reader.ts'
import { CommandLines } from './command-lines.ts'
import { DataReader } from './data-reader.ts'
import type {
  ChunkStep,
  Dialogue,
  Receiver,
  ReceiveStep,
  SecureStep,
  Step,
  Violation,
} from './dialogue-port.ts'
import { Patience, type PatienceLimits } from './patience.ts'
import { ReplyGroup } from './reply-group.ts'
import { type HandshakeTerms, secureSocket } from './tls-socket.ts'

/** What a client may send ahead of our replies before we stop reading: it is kept in memory. */
const MAX_AHEAD_BYTES = 65_536

/** No line this short is too long (RFC 5321 §4.5.3.1.4). */
const SHORT_LINE_BYTES = 510

/** Longest time a client is given to hear the last reply and close its side. */
const FAREWELL_MS = 30_000

export interface ConnectionOptions {
  readonly dialogue: Dialogue
  /** `first`: the handshake comes before the greeting (RFC 8314 §3). */
  readonly tls: 'first' | 'later'
  /** The certificate in force at this moment. */
  readonly terms: () => HandshakeTerms
  readonly limits: PatienceLimits
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number
  /** Called once, when the connection is gone. */
  readonly ended: () => void
}

/**
 * Whose turn it is. `shaking`: TLS, nothing is read here. `greeting`: ours, and nothing may be said to us. `asking`: ours,
 * a step is being decided. `listening`: the client's. `unheard`: the client's, which does not read what we say.
 * `leaving`: the last reply is said. `gone`: there is no connection.
 */
type Turn = 'shaking' | 'greeting' | 'asking' | 'listening' | 'unheard' | 'leaving' | 'gone'

interface Incoming {
  readonly reader: DataReader | ChunkReader
  readonly receiver: Receiver
}

export class Connection {
  #socket: Socket
  readonly #dialogue: Dialogue
  readonly #options: ConnectionOptions
  readonly #patience: Patience
  readonly #lines = new CommandLines()
  readonly #replies = new ReplyGroup()
  #turn: Turn = 'shaking'
  /** The content that arrives, behind 354 or BDAT. */
  #message: Incoming | null = null
  /** The client has ended its side (RFC 9293 §3.6): what it had said by then is answered. */
  #hasEnded = false
  /** Error code of the socket or of TLS; '' without one. */
  #cause = ''
  readonly #onData = (octets: Buffer): void => this.#heard(octets)
  readonly #onEnd = (): void => this.#clientEnded()
  readonly #onDrain = (): void => this.#drained()

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket
    this.#dialogue = options.dialogue
    this.#options = options
    this.#patience = new Patience(options.limits, options.now, () => this.#waitedTooLong())
    socket.on('close', () => this.#closed())
    socket.on('error', (error: NodeJS.ErrnoException) => {
      // 'close' follows, and says it.
      this.#cause ||= error.code ?? error.name
    })
  }

  begin(): void {
    if (this.#options.tls === 'first') this.#handshake(() => this.#greet())
    else this.#greet()
  }

  /** Ends the connection if we are draining and it has nothing to finish. */
  leave(): void {
    if (this.#turn !== 'listening') return
    const farewell = this.#dialogue.farewell()
    if (farewell !== null) this.#endWith(farewell)
  }

  /** Reads from the first moment on, so that what is said before the greeting is heard. */
  #greet(): void {
    this.#turn = 'greeting'
    this.#read()
    void this.#dialogue.greet().then((step) => {
      // What came behind a PROXY header has been read and is on its way here.
      if (this.#turn === 'greeting' && this.#socket.readableLength > 0) return this.#violated('early-talker')
      this.#act(step, '')
    })
  }

  #read(): void {
    this.#socket.allowHalfOpen = true
    this.#socket.on('data', this.#onData)
    this.#socket.on('end', this.#onEnd)
    this.#socket.on('drain', this.#onDrain)
    // Whoever had it before may have paused it.
    this.#socket.resume()
  }

  #heard(octets: Buffer): void {
    switch (this.#turn) {
      case 'greeting':
        return this.#violated('early-talker')
      case 'listening':
        if (this.#message !== null) return this.#take(octets)
        this.#lines.add(octets)
        return this.#goOn()
      case 'asking':
      case 'unheard':
        this.#lines.add(octets)
        if (this.#lines.byteLength > MAX_AHEAD_BYTES) this.#socket.pause()
        return
      case 'shaking':
      case 'leaving':
      case 'gone':
    }
  }

  /** Hears what there is, until it is not our turn to hear or nothing whole is left. */
  #goOn(): void {
    while (this.#turn === 'listening' && this.#message === null) {
      const line = this.#lines.next()
      if (typeof line === 'string') return this.#violated(line)
      if (line === null) return this.#heardAll()
      this.#command(line)
    }
    if (this.#message !== null && this.#turn === 'listening') this.#waitForContent()
  }

  /** The group is through: what was gathered is said, and the client's turn begins. */
  #heardAll(): void {
    const { unfinishedBytes } = this.#lines
    // A line that does not end is not waited for.
    if (unfinishedBytes > 0 && unfinishedBytes > this.#dialogue.lineLimit(this.#lines.beginning(8)))
      return this.#violated('line-too-long')
    if (this.#hasEnded) return this.#end()
    if (this.#say()) this.#wait()
  }

  /** Behind BDAT it comes at once, and whoever waits for replies to what stood before is not kept waiting for it. */
  #waitForContent(): void {
    if (this.#hasEnded) return void this.#socket.destroy()
    this.#say()
    this.#wait()
  }

  #wait(): void {
    this.#patience.clientOwes()
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  #command(line: Buffer): void {
    // A text only where it is needed: nearly every line is short.
    if (
      line.length > SHORT_LINE_BYTES &&
      line.length > this.#dialogue.lineLimit(line.toString('latin1', 0, 8))
    )
      return this.#violated('line-too-long')
    const beginning = line.toString('latin1', 0, 4)
    this.#ours()
    const step = this.#dialogue.command(line)
    if (step instanceof Promise) void step.then((later) => this.#act(later, beginning))
    else this.#carryOut(step, beginning)
  }

  #ours(): void {
    this.#turn = 'asking'
    this.#patience.weOwe()
  }

  /** A step that was waited for: whatever is behind it was kept. */
  #act(step: Step, line: string): void {
    if (this.#turn !== 'asking' && this.#turn !== 'greeting') return
    this.#carryOut(step, line)
    this.#goOn()
  }

  #carryOut(step: Step, line: string): void {
    if (step.kind === 'receive') return this.#receive(step)
    if (step.kind === 'chunk') return this.#receiveChunk(step)
    if (step.kind === 'secure') return this.#secure(step)
    if (step.closes) return this.#endWith(step.reply)
    this.#turn = 'listening'
    if (!this.#replies.add(step.reply, line) && !this.#say()) return
    this.leave()
  }

  /** Whatever came before 354 was sent without waiting for it (RFC 2920 §3.1). */
  #receive({ reply, receiver }: ReceiveStep): void {
    if (this.#lines.byteLength > 0) return this.#violated('content-before-354')
    this.#turn = 'listening'
    this.#message = { reader: new DataReader(), receiver }
    this.#patience.contentBegins()
    this.#replies.add(reply, '')
    this.#say()
  }

  /** Part of it may have come with the command. */
  #receiveChunk({ octets, isFirst, receiver }: ChunkStep): void {
    this.#turn = 'listening'
    this.#message = { reader: new ChunkReader(octets), receiver }
    if (isFirst) this.#patience.contentBegins()
    const ahead = this.#lines.takeAll()
    if (ahead.length > 0 || octets === 0) this.#take(ahead)
  }

  #take(octets: Buffer): void {
    const message = this.#message
    if (message === null) return
    if (this.#patience.contentCame(octets.length)) return this.#violated('too-slow')
    const content = message.reader.take(octets)
    const taken = content.length === 0 ? undefined : message.receiver.write(content)
    if (taken === undefined) this.#taken(message)
    else if (taken instanceof Promise) this.#hold(taken, message)
    else {
      this.#message = null
      this.#carryOut(taken, '')
    }
  }

  /** Not read on before it is stored, so that content waits with the client and not in our memory. */
  #hold(stored: Promise<void>, message: Incoming): void {
    const since = this.#options.now()
    this.#ours()
    this.#socket.pause()
    void stored.then(() => {
      if (this.#turn !== 'asking') return
      this.#turn = 'listening'
      this.#patience.held(this.#options.now() - since)
      this.#taken(message)
      if (this.#turn === 'listening') this.#waitForContent()
    })
  }

  #taken({ reader, receiver }: Incoming): void {
    if (reader.rest === null) return
    if (reader.rest.length > 0) this.#lines.add(reader.rest)
    this.#message = null
    // Whoever ends here does not wait for the reply; see #clientEnded.
    if (this.#hasEnded && reader.rest.length === 0) return void this.#socket.destroy()
    this.#ours()
    void receiver.end().then((step) => this.#act(step, ''))
  }

  /** Whatever came before 220 was sent in the clear, to be heard inside TLS (RFC 3207 §6). */
  #secure({ reply }: SecureStep): void {
    if (this.#lines.byteLength > 0) return this.#violated('command-before-tls')
    const plain = this.#socket
    this.#replies.add(reply, '')
    this.#replies.writeTo(plain)
    plain.off('data', this.#onData)
    plain.off('end', this.#onEnd)
    plain.off('drain', this.#onDrain)
    plain.pause()
    this.#handshake(() => {
      this.#turn = 'listening'
      this.#read()
      this.#wait()
      this.leave()
    })
  }

  /** Nothing that was said before gets there: the lines are empty, and the socket is another one. */
  #handshake(secured: () => void): void {
    this.#turn = 'shaking'
    this.#patience.weOwe()
    this.#socket.allowHalfOpen = false
    const secure = secureSocket(this.#socket, {
      ...this.#options.terms(),
      idleMs: this.#options.limits.idleMs,
      secured: (tls) => {
        if (this.#turn !== 'shaking') return
        this.#dialogue.secured(tls)
        secured()
      },
      failed: (cause) => {
        this.#cause ||= cause
      },
    })
    secure.on('close', () => this.#closed())
    this.#socket = secure
  }

  /** Says what was gathered. Returns false when the client has to read before it is heard again. */
  #say(): boolean {
    if (this.#replies.writeTo(this.#socket)) return true
    if (this.#turn === 'listening' && this.#message === null) {
      this.#turn = 'unheard'
      this.#patience.clientOwes()
    }
    return false
  }

  #drained(): void {
    if (this.#turn !== 'unheard') return
    this.#turn = 'listening'
    this.#patience.weOwe()
    this.leave()
    this.#goOn()
  }

  #violated(violation: Violation): void {
    this.#endWith(this.#dialogue.violated(violation))
  }

  #endWith(reply: Reply): void {
    this.#replies.add(reply, '')
    this.#end()
  }

  /** What the client still sends is read and not heard: unread, it would make the system take our reply back. */
  #end(): void {
    this.#turn = 'leaving'
    this.#message = null
    this.#lines.clear()
    this.#patience.stop()
    const socket = this.#socket
    this.#replies.endOn(socket)
    socket.resume()
    const timer = setTimeout(() => socket.destroy(), Math.min(FAREWELL_MS, this.#options.limits.idleMs))
    socket.once('close', () => clearTimeout(timer))
  }

  /**
   * Behind the last whole line the client has nothing to wait for but its reply. Whoever ended within a message, or
   * before QUIT while we decide, is taken for gone: it is a broken connection more often than a half-closed one, and
   * what is accepted of it would come twice (RFC 1047).
   */
  #clientEnded(): void {
    this.#hasEnded = true
    if (this.#turn === 'leaving' || this.#turn === 'gone') return
    const isWaiting = this.#turn === 'asking' || this.#turn === 'unheard'
    if (isWaiting && this.#lines.byteLength > 0) return
    if (this.#turn === 'listening' && this.#message === null) this.#end()
    else this.#socket.destroy()
  }

  #waitedTooLong(): void {
    const reply = this.#dialogue.idle()
    // Who does not read would not read this either.
    if (this.#turn === 'unheard') this.#socket.destroy()
    else this.#endWith(reply)
  }

  #closed(): void {
    if (this.#turn === 'gone') return
    this.#turn = 'gone'
    this.#message = null
    this.#lines.clear()
    this.#patience.stop()
    this.#dialogue.ended(this.#cause)
    this.#options.ended()
  }
}
