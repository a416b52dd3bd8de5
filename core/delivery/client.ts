/**
 * The client of one SMTP or LMTP connection (RFC 5321 §3, RFC 2033): handshake, TLS, signing in, transactions one after
 * the other, replies per recipient. What it reports is decided in outcome.ts.
 */
import type { Socket } from 'node:net'
import { storedSizeBytes } from '../mail/message.ts'
import { bodyStream, hasHighBytes, isEightBit } from './body-stream.ts'
import type { Channel, ClientTls, Outgoing } from './channel.ts'
import {
  isOrderlyRefusal,
  isPositive,
  metOf,
  refusedBy,
  reply,
  replyText,
  trouble,
  unreadable,
} from './client-met.ts'
import type { ClientTimeouts } from './client-timeouts.ts'
import { envelopeParameters } from './envelope-parameters.ts'
import { demandOf, NO_8BIT, UNSENDABLE_MET, unmetNeed, unsaidAddress } from './needs.ts'
import type { Met, Phase } from './outcome.ts'
import type { Login, Protection } from './protection.ts'
import {
  LmtpConnection,
  type SMTPConnectionOptions,
  type SMTPEnvelope,
  type SMTPError,
  SmtpConnection,
  type Step,
} from './smtp-connection.ts'

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

/** A session with one server. */
export interface SessionOptions extends ClientOptions {
  /** How it is called in records. */
  readonly remote: string
  /** Host name or IP address: asked for by SNI, and what a verified certificate must be for. */
  readonly name: string
  readonly protocol: 'smtp' | 'lmtp'
  readonly protection: Protection
}

/** A channel to a server, which offers something. */
export interface ServerChannel extends Channel {
  /** @param extension keyword of EHLO, as nodemailer knows it */
  offers(extension: string): boolean
}

/** Why there is no session. */
export interface Ungreeted {
  readonly met: Met
  /** What failed was TLS itself: the server may still be one that takes mail in the clear. */
  readonly isTlsFailure: boolean
  /** It may be otherwise the next time: a 4yz, or a connection that broke off. */
  readonly mayPass: boolean
}

/** Greets over a connection that stands, and signs in. */
export async function greet(
  socket: Socket,
  options: SessionOptions,
  signal: AbortSignal,
): Promise<ServerChannel | Ungreeted> {
  const channel = new ClientChannel(socket, options)
  return (await channel.greet(signal)) ?? channel
}

/** What an exchange with the remote came to. */
type Exchanged<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: SMTPError }

class ClientChannel implements ServerChannel {
  readonly remote: string
  readonly #socket: Socket
  readonly #connection: SmtpConnection
  readonly #timeouts: ClientTimeouts
  readonly #protection: Protection
  #isUsable = true
  #tls: ClientTls | null = null
  #carried = 0
  /** Until what is awaited within a transaction has to have come. */
  #stepTimer: NodeJS.Timeout | undefined
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
      socketTimeout: timeouts.transactionMs,
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

  /** As it was when the session began: a connection that has ended does not know any more. */
  get tls(): ClientTls | null {
    return this.#tls
  }

  offers(extension: string): boolean {
    return this.#connection.extensions.includes(extension)
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
    if (!greeted.ok) return this.#ungreeted(greeted.error)
    this.#tls = this.#connection.tls
    return null
  }

