/**
 * The client of one SMTP or LMTP connection (RFC 5321 §3, RFC 2033): handshake, TLS, signing in, transactions one after
 * the other, replies per recipient. The only file that knows nodemailer; what it reports is decided in outcome.ts.
 */
import type { Socket } from 'node:net'
import type { Transform } from 'node:stream'
import type {
  SMTPConnectionEnvelope,
  SMTPConnectionOptions,
  SMTPEnvelope,
  SMTPError,
} from 'nodemailer/lib/smtp-connection'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { storedSizeBytes } from '../mail/message.ts'
import { bodyStream, hasHighBytes } from './body-stream.ts'
import type { Channel, Outgoing } from './channel.ts'
import type { ClientTimeouts } from './client-timeouts.ts'
import { DotStuffing } from './dot-stuffing.ts'
import { UNSENDABLE_MET, unmetNeed, unsaidAddress } from './needs.ts'
import type { Met, Phase } from './outcome.ts'
import type { Login, Protection } from './protection.ts'

export interface ClientOptions {
  /** Our name, said with EHLO. */
  readonly hostname: string
  readonly timeouts: ClientTimeouts
}

/** Octets of one reply, all its lines together. */
const MAX_REPLY_BYTES = 65_536
/** How long a remote may take to say goodbye. */
const QUIT_MS = 2_000
/** A MAIL command that does not ask for SMTPUTF8 yet. */
const MAIL_WITHOUT_UTF8 = /^MAIL FROM:<[^>\r\n]*>(?![^\r\n]* SMTPUTF8)/
/** What cannot stand between the angle brackets of a path here. */
const UNSENDABLE = /[\r\n<>]/

/** A session with one server. */
export interface SessionOptions extends ClientOptions {
  /** How it is called in records. */
  readonly remote: string
  /** Host name or IP address: asked for by SNI, and what a verified certificate must be for. */
  readonly name: string
  readonly protocol: 'smtp' | 'lmtp'
  readonly protection: Protection
}

/** Why there is no session. */
export interface Ungreeted {
  readonly met: Met
  /** What failed was TLS itself: the server may still be one that takes mail in the clear. */
  readonly isTlsFailure: boolean
}

/** Greets over a connection that stands, and signs in. */
export async function greet(
  socket: Socket,
  options: SessionOptions,
  signal: AbortSignal,
): Promise<Channel | Ungreeted> {
  const channel = new ClientChannel(socket, options)
  return (await channel.greet(signal)) ?? channel
}

/** What an exchange with the remote came to. */
type Exchanged<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: SMTPError }

/** nodemailer's stream from the message to the socket. It ends with what is missing behind its last octet. */
interface SendStream extends Transform {
  lastByte: number | false
}

/** nodemailer looks at each octet of a message by itself, which costs more than all the rest of sending it. */
class SmtpConnection extends SMTPConnection {
  /** Whether MAIL asks for SMTPUTF8 although its addresses do not: the header does. */
  needsUtf8 = false

  /** What the server offers. */
  get extensions(): readonly string[] {
    // Not among nodemailer's types.
    return (this as unknown as { _supportedExtensions: readonly string[] })._supportedExtensions
  }

  /** Called by nodemailer for each command, several in one where it pipelines. */
  _sendCommand(command: string): void {
    const nodemailers = SMTPConnection.prototype as unknown as Pick<SmtpConnection, '_sendCommand'>
    const asked = this.needsUtf8 ? command.replace(MAIL_WITHOUT_UTF8, '$& SMTPUTF8') : command
    nodemailers._sendCommand.call(this, asked)
  }

  /** Called by nodemailer once the remote has answered DATA. */
  _createSendStream(replied: unknown): SendStream {
    // Not among nodemailer's types.
    const nodemailers = SMTPConnection.prototype as unknown as Pick<SmtpConnection, '_createSendStream'>
    const stream = nodemailers._createSendStream.call(this, replied)
    const stuffing = new DotStuffing()
    stream._transform = (piece: Buffer, _encoding, done) => {
      stream.lastByte = piece.at(-1) ?? stream.lastByte
      done(null, stuffing.take(piece))
    }
    return stream
  }
}

/** LMTP answers the message once for each recipient; nodemailer itself keeps the refusals and the last reply alone. */
class LmtpConnection extends SmtpConnection {
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
  }
}

