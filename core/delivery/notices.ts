/**
 * Notices: what an attempt means for the one who sent the message (RFC 3461 §5, RFC 3464). Nothing is sent here: a
 * notice is a message that is stored with the settlement it is about, and leaves like any other.
 */
import { type Address, parseUtf8Mailbox } from '../mail/address.ts'
import { buildDsn } from '../mail/dsn.ts'
import { MAX_RETURNED_OCTETS } from '../mail/dsn-original.ts'
import { NO_DSN_ENVELOPE, wantsNotice } from '../mail/dsn-parameters.ts'
import type { OriginalMessage, ReportedRecipient } from '../mail/dsn-report.ts'
import type { StoredContent } from '../mail/message.ts'
import type { Tag } from '../mail/session.ts'
import type { Clock } from '../observe/clock.ts'
import type { Log } from '../observe/log.ts'
import type { Delivery, NewMessage, NewRecipient, OwedRecipient, Settlement } from '../queue/queue-store.ts'
import { readContent } from '../queue/stored-content.ts'
import { lastWordOf, statusOf } from './notice-words.ts'
import { type Met, outcomeOf } from './outcome.ts'

/** A notice that has to go somewhere. */
export interface UnroutedNotice {
  /** Its own queue id. */
  readonly id: string
  /** Queue id of the message it is about. */
  readonly about: string
  /** The reverse-path of that message. */
  readonly to: string
  readonly sizeBytes: number
}

/** What configuration and plugins say about a notice. */
export interface RoutedNotice {
  /** None when it is to be thrown away. */
  readonly recipients: readonly Pick<NewRecipient, 'address' | 'route' | 'hold'>[]
  readonly tags: readonly Tag[]
  /** How long it may take to deliver it; null: as long as any. */
  readonly lifeSeconds: number | null
}

/** Asks where a notice goes; null when there is no route. */
export type RouteNotice = (notice: UnroutedNotice) => Promise<RoutedNotice | null>

export interface NoticesOptions {
  /** Our name, in the notice. */
  readonly hostname: string
  /** Who the notice is from, and whom its reader may ask. */
  readonly postmaster: string
  /** Age at which the sender of mail that still waits is told once, milliseconds. */
  readonly delayNoticeMs: number
  readonly route: RouteNotice
  readonly newId: () => string
  /** Letters and digits nobody can guess, new ones each time. */
  readonly newSeed: () => string
  readonly clock: Clock
  readonly log: Log
}

/** What is to be settled, and where it stands when nobody is told. */
export interface Finished {
  readonly delivery: Delivery
  /** For the first recipients of the delivery, in their order; `held` is what failed for good or expired. */
  readonly settlements: readonly Settlement[]
  /** What each of them met. */
  readonly met: readonly Met[]
  /** Address and port, or path; null: there was no attempt. */
  readonly remote: string | null
  readonly content: () => Promise<StoredContent>
}

/** What is to be settled instead, and what is stored with it. */
export interface Told {
  readonly settlements: readonly Settlement[]
  readonly notices: readonly NewMessage[]
}

/** What one recipient means: nothing to say, given up in silence, or said. */
type Word =
  | { readonly kind: 'nothing' | 'silence' }
  | { readonly kind: 'report'; readonly report: ReportedRecipient }

/** Nobody waits for a notice: it is not worth as many days as the mail (RFC 3461 leaves it to us). */
const NOTICE_LIFE_MS = 86_400_000
const NOTHING: Word = { kind: 'nothing' }
const SILENCE: Word = { kind: 'silence' }

export class Notices {
  readonly #options: NoticesOptions

  constructor(options: NoticesOptions) {
    this.#options = options
  }

