/** nodemailer's connection, with what it leaves to be wished: parameters for each recipient, and a word for each step. */
import type { Transform } from 'node:stream'
import { TLSSocket } from 'node:tls'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import type { ClientTls } from './channel.ts'
import { DotStuffing } from './dot-stuffing.ts'

export type { SMTPConnectionOptions, SMTPEnvelope, SMTPError } from 'nodemailer/lib/smtp-connection'

/** What is awaited within a transaction (RFC 5321 §4.5.3.2): a reply, or that a piece of the message leaves. */
export type Step = 'mail' | 'rcpt' | 'data' | 'block' | 'dot'

/** ESMTP parameters of one transaction, beside those nodemailer knows how to say. */
export interface EnvelopeParameters {
  readonly mail: readonly string[]
  /** By recipient. */
  readonly rcpt: ReadonlyMap<string, readonly string[]>
}

const NO_PARAMETERS: EnvelopeParameters = Object.freeze({
  mail: [],
  rcpt: new Map<string, readonly string[]>(),
})
const MAIL = /^MAIL FROM:<[^>]*>(.*)$/
const RCPT = /^RCPT TO:<(.*)>$/

/** nodemailer's stream from the message to the socket. It ends with what is missing behind its last octet. */
interface SendStream extends Transform {
  lastByte: number | false
}

/** What is not among nodemailer's types. */
interface Internals {
  readonly _supportedExtensions: readonly string[]
  readonly _socket: unknown
  /** Recipients whose reply is awaited. */
  readonly _recipientQueue: readonly string[]
  _sendCommand(command: string): void
  _createSendStream(replied: unknown): SendStream
  _actionEHLO(reply: string): void
  _onError(error: Error, code: string, reply: string, command: string): void
  _actionMAIL(reply: string, done: unknown): void
  _actionRCPT(reply: string, done: unknown): void
}

const NODEMAILERS = SMTPConnection.prototype as unknown as Internals

export class SmtpConnection extends SMTPConnection {
  /** Of the transaction that begins next. */
  parameters: EnvelopeParameters = NO_PARAMETERS
  /** Called with what is awaited from now on. */
  onStep: (step: Step) => void = () => {}

  get #internals(): Internals {
    return this as unknown as Internals
  }

  /** What the server offers. */
  get extensions(): readonly string[] {
    return this.#internals._supportedExtensions
  }

  /** null in the clear. */
  get tls(): ClientTls | null {
    const socket = this.#internals._socket
    if (!(socket instanceof TLSSocket)) return null
    // Of a socket that has closed meanwhile there is none, whatever the types say.
    const cipher: { readonly standardName: string } | null = socket.getCipher()
    return {
      version: socket.getProtocol() ?? 'unknown',
      cipher: cipher?.standardName ?? 'unknown',
      isVerified: socket.authorized,
    }
  }

  /** Called by nodemailer for each command, also where it pipelines. */
  _sendCommand(command: string): void {
    NODEMAILERS._sendCommand.call(this, [command, ...this.#parametersOf(command)].join(' '))
  }

  #parametersOf(command: string): readonly string[] {
    const said = MAIL.exec(command)?.[1]?.split(' ')
    // SMTPUTF8 is said already when an address needs it.
    if (said !== undefined) return this.parameters.mail.filter((one) => !said.includes(one))
    const recipient = RCPT.exec(command)?.[1]
    return (recipient === undefined ? undefined : this.parameters.rcpt.get(recipient)) ?? []
  }

  /** Called by nodemailer with the reply to MAIL. */
  _actionMAIL(reply: string, done: unknown): void {
    NODEMAILERS._actionMAIL.call(this, reply, done)
    this.#awaitNext()
  }

  /** Called by nodemailer with each reply to RCPT. */
  /** HELO helps with a server that does not know EHLO, not with one that has no time: it would seem to offer nothing. */
  _actionEHLO(reply: string): void {
    if (!reply.startsWith('4')) return NODEMAILERS._actionEHLO.call(this, reply)
    this.#internals._onError(new Error(`EHLO was put off: ${reply}`), 'EPROTOCOL', reply, 'EHLO')
  }

  _actionRCPT(reply: string, done: unknown): void {
    NODEMAILERS._actionRCPT.call(this, reply, done)
    this.#awaitNext()
  }

  #awaitNext(): void {
    this.onStep(this.#internals._recipientQueue.length > 0 ? 'rcpt' : 'data')
  }

  /**
   * Called by nodemailer once the remote has answered DATA. It would look at each octet of a message by itself, which
   * costs more than all the rest of sending it.
   */
  _createSendStream(replied: unknown): SendStream {
    const stream = NODEMAILERS._createSendStream.call(this, replied)
    const stuffing = new DotStuffing()
    this.onStep('block')
    stream._transform = (piece: Buffer, _encoding, done) => {
      this.onStep('block')
      stream.lastByte = piece.at(-1) ?? stream.lastByte
      done(null, stuffing.take(piece))
    }
    stream.once('end', () => this.onStep('dot'))
    return stream
  }
}

/** LMTP answers the message once for each recipient; nodemailer itself keeps the refusals and the last reply alone. */
export class LmtpConnection extends SmtpConnection {
  /** Replies to the message of this transaction, by recipient, in the order they came. */
  readonly replies = new Map<string, string>()

  /** Called by nodemailer for each of these replies. */
  _actionLMTPStream(
    recipient: string,
    isLast: boolean,
    reply: string,
    done: (error: null, reply: string) => void,
  ): void {
    this.replies.set(recipient, reply)
    if (isLast) done(null, reply)
    else this.onStep('dot')
  }
}
