/** Content arriving after 354 or BDAT: checked, counted and spooled while it comes (RFC 5321 §4.1.1.4). */
import type { Content } from '../mail/message.ts'
import { reply } from '../mail/reply.ts'
import type { ClientSession } from './client-session.ts'
import { ContentCheck, type Malformed } from './content-check.ts'
import { type ReplyStep, say } from './dialogue-port.ts'
import { LineEndings } from './line-endings.ts'
import { LineLengths, MAX_TEXT_LINE_BYTES } from './line-lengths.ts'
import type { MailTransaction } from './mail-transaction.ts'
import type { SpoolReceiver } from './ports.ts'
import { refuse } from './refusal.ts'

/** Says what becomes of a complete message. What is not kept by then is forgotten. */
export type Decide = (incoming: IncomingMessage, content: Content) => Promise<ReplyStep>

/** Storing; or waiting for the end to say why nothing was stored; or past it. */
type Flow =
  | { readonly kind: 'storing' }
  | { readonly kind: 'malformed'; readonly what: Malformed }
  | { readonly kind: 'long-line' }
  | { readonly kind: 'too-large' }
  | { readonly kind: 'trouble'; readonly error: unknown }
  /** All of it was there. */
  | { readonly kind: 'deciding' }
  /** Kept or forgotten: nothing of it is ours. */
  | { readonly kind: 'over' }

const CR = 0x0d
const LF = 0x0a
const LINE_FEED = Buffer.from('\n')
const LINE_END = Buffer.from('\r\n')
const STORING: Flow = { kind: 'storing' }
const DECIDING: Flow = { kind: 'deciding' }
const OVER: Flow = { kind: 'over' }

/**
 * The wire has seen CRLF.CRLF and nothing else as the end, so what is refused here is the whole message, not a part of
 * it that the rest of the world would take for commands.
 */
const MALFORMED_TEXT: { readonly [what in Malformed]: string } = {
  'bare-cr': 'Message contains a CR without LF (RFC 5321 section 2.3.8)',
  'bare-lf': 'Message contains an LF without CR (RFC 5321 section 2.3.8)',
  nul: 'Message contains a NUL octet (RFC 5322 section 2.2)',
}

export class IncomingMessage {
  readonly client: ClientSession
  readonly transaction: MailTransaction
  readonly queueId: string
  readonly #spool: SpoolReceiver
  readonly #decide: Decide
  readonly #limitBytes: number
  readonly #check = new ContentCheck()
  /** null: the client's line ends stay as they are. */
  readonly #lineEndings: LineEndings | null
  /** null: they may have any length. */
  readonly #lineLengths: LineLengths | null
  #flow: Flow = STORING
  #sizeBytes = 0
  /** The octet that came last; LF before the first one. */
  #last = LF

  constructor(client: ClientSession, transaction: MailTransaction, decide: Decide) {
    const { settings, normalized } = client.policy
    const { spool, newQueueId } = client.service.parts
    this.client = client
    this.transaction = transaction
    this.queueId = newQueueId()
    this.#spool = spool.receiver(this.queueId, settings.store.inlineBytes)
    this.#decide = decide
    this.#limitBytes = client.limits.messageBytes
    this.#lineEndings = normalized.has(client.facts.client.address) ? new LineEndings() : null
    this.#lineLengths = client.limits.longLines === 'refuse' ? new LineLengths() : null
  }

  /** The final dot was there, and what becomes of the message is being decided. */
  get isDeciding(): boolean {
    return this.#flow === DECIDING
  }

