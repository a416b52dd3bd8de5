/**
 * The octets of one socket, cut into command lines and message content. Built on smtp-server's line splitter; its data
 * mode is not used.
 */
import { SMTPStream } from 'smtp-server/lib/smtp-stream.js'
import { bareLineFeed } from './content-check.ts'
import { DataReader } from './data-reader.ts'
import type { Dialogue, Receiver, ReplyStep, Violation } from './dialogue-port.ts'
import { MAX_LINE_BYTES } from './line-limits.ts'

const CR = 0x0d

type Done = (error?: Error | null) => void

/** The connection a parser reads for. */
export interface ParserOwner {
  readonly isGreeted: boolean
  readonly dialogue: Pick<Dialogue, 'lineLimit'>
  _onCommand(line: Buffer, done: Done): void
  violated(violation: Violation): void
  /** The final dot was there: the next command waits for the reply to it. */
  endOfData(receiver: Receiver, done: Done): void
  /** The receiver has had enough. */
  breakOff(step: ReplyStep, done: Done): void
}

/** Command lines and message content out of the octets of one socket. */
export class Parser extends SMTPStream {
  readonly #connection: ParserOwner
  #endedInCr = false
  #isShut = false
  #incoming: { readonly reader: DataReader; readonly receiver: Receiver; isOpen: boolean } | null = null

  constructor(connection: ParserOwner) {
    super({ maxCommandLength: MAX_LINE_BYTES })
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

  /** From now on a command is one too many. */
  shut(): void {
    this.#isShut = true
  }

  /** Whether something is there behind the last command. */
  get holdsMore(): boolean {
    return this._remainder !== '' || this.writableLength > 0
  }

  override oncommand(line: Buffer, done: () => void = ignore): void {
    if (this.#isShut) this.#violated('command-before-tls', done)
    else this.#connection._onCommand(line, done)
  }

  /** smtp-server takes a bare LF for the end of a line, so that is looked for first. */
  override _write(chunk: Buffer, encoding: BufferEncoding | 'buffer', next: Done): void {
    if (this.isClosed || chunk.length === 0) return next()
    if (!this.#connection.isGreeted) return this.#violated('early-talker', next)
    if (this._dataMode) return this._feedDataStream(chunk, next)
    const bareLf = bareLineFeed(chunk, this.#endedInCr)
    this.#endedInCr = chunk[chunk.length - 1] === CR
    if (bareLf < 0) return super._write(chunk, encoding, (error) => this.#afterCommands(next, error))
    // The commands before it were whole and are answered in their turn.
    super._write(chunk.subarray(0, bareLf), encoding, (error) => {
      if (error || this.isClosed) next(error)
      else if (this._dataMode) this._write(chunk.subarray(bareLf), encoding, next)
      else this.#violated('bare-line-feed', next)
    })
  }

  /** A line that did not end yet is not waited for when it is too long already. */
  #afterCommands(next: Done, error?: Error | null): void {
    const { length } = this._remainder
    if (error || this.isClosed || this._dataMode) return next(error)
    if (length > this.#connection.dialogue.lineLimit(this._remainder.slice(0, 8))) {
      this._remainder = ''
      return this.#violated('line-too-long', next)
    }
    next()
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