  /**
   * One notice for all recipients of an attempt about whom there is something to tell. A recipient that is given up is
   * `bounced` with it, or without one when the sender wants none. What cannot be told stays as it is: held. Never
   * rejects.
   */
  async tell(finished: Finished): Promise<Told> {
    const { settlements } = finished
    const words = settlements.map((settlement, index) => this.#word(finished, settlement, index))
    const reports = words.flatMap((word) => (word.kind === 'report' ? [word.report] : []))
    const [first, ...others] = reports
    const stored = first === undefined ? [] : await this.#notice(finished, [first, ...others])
    const isTold = stored !== null
    return {
      settlements: settlements.map((settlement, index) =>
        toldOf(settlement, words[index] ?? NOTHING, isTold),
      ),
      notices: stored ?? [],
    }
  }

  /** To be called when settlement and notices are stored. */
  stored({ delivery }: Finished, { settlements, notices }: Told): void {
    for (const { id: notice, recipients } of notices) {
      const to = recipients[0]?.address ?? ''
      const concerned = settlements.filter(({ result }) => result !== 'held').map(({ address }) => address)
      this.#options.log.info('notice-queued', {
        message: delivery.message,
        notice,
        to,
        recipients: concerned,
      })
    }
  }

  #word(finished: Finished, settlement: Settlement, index: number): Word {
    const { delivery, met: all } = finished
    const recipient = delivery.recipients[index]
    const met = all[index]
    // RFC 5321 §4.5.5, §6.1: never to the null reverse-path, or two hosts would tell each other for ever.
    if (recipient === undefined || met === undefined || delivery.reversePath === '') return NOTHING
    const facts = this.#facts(finished, recipient, met)
    switch (settlement.result) {
      case 'held': {
        // Our own mistake is for us to mend.
        if (met.kind === 'misrouted') return NOTHING
        if (!wantsNotice(recipient.dsn, 'FAILURE')) return SILENCE
        const expired = outcomeOf(met).result === 'deferred'
        const status = statusOf(met, expired ? 'expired' : 'failed')
        return { kind: 'report', report: { ...facts, action: 'failed', expired, status } }
      }
      case 'deferred': {
        if (!this.#isLate(delivery, recipient, settlement.dueAt)) return NOTHING
        const status = statusOf(met, 'delayed')
        const retryUntil = delivery.expiresAt
        return { kind: 'report', report: { ...facts, action: 'delayed', retryUntil, status } }
      }
      case 'delivered': {
        if (!wantsNotice(recipient.dsn, 'SUCCESS') || /^discard:$/i.test(delivery.route)) return NOTHING
        if (met.kind === 'reply' && met.isDsnPassedOn) return NOTHING
        // What is handed on without DSN parameters is promised by nobody from here on (§5.2.2).
        const action = met.kind === 'kept' ? 'delivered' : 'relayed'
        return { kind: 'report', report: { ...facts, action, status: statusOf(met, 'delivered') } }
      }
      case 'bounced':
      case 'rerouted':
        return NOTHING
    }
  }

  #facts({ remote }: Finished, { address, dsn }: OwedRecipient, met: Met) {
    const lastAttemptAt = remote === null ? null : this.#options.clock.now()
    return { address, orcpt: dsn.orcpt, lastWord: lastWordOf(met, remote), lastAttemptAt }
  }

  #isLate({ acceptedAt }: Delivery, { dsn, isDelayTold }: OwedRecipient, dueAt: number): boolean {
    const { clock, delayNoticeMs } = this.#options
    const now = clock.now()
    // What is tried again at once is not waiting for anything.
    return !isDelayTold && dueAt > now && now - acceptedAt >= delayNoticeMs && wantsNotice(dsn, 'DELAY')
  }

  /** What is to be stored, nothing when it is thrown away; null when it could not be made. */
  async #notice(
    finished: Finished,
    recipients: readonly [ReportedRecipient, ...ReportedRecipient[]],
  ): Promise<readonly NewMessage[] | null> {
    const { message, reversePath } = finished.delivery
    try {
      const to = parseUtf8Mailbox(reversePath)
      if (typeof to === 'string') return this.#impossible(message, `the reverse-path is no address: ${to}`)
      const id = this.#options.newId()
      const bytes = this.#built(finished, to, recipients, await originalOf(await finished.content()))
      const routed = await this.#options.route({
        id,
        about: message,
        to: reversePath,
        sizeBytes: bytes.byteLength,
      })
      if (routed === null) return this.#impossible(message, 'there is no route to the sender')
      return routed.recipients.length === 0 ? [] : [this.#newMessage(finished, id, bytes, routed)]
    } catch (error) {
      // Whatever it was: what became of the mail has to be written down, or it would be sent twice.
      return this.#impossible(
        message,
        error instanceof Error ? (error.stack ?? error.message) : String(error),
      )
    }
  }

  #built(
    { delivery }: Finished,
    to: Address,
    recipients: readonly [ReportedRecipient, ...ReportedRecipient[]],
    original: OriginalMessage,
  ): Uint8Array {
    const { hostname, postmaster, newSeed, clock } = this.#options
    const { message: queueId, acceptedAt: arrivedAt, dsn: envelope } = delivery
    const at = clock.now()
    const seed = newSeed()
    return buildDsn({
      hostname,
      postmaster,
      to,
      at,
      seed,
      queueId,
      arrivedAt,
      envelope,
      recipients,
      original,
    })
  }

  #newMessage(
    { delivery }: Finished,
    id: string,
    bytes: Uint8Array,
    { recipients, tags, lifeSeconds }: RoutedNotice,
  ): NewMessage {
    const now = this.#options.clock.now()
    const isTlsRequired = delivery.origin.needs?.includes('REQUIRETLS') ?? false
    return {
      id,
      acceptedAt: now,
      expiresAt: now + Math.min(NOTICE_LIFE_MS, (lifeSeconds ?? Number.POSITIVE_INFINITY) * 1_000),
      reversePath: '',
      stored: { head: new Uint8Array(0), content: { kind: 'inline', bytes }, contentOffset: 0 },
      // RFC 8689 §5.
      origin: { kind: 'internal', what: 'dsn', tags, ...(isTlsRequired ? { needs: ['REQUIRETLS'] } : {}) },
      dsn: NO_DSN_ENVELOPE,
      // RFC 3461 §6.1: NOTIFY=NEVER.
      recipients: recipients.map((recipient) => ({ ...recipient, dsn: { notify: [], orcpt: null } })),
    }
  }

  #impossible(message: string, reason: string): null {
    this.#options.log.warn('notice-impossible', { message, reason })
    return null
  }
}

function toldOf(settlement: Settlement, word: Word, isTold: boolean): Settlement {
  const { address, result, detail } = settlement
  if (word.kind === 'nothing' || (word.kind === 'report' && !isTold)) return settlement
  if (result === 'deferred') return { ...settlement, isDelayTold: true }
  return result === 'held' ? { address, result: 'bounced', detail } : settlement
}

/** As much of the message as may be sent back. */
async function originalOf(stored: StoredContent): Promise<OriginalMessage> {
  const pieces: Uint8Array[] = []
  let octets = 0
  for await (const piece of readContent(stored)) {
    pieces.push(piece)
    octets += piece.byteLength
    if (octets > MAX_RETURNED_OCTETS) break
  }
  const bytes = Buffer.concat(pieces)
  return { bytes: bytes.subarray(0, MAX_RETURNED_OCTETS), isWhole: octets <= MAX_RETURNED_OCTETS }
}