  /** Never throws or rejects: trouble is remembered for the reply to the final dot. */
  write(received: Uint8Array): ReplyStep | Promise<void> | undefined {
    // Before anything looks at it: what is checked, signed and stored is one and the same.
    const piece = this.#lineEndings?.take(received) ?? received
    this.#sizeBytes += piece.byteLength
    // The reply belongs behind the final dot; who sends twice what we take does not hear it (RFC 1870 §6.3).
    if (this.#sizeBytes > 2 * this.#limitBytes) return this.#tooLarge(true)
    if (this.#flow.kind !== 'storing') return undefined
    if (this.#sizeBytes > this.#limitBytes) return this.#drain({ kind: 'too-large' })
    const what = this.#check.take(piece)
    if (what !== null) return this.#drain({ kind: 'malformed', what })
    if (this.#lineLengths?.isPast(piece)) return this.#drain({ kind: 'long-line' })
    this.#last = piece[piece.byteLength - 1] ?? this.#last
    return this.#store(piece)
  }

  /**
   * A chunk of so many octets is complete, and others follow: the reply to it.
   *
   * @throws what the store threw
   */
  pause(octets: number): ReplyStep {
    return this.#refused() ?? say(reply(250, '2.0.0', `${octets} octets received`))
  }

  /**
   * The final dot was there, or the last chunk: the reply to it.
   *
   * @throws what the store or the decision threw; nothing is stored then
   */
  async end(): Promise<ReplyStep> {
    const taken = this.#endLine()
    if (taken instanceof Promise) await taken
    return this.#refused() ?? this.#finish()
  }

  /** Chunks may stop within a line. It is ended here, where it is checked, and not by everybody who sends or keeps it. */
  #endLine(): ReplyStep | Promise<void> | undefined {
    if (this.#flow.kind !== 'storing' || this.#last === LF) return undefined
    return this.write(this.#lineEndings !== null && this.#last === CR ? LINE_FEED : LINE_END)
  }

  /** Why it cannot be accepted, as far as it has come. */
  #refused(): ReplyStep | null {
    switch (this.#flow.kind) {
      case 'storing':
        return null
      case 'malformed':
        return this.#malformed(this.#flow.what)
      case 'long-line':
        return this.#longLine()
      case 'too-large':
        return this.#tooLarge(false)
      case 'trouble':
        throw this.#flow.error
      case 'deciding':
      case 'over':
        throw new Error('the message has ended already')
    }
  }

  /** The content is the queue's now: it stays, whatever happens here. */
  keep(): void {
    this.#flow = OVER
  }

  /** The client is gone. Before the final dot that ends everything; behind it the decision is under way. */
  async abandon(): Promise<void> {
    if (this.#flow.kind === 'storing') await this.#forget()
  }

  async #forget(): Promise<void> {
    this.#flow = OVER
    try {
      await this.#spool.abort()
    } catch (error) {
      this.client.service.parts.log.warn('spool-abort-failed', {
        session: this.client.id,
        message: this.queueId,
        reason: String(error),
      })
    }
  }

  async #finish(): Promise<ReplyStep> {
    this.#flow = DECIDING
    try {
      return await this.#decide(this, await this.#spool.finish())
    } finally {
      if (this.#flow === DECIDING) await this.#forget()
    }
  }

  #store(piece: Uint8Array): Promise<void> | undefined {
    try {
      const written = this.#spool.write(piece)
      return written instanceof Promise ? written.catch((error) => this.#failed(error)) : undefined
    } catch (error) {
      return this.#failed(error)
    }
  }

  #failed(error: unknown): undefined {
    return this.#drain({ kind: 'trouble', error })
  }

  #drain(flow: Flow): undefined {
    void this.#forget()
    this.#flow = flow
  }

  #malformed(what: Malformed): ReplyStep {
    // X.6.0 (RFC 3463): no registered code says "line ends"; the 5.6.11 seen in the wild is nobody's.
    return refuse(this.client, {
      hook: 'data',
      code: 554,
      status: '5.6.0',
      text: MALFORMED_TEXT[what],
      reason: 'CONTENT_MALFORMED',
      facts: { what },
    })
  }

  #longLine(): ReplyStep {
    return refuse(this.client, {
      hook: 'data',
      code: 554,
      status: '5.6.0',
      text: `Message contains a line longer than ${MAX_TEXT_LINE_BYTES} octets (RFC 5321 section 4.5.3.1.6)`,
      reason: 'CONTENT_LINE_LENGTH',
    })
  }

  #tooLarge(closes: boolean): ReplyStep {
    const limit = this.#limitBytes
    const text = `Message larger than ${limit} octets`
    const facts = { received: this.#sizeBytes, limit }
    const reason = 'MESSAGE_SIZE'
    return refuse(this.client, { hook: 'data', code: 552, status: '5.3.4', text, reason, facts, closes })
  }
}