class ClientChannel implements Channel {
  readonly remote: string
  readonly #socket: Socket
  readonly #connection: SmtpConnection
  readonly #timeouts: ClientTimeouts
  readonly #protection: Protection
  #isUsable = true
  #carried = 0
  /** Ends the exchange in progress. */
  #end: ((error: SMTPError) => void) | null = null
  /** Why the connection ended, as far as is known. */
  #lastError: SMTPError | null = null

  constructor(socket: Socket, options: SessionOptions) {
    const { remote, name, hostname, timeouts, protocol, protection } = options
    this.remote = remote
    this.#socket = socket
    this.#timeouts = timeouts
    this.#protection = protection
    const Connection = protocol === 'lmtp' ? LmtpConnection : SmtpConnection
    this.#connection = new Connection({
      connection: socket,
      host: name,
      lmtp: protocol === 'lmtp',
      ...tlsOptions(protection),
      name: hostname,
      // Counts from here to the end of the handshake, and would cut it short: the deadlines here are ours.
      connectionTimeout: 10 * (timeouts.greetingMs + timeouts.commandMs),
      greetingTimeout: timeouts.greetingMs,
      socketTimeout: timeouts.idleMs,
      maxResponseSize: MAX_REPLY_BYTES,
    })
    // Stays for good: an error after the end must find a listener.
    this.#connection.on('error', (error: SMTPError) => {
      this.#lastError = error
    })
    this.#connection.on('end', () => this.#ended())
  }

  get isUsable(): boolean {
    return this.#isUsable
  }

  /** Greeting, EHLO or LHLO, TLS and signing in; null when the session stands. */
  async greet(signal: AbortSignal): Promise<Ungreeted | null> {
    const abort = (): void => this.abort('given up')
    signal.addEventListener('abort', abort, { once: true })
    const ungreeted = (await this.#shakeHands()) ?? (await this.#signIn())
    signal.removeEventListener('abort', abort)
    if (ungreeted !== null) this.abort('not greeted')
    return ungreeted
  }

  async #shakeHands(): Promise<Ungreeted | null> {
    const { greetingMs, commandMs } = this.#timeouts
    const rounds = this.#protection.kind === 'none' ? 1 : 2
    const greeted = await this.#exchange<void>(rounds * (greetingMs + commandMs), (done) =>
      this.#connection.connect((error) => done(error ?? null)),
    )
    return greeted.ok ? null : this.#ungreeted(greeted.error)
  }

  #ungreeted(error: SMTPError): Ungreeted {
    const { code, command, response } = error
    const { upgrading, secure, lastServerResponse } = this.#connection
    const isUpgrade = code === 'ETLS' || upgrading === true
    if (this.#protection.kind === 'verified' && isUpgrade)
      return { met: unprotected(error), isTlsFailure: true }
    // Some servers agree to TLS and hang up on what comes inside.
    const isTlsFailure = isUpgrade || (this.#protection.kind === 'opportunistic' && secure && !response)
    const isGreeted = response === undefined && lastServerResponse !== false
    const isHello = isGreeted || command === 'EHLO' || command === 'HELO' || command === 'LHLO'
    const phase = isTlsFailure ? 'tls' : isHello ? 'hello' : 'connect'
    return { met: response === undefined ? trouble(phase, error) : reply(phase, error), isTlsFailure }
  }

  /** By PLAIN or LOGIN, as the server offers (RFC 4954). */
  async #signIn(): Promise<Ungreeted | null> {
    if (this.#protection.kind !== 'verified' || this.#protection.login === null) return null
    const { login } = this.#protection
    const failed = (met: Met): Ungreeted => ({ met, isTlsFailure: false })
    if (!this.#connection.allowsAuth)
      return failed({ kind: 'trouble', phase: 'auth', text: 'the server lets nobody sign in here' })
    const auth = { user: login.user, pass: login.password }
    const signedIn = await this.#exchange<void>(this.#timeouts.commandMs, (done) =>
      this.#connection.login(auth, (error) => done(error)),
    )
    if (signedIn.ok) return null
    const { response, message } = signedIn.error
    // A reply, but about our configuration: senders are not told what it says.
    return failed({ kind: 'trouble', phase: 'auth', text: withoutPassword(response ?? message, login) })
  }

  async carry(outgoing: Outgoing): Promise<readonly Met[] | null> {
    const { reversePath, recipients } = outgoing
    const { extensions } = this.#connection
    const forAll = UNSENDABLE.test(reversePath)
      ? UNSENDABLE_MET
      : unmetNeed(outgoing, extensions, this.#protection.kind === 'verified')
    const why = (address: string): Met | null =>
      forAll ?? (UNSENDABLE.test(address) ? UNSENDABLE_MET : unsaidAddress(address, extensions))
    const sendable = recipients.filter((address) => why(address) === null)
    if (sendable.length === 0) return recipients.map((address) => why(address) ?? UNSENDABLE_MET)
    const met = await this.#transact(outgoing, sendable)
    return met === null
      ? null
      : recipients.map((address) => why(address) ?? met.get(address) ?? UNSENDABLE_MET)
  }

  quit(): void {
    if (!this.#isUsable) return
    this.#isUsable = false
    const late = setTimeout(() => this.abort('no goodbye'), QUIT_MS)
    this.#socket.once('close', () => clearTimeout(late))
    this.#connection.quit()
  }

  abort(reason: string): void {
    this.#lastError ??= new Error(reason)
    this.#connection.close()
    // close() alone would wait for the remote's half.
    this.#socket.destroy()
  }

  /** One transaction to these recipients; null when the remote had left before it began. */
  async #transact(outgoing: Outgoing, to: readonly string[]): Promise<ReadonlyMap<string, Met> | null> {
    const isReused = this.#carried++ > 0
    let phase: Phase = 'mail'
    const body = bodyStream(outgoing.stored, () => {
      phase = 'dot'
    })
    // The connection books accepted and refused recipients in the envelope it is given.
    const envelope: SMTPEnvelope & Partial<Pick<SMTPConnectionEnvelope, 'rejectedErrors'>> = {
      from: outgoing.reversePath,
      to: [...to],
      size: storedSizeBytes(outgoing.stored),
      use8BitMime: hasHighBytes(outgoing.stored),
      requireTLSExtensionEnabled: outgoing.needs?.includes('REQUIRETLS') ?? false,
    }
    this.#connection.needsUtf8 = outgoing.needs?.includes('SMTPUTF8') ?? false
    this.#connection.lastServerResponse = false
    const single = this.#connection instanceof LmtpConnection ? this.#connection.replies : NO_REPLIES
    single.clear()
    const sent = await this.#exchange<string>(this.#timeouts.transactionMs, (done) =>
      this.#connection.send(envelope, body, (error, info) => done(error, info?.response ?? '')),
    )
    const answer: Met = sent.ok ? replyText('dot', sent.value) : metOf(sent.error, phase)
    if (!sent.ok) body.destroy()
    if (!sent.ok && isReused && this.#hadLeft(answer, sent.error)) return null
    const after = Array.from(single, ([address, text]) => [address, replyText('dot', text)] as const)
    const said = new Map([...refusedBy(answer, envelope.rejectedErrors ?? []), ...after])
    const isTaken = sent.ok && isPositive(answer) && after.every(([, met]) => isPositive(met))
    if (!isTaken) await this.#clear(answer, said)
    return new Map(to.map((address) => [address, said.get(address) ?? answer]))
  }

  /** Whether a connection kept for reuse was over: closed without a word, or with 421 instead of a transaction. */
  #hadLeft(answer: Met, { code }: SMTPError): boolean {
    if (answer.kind === 'reply') return answer.phase === 'mail' && answer.code === 421
    return this.#connection.lastServerResponse === false && (code === 'ECONNECTION' || code === 'ESOCKET')
  }

  /** After a transaction without success: ready for another one, or closed. */
  async #clear(answer: Met, said: ReadonlyMap<string, Met>): Promise<void> {
    const isOrderly = [answer, ...said.values()].every((met) => isPositive(met) || isOrderlyRefusal(met))
    if (!this.#isUsable || !isOrderly) return this.abort('the session is out of step')
    const reset = await this.#exchange<void>(this.#timeouts.commandMs, (done) =>
      this.#connection.reset((error) => done(error)),
    )
    if (!reset.ok) this.abort('RSET failed')
  }

  /** Runs one operation to its end, which is its callback, the end of the connection, or the deadline. */
  #exchange<T>(
    deadlineMs: number,
    start: (done: (error: SMTPError | null, value?: T) => void) => void,
  ): Promise<Exchanged<T>> {
    return new Promise((resolve) => {
      const end = (error: SMTPError): void => finish({ ok: false, error })
      const finish = (exchanged: Exchanged<T>): void => {
        // A callback may still come when the end has ended it.
        if (this.#end !== end) return
        clearTimeout(late)
        this.#end = null
        resolve(exchanged)
      }
      const late = setTimeout(() => this.abort(`not done within ${deadlineMs / 1000} s`), deadlineMs)
      this.#end = end
      start((error, value) => finish(error === null ? { ok: true, value: value as T } : { ok: false, error }))
    })
  }

  /** close() forgets the callback of what it interrupts, so the end itself must end the exchange. */
  #ended(): void {
    this.#isUsable = false
    queueMicrotask(() => this.#end?.(this.#lastError ?? new Error('the connection was closed')))
  }
}