  #ungreeted(error: SMTPError): Ungreeted {
    const { code, command, response } = error
    const { upgrading, secure, lastServerResponse } = this.#connection
    const isUpgrade = code === 'ETLS' || upgrading === true
    const mayPass = response === undefined ? BROKEN_OFF.test(error.message) : response.startsWith('4')
    if (this.#protection.kind === 'verified' && isUpgrade)
      return { met: unprotected(error), isTlsFailure: true, mayPass }
    // Some servers agree to TLS and hang up on what comes inside.
    const isTlsFailure = isUpgrade || (this.#protection.kind === 'opportunistic' && secure && !response)
    const isGreeted = response === undefined && lastServerResponse !== false
    const isHello = isGreeted || command === 'EHLO' || command === 'HELO' || command === 'LHLO'
    const phase = isTlsFailure ? 'tls' : isHello ? 'hello' : 'connect'
    const met = response === undefined ? trouble(phase, error) : reply(phase, error)
    return { met, isTlsFailure, mayPass }
  }

  /** By PLAIN or LOGIN, as the server offers (RFC 4954). */
  async #signIn(): Promise<Ungreeted | null> {
    if (this.#protection.kind !== 'verified' || this.#protection.login === null) return null
    const { login } = this.#protection
    const failed = (met: Met): Ungreeted => ({ met, isTlsFailure: false, mayPass: true })
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
    const { recipients } = outgoing
    const { extensions } = this.#connection
    const forAll = await this.#whyNot(outgoing)
    const why = (address: string): Met | null =>
      forAll ?? (UNSENDABLE.test(address) ? UNSENDABLE_MET : unsaidAddress(address, extensions))
    const sendable = recipients.filter((address) => why(address) === null)
    if (sendable.length === 0) return recipients.map((address) => why(address) ?? UNSENDABLE_MET)
    const met = await this.#transact(outgoing, sendable)
    return met === null
      ? null
      : recipients.map((address) => why(address) ?? met.get(address) ?? UNSENDABLE_MET)
  }

  /** Why none of its recipients can have this message here. */
  async #whyNot(outgoing: Outgoing): Promise<Met | null> {
    if (UNSENDABLE.test(outgoing.reversePath)) return UNSENDABLE_MET
    const { extensions } = this.#connection
    const unmet = unmetNeed(outgoing, extensions, this.#protection.kind === 'verified')
    if (unmet !== null || extensions.includes('8BITMIME')) return unmet
    try {
      return (await isEightBit(outgoing.stored)) ? NO_8BIT : null
    } catch (error) {
      return unreadable(error)
    }
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
    const envelope = this.#envelope(outgoing, to)
    const body = bodyStream(outgoing.stored)
    let phase: Phase = 'mail'
    const onStep = (step: Step): void => {
      phase = step === 'block' ? 'dot' : step
      this.#await(step)
    }
    this.#connection.onStep = onStep
    this.#connection.lastServerResponse = false
    const single = this.#connection instanceof LmtpConnection ? this.#connection.replies : NO_REPLIES
    single.clear()
    const sent = await this.#exchange<string>(this.#timeouts.transactionMs, (done) => {
      onStep('mail')
      this.#connection.send(envelope, body, (error, info) => done(error, info?.response ?? ''))
    })
    this.#connection.onStep = () => {}
    clearTimeout(this.#stepTimer)
    const isDsnPassedOn = this.offers('DSN')
    const dot = (text: string): Met => ({
      ...replyText('dot', text),
      ...(isDsnPassedOn ? { isDsnPassedOn } : {}),
    })
    const answer: Met = sent.ok ? dot(sent.value) : metOf(sent.error, phase)
    if (!sent.ok) body.destroy()
    if (!sent.ok && isReused && this.#hadLeft(answer, sent.error)) return null
    const after = Array.from(single, ([address, text]) => [address, dot(text)] as const)
    const said = new Map([...refusedBy(answer, envelope.rejectedErrors ?? []), ...after])
    const isTaken = sent.ok && isPositive(answer) && after.every(([, met]) => isPositive(met))
    if (!isTaken) await this.#clear(answer, said)
    return new Map(to.map((address) => [address, said.get(address) ?? answer]))
  }

  /** The connection books accepted and refused recipients in what it is given. */
  #envelope(outgoing: Outgoing, to: readonly string[]): BookedEnvelope {
    const { reversePath, needs = [], stored } = outgoing
    const { extensions } = this.#connection
    this.#connection.parameters = envelopeParameters(outgoing, extensions)
    return {
      from: reversePath,
      to: [...to],
      size: storedSizeBytes(stored),
      use8BitMime: hasHighBytes(stored),
      requireTLSExtensionEnabled:
        demandOf(reversePath, needs) !== 'none' &&
        this.#protection.kind === 'verified' &&
        extensions.includes('REQUIRETLS'),
    }
  }

  /** Gives the remote the time that RFC 5321 §4.5.3.2 has for it. */
  #await(step: Step): void {
    const ms = this.#timeouts[STEP_TIMEOUTS[step]]
    clearTimeout(this.#stepTimer)
    this.#stepTimer = setTimeout(() => this.abort(`${LATE[step]} within ${ms / 1000} s`), ms)
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

type BookedEnvelope = SMTPEnvelope & { readonly rejectedErrors?: readonly SMTPError[] }

const NO_REPLIES = new Map<string, string>()

const STEP_TIMEOUTS = {
  mail: 'mailMs',
  rcpt: 'rcptMs',
  data: 'dataMs',
  block: 'blockMs',
  dot: 'dotMs',
} as const satisfies Record<Step, keyof ClientTimeouts>

const LATE: Record<Step, string> = {
  mail: 'no reply',
  rcpt: 'no reply',
  data: 'no reply',
  block: 'nothing was read',
  dot: 'no reply',
}

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

/** Of errors within a handshake, those that say nothing about the server. */
const BROKEN_OFF = /ECONNRESET|ETIMEDOUT|EPIPE|closed|disconnected|timed out|given up|not done within/i

/** TLS that the route needs and the server does not give, or not as who it should be. */
function unprotected({ response, message }: SMTPError): Met {
  const why = response === undefined ? message : `the server answers STARTTLS with ${response}`
  return { kind: 'trouble', phase: 'tls', text: `TLS and a certificate to trust are needed: ${why}` }
}

/** What a server says about a password may repeat it. */
function withoutPassword(text: string, { user, password }: Login): string {
  const base64 = (plain: string): string => Buffer.from(plain).toString('base64')
  const forms = [base64(`\0${user}\0${password}`), base64(password), password]
  return forms.reduce((masked, form) => masked.replaceAll(form, '[password]'), text)
}
