/**
 * The client of one SMTP connection (RFC 5321 §3): handshake, transactions one after the other, replies per recipient.
 * The only file that knows nodemailer; what it reports is decided in outcome.ts.
 */
import { isAscii } from 'node:buffer'
import { connect, isIP, type Socket } from 'node:net'
import { Readable } from 'node:stream'
import type { SMTPConnectionEnvelope, SMTPEnvelope, SMTPError } from 'nodemailer/lib/smtp-connection'
import SMTPConnection from 'nodemailer/lib/smtp-connection'
import { type StoredContent, storedSizeBytes } from '../mail/message.ts'
import { readContent } from '../queue/stored-content.ts'
import type { Channel, Opening, Outgoing } from './channel.ts'
import type { Met, Phase } from './outcome.ts'

/** Milliseconds (RFC 5321 §4.5.3.2). */
export interface ClientTimeouts {
  /** For the TCP connection. */
  readonly connectMs: number
  /** From the connection to the greeting. */
  readonly greetingMs: number
  /** For the replies to EHLO, HELO and RSET. */
  readonly commandMs: number
  /** Without a byte in either direction; the reply to the final dot may take this long. */
  readonly idleMs: number
  /** For a transaction as a whole, so that a remote which trickles gives the connection back one day. */
  readonly transactionMs: number
}

export const CLIENT_TIMEOUTS: ClientTimeouts = Object.freeze({
  connectMs: 30_000,
  greetingMs: 60_000,
  commandMs: 300_000,
  idleMs: 600_000,
  transactionMs: 3_600_000,
})

export interface ClientOptions {
  /** Our name, said with EHLO. */
  readonly hostname: string
  readonly timeouts: ClientTimeouts
}

/** Octets of one reply, all its lines together. */
const MAX_REPLY_BYTES = 65_536
/** How long a remote may take to say goodbye. */
const QUIT_MS = 2_000
/** What cannot stand between the angle brackets of a path here. */
const UNSENDABLE = /[\r\n<>]/

/** Connects and greets. `host` is an IP address; names are for host-opener.ts. */
export async function openSmtp(
  { host, port }: { readonly host: string; readonly port: number },
  options: ClientOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const remote = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
  if (isIP(host) === 0) return { ok: false, remote, met: { kind: 'local', text: `${host} is no IP address` } }
  const socket = await openSocket(host, port, options.timeouts.connectMs, signal)
  if (socket instanceof Error) return { ok: false, remote, met: trouble('connect', socket) }
  return await greetSmtp(socket, remote, options, signal)
}

/** Greets over a connection that stands. `remote` is how it is called in records. */
export async function greetSmtp(
  socket: Socket,
  remote: string,
  options: ClientOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const channel = new SmtpChannel(socket, remote, options)
  const met = await channel.greet(signal)
  return met === null ? { ok: true, channel } : { ok: false, remote, met }
}

/** What an exchange with the remote came to. */
type Exchanged<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: SMTPError }

class SmtpChannel implements Channel {
  readonly remote: string
  readonly #socket: Socket
  readonly #connection: SMTPConnection
  readonly #timeouts: ClientTimeouts
  #isUsable = true
  #carried = 0
  /** Ends the exchange in progress. */
  #end: ((error: SMTPError) => void) | null = null
  /** Why the connection ended, as far as is known. */
  #lastError: SMTPError | null = null

  constructor(socket: Socket, remote: string, { hostname, timeouts }: ClientOptions) {
    this.remote = remote
    this.#socket = socket
    this.#timeouts = timeouts
    this.#connection = new SMTPConnection({
      connection: socket,
      secure: false,
      ignoreTLS: true,
      name: hostname,
      // Counts from here and would cut the greeting short.
      connectionTimeout: 2 * timeouts.greetingMs,
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

  /** Greeting and EHLO; null when the session stands. */
  async greet(signal: AbortSignal): Promise<Met | null> {
    const abort = (): void => this.abort('given up')
    signal.addEventListener('abort', abort, { once: true })
    const { greetingMs, commandMs } = this.#timeouts
    const greeted = await this.#exchange<void>(greetingMs + commandMs, (done) =>
      this.#connection.connect((error) => done(error ?? null)),
    )
    signal.removeEventListener('abort', abort)
    if (greeted.ok) return null
    this.abort('not greeted')
    const { error } = greeted
    const isGreeted = error.response === undefined && this.#connection.lastServerResponse !== false
    const phase = isGreeted || error.command === 'EHLO' || error.command === 'HELO' ? 'hello' : 'connect'
    return error.response === undefined ? trouble(phase, error) : reply(phase, error)
  }