const NO_REPLIES = new Map<string, string>()

function tlsOptions(protection: Protection): Partial<SMTPConnectionOptions> {
  switch (protection.kind) {
    case 'none':
      return { secure: false, ignoreTLS: true }
    case 'opportunistic':
      return { secure: false, tls: { rejectUnauthorized: false } }
    case 'verified': {
      const { isImplicit, trust } = protection
      return {
        secure: isImplicit,
        requireTLS: !isImplicit,
        tls: { secureContext: trust, rejectUnauthorized: true },
      }
    }
  }
}

/** TLS that the route needs and the server does not give, or not as who it should be. */
function unprotected({ response, message }: SMTPError): Met {
  const why = response === undefined ? message : `the server answers STARTTLS with ${response}`
  return { kind: 'trouble', phase: 'tls', text: `this route needs TLS and a certificate to trust: ${why}` }
}

/** What a server says about a password may repeat it. */
function withoutPassword(text: string, { user, password }: Login): string {
  const base64 = (plain: string): string => Buffer.from(plain).toString('base64')
  const forms = [base64(`\0${user}\0${password}`), base64(password), password]
  return forms.reduce((masked, form) => masked.replaceAll(form, '[password]'), text)
}

const COMMAND_PHASES: Readonly<Record<string, Phase>> = {
  'MAIL FROM': 'mail',
  'RCPT TO': 'rcpt',
  DATA: 'data',
}