  async carry(outgoing: Outgoing): Promise<readonly Met[] | null> {
    const { reversePath, recipients } = outgoing
    const sendable = UNSENDABLE.test(reversePath)
      ? []
      : recipients.filter((address) => !UNSENDABLE.test(address))
    if (sendable.length === 0) return recipients.map(() => UNSENDABLE_MET)
    const met = await this.#transact(outgoing, sendable)
    return met === null ? null : recipients.map((address) => met.get(address) ?? UNSENDABLE_MET)
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
    }
    this.#connection.lastServerResponse = false
    const sent = await this.#exchange<string>(this.#timeouts.transactionMs, (done) =>
      this.#connection.send(envelope, body, (error, info) => done(error, info?.response ?? '')),
    )
    const answer: Met = sent.ok ? replyText('dot', sent.value) : metOf(sent.error, phase)
    if (!sent.ok) body.destroy()
    if (!sent.ok && isReused && this.#hadLeft(answer, sent.error)) return null
    const refused = refusedBy(answer, envelope.rejectedErrors ?? [])
    if (!sent.ok || !isPositive(answer)) await this.#clear(answer, refused)
    return new Map(to.map((address) => [address, refused.get(address) ?? answer]))
  }

  /** Whether a connection kept for reuse was over: closed without a word, or with 421 instead of a transaction. */
  #hadLeft(answer: Met, { code }: SMTPError): boolean {
    if (answer.kind === 'reply') return answer.phase === 'mail' && answer.code === 421
    return this.#connection.lastServerResponse === false && (code === 'ECONNECTION' || code === 'ESOCKET')
  }

  /** After a transaction without success: ready for another one, or closed. */
  async #clear(answer: Met, refused: ReadonlyMap<string, Met>): Promise<void> {
    const isOrderly = [answer, ...refused.values()].every(isOrderlyRefusal)
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

const UNSENDABLE_MET: Met = Object.freeze({
  kind: 'unsendable',
  text: 'the address has an angle bracket, which SMTP delivery does not carry',
})

/** Connects to an IP address; an Error, returned, says why not. An aborted signal ends the try. */
export function openSocket(
  host: string,
  port: number,
  connectMs: number,
  signal: AbortSignal,
): Promise<Socket | Error> {
  return new Promise((resolve) => {
    const socket = connect({ host, port })
    const giveUp = (): void => void socket.destroy(new Error('given up'))
    const late = setTimeout(
      () => socket.destroy(new Error(`no connection within ${connectMs / 1000} s`)),
      connectMs,
    )
    const finish = (result: Socket | Error): void => {
      clearTimeout(late)
      signal.removeEventListener('abort', giveUp)
      resolve(result)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    // Stays for good, see above.
    socket.on('error', finish)
    socket.once('connect', () => finish(socket))
    if (signal.aborted) giveUp()
  })
}

/** The body as a stream that says when it is first read: the remote has answered DATA by then. */
function bodyStream(stored: StoredContent, onStart: () => void): Readable {
  const { head, content, contentOffset } = stored
  if (content.kind === 'spool')
    return Readable.from(announced(readContent(stored), onStart), { objectMode: false })
  return new Readable({
    read() {
      onStart()
      this.push(Buffer.concat([head, content.bytes.subarray(contentOffset)]))
      this.push(null)
    },
  })
}

async function* announced(
  chunks: AsyncIterable<Uint8Array>,
  onStart: () => void,
): AsyncGenerator<Uint8Array> {
  onStart()
  yield* chunks
}

/** Whether BODY=8BITMIME has to be declared (RFC 6152). A spooled body is not read for it: declaring is allowed. */
function hasHighBytes({ head, content }: StoredContent): boolean {
  return content.kind === 'spool' || !isAscii(content.bytes) || !isAscii(head)
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