function metOf(error: SMTPError, phase: Phase): Met {
  const { code, command = '', response } = error
  if (code === 'ESTREAM')
    return { kind: 'local', text: `the stored message cannot be read: ${error.message}` }
  if (code === 'EMESSAGE' && response === undefined && command === 'MAIL FROM') {
    return { kind: 'too-large', text: error.message }
  }
  const isReply = code === 'EENVELOPE' || code === 'EMESSAGE' || error.responseCode === 421
  if (!isReply || response === undefined) return trouble(phase, error)
  return reply(code === 'EMESSAGE' ? 'dot' : (COMMAND_PHASES[command] ?? phase), error)
}

/** What was said to single recipients; with MAIL refused the replies to RCPT only say that it was. */
function refusedBy(answer: Met, errors: readonly SMTPError[]): ReadonlyMap<string, Met> {
  if (answer.kind === 'reply' && answer.phase === 'mail') return new Map()
  return new Map(errors.map((error) => [error.recipient ?? '', reply('rcpt', error)]))
}

function reply(phase: Phase, { response = '' }: SMTPError): Met {
  return replyText(phase, response)
}

function replyText(phase: Phase, text: string): Met {
  return { kind: 'reply', phase, code: Number(/^\d{3}(?=[ \n-]|$)/.exec(text)?.[0] ?? 0), text }
}

function trouble(phase: Phase, error: Error): Met {
  return { kind: 'trouble', phase, text: error.message }
}

function isPositive(met: Met): boolean {
  return met.kind === 'reply' && met.code >= 200 && met.code < 300
}

/** A reply after which the session goes on. */
function isOrderlyRefusal(met: Met): boolean {
  if (met.kind === 'too-large') return true
  return met.kind === 'reply' && met.code >= 400 && met.code < 600 && met.code !== 421
}
