/** Attempts: a message goes into a channel, what comes back is settled, and everybody who should know is told. */
import type { StoredContent } from '../mail/message.ts'
import type { Clock } from '../observe/clock.ts'
import type { Log } from '../observe/log.ts'
import type { Queue, RecipientOutcome } from '../queue/queue.ts'
import { type NewMessage, type Settlement, StoreFault } from '../queue/queue-store.ts'
import { readContent } from '../queue/stored-content.ts'
import type { Channel, ClientTls, Outgoing } from './channel.ts'
import type { Finished, Notices, Told } from './notices.ts'
import { type Met, mayMeanTooManyRecipients, type Outcome, outcomeOf } from './outcome.ts'
import type { OutcomeListener, Ruling } from './policy.ts'
import type { Work } from './work.ts'
import type { WorkInHand } from './work-in-hand.ts'

/** Whoever makes of an attempt what the sender is told. */
export type AttemptNotices = Pick<Notices, 'tell' | 'stored'>

/** What one attempt came to, told after it was written down. */
export interface Attempted {
  readonly queueId: string
  readonly route: string
  /** Address and port, or path. */
  readonly remote: string
  /** Of the connection; null in the clear, and without one. */
  readonly tls: ClientTls | null
  readonly recipients: readonly AttemptedRecipient[]
  readonly wallMs: number
}

export interface AttemptedRecipient {
  readonly address: string
  readonly result: Settlement['result']
  readonly detail: string
  /** What kept it from being delivered, in a word; missing when it was, or goes another way. */
  readonly class?: string
}

export interface AttemptObserver {
  attempted(attempt: Attempted): void
}

/** Recipients since the start. */
export interface DeliveryCounters {
  delivered: number
  deferred: number
  held: number
  bounced: number
}

/** Recipients not delivered since the start, by what became of them and by class. */
export type ClassCounts = Record<'deferred' | 'held' | 'bounced', Map<string, number>>

export interface AttemptsOptions {
  readonly queue: Queue
  readonly inHand: WorkInHand
  readonly notices: AttemptNotices
  readonly observer: AttemptObserver
  readonly listener: OutcomeListener
  /** In a word, what kept mail from being delivered. */
  readonly classOf: (met: Met) => string
  readonly log: Log
  readonly clock: Clock
  /** Called when recipients were put off or moved, or a notice was stored, with the earliest moment one is due again, milliseconds since 1970. */
  readonly onDeferred: (dueAt: number) => void
}

/** What was to be settled, and whether it could be. */
interface Written {
  readonly settled: 'settled' | 'lost' | 'unsettled'
  readonly settlements: readonly Settlement[]
}

/** How an attempt ended for the site: `gone` that nothing was said, and the same work may be attempted again at once. */
export type AttemptEnd = 'done' | 'host-trouble' | 'gone'

/** RFC 5321 §4.5.3.1.8: every server takes 100 recipients in one transaction. */
export const MAX_RECIPIENTS = 100

export class Attempts {
  readonly counters: DeliveryCounters = {
    delivered: 0,
    deferred: 0,
    held: 0,
    bounced: 0,
  }
  readonly classes: ClassCounts = { deferred: new Map(), held: new Map(), bounced: new Map() }
  readonly #options: AttemptsOptions

  constructor(options: AttemptsOptions) {
    this.#options = options
  }

  /**
   * One transaction with the first MAX_RECIPIENTS recipients; the store gives the others back as due. Resolves when
   * the settlement is durable, so the next transaction on this channel begins with nothing in doubt.
   */
  async make(work: Work, channel: Channel): Promise<AttemptEnd> {
    const startedAt = this.#options.clock.monotonic()
    const outgoing = await this.#outgoing(work)
    if (outgoing === null) return 'done'
    work.onLost = () => channel.abort('the lease was lost')
    const met = await channel.carry(outgoing)
    work.onLost = null
    if (!work.isLost && met?.some(({ kind }) => kind === 'local')) {
      const damage = await damageOf(outgoing.stored)
      if (damage !== null && (await this.#setAside(work, damage))) return 'done'
    }
    if (work.isAbandoned && (met === null || met.some(({ kind }) => kind === 'trouble')))
      await this.#options.inHand.release([work])
    else if (work.isLost) this.#unsettled(work, 'lost', [])
    else if (met === null) return 'gone'
    else return await this.#settle(work, channel, met, startedAt, 0)
    return 'done'
  }

  /** No channel could be opened for this work: an attempt too, the next one not before `notBefore`. */
  async unreachable(
    work: Work,
    remote: string,
    met: Met,
    startedAt: number,
    notBefore: number,
  ): Promise<void> {
    const recipients = work.delivery.recipients.map(() => met)
    await this.#settle(work, { remote, tls: null }, recipients, startedAt, notBefore)
  }

  /** Puts work off that was not attempted; does not count. The next attempt is not before `notBefore`. */
  async postpone(work: Work, why: Met, notBefore: number): Promise<void> {
    const { queue } = this.#options
    const detail = why.text
    const outcomes = work.delivery.recipients.map(
      ({ address }): RecipientOutcome => ({ address, kind: 'deferred', detail, counted: false }),
    )
    const settlements = queue
      .settlements(work.delivery, outcomes)
      .map((settlement) => notSooner(settlement, notBefore))
    const met = outcomes.map(() => why)
    const { settled } = await this.#writeDown(work, settlements, met, null)
    if (settled !== 'settled') this.#unsettled(work, settled, [])
  }

  /** Carries out what was decided about work before its attempt; does not count. */
  async ruled(work: Work, ruling: Exclude<Ruling, { kind: 'go' }>): Promise<void> {
    const { delivery } = work
    const written =
      ruling.kind === 'wait' || ruling.kind === 'bounce'
        ? await this.#refuse(work, ruling)
        : await this.#store(work, movesOf(ruling, this.#options.clock.now()), [], [], null)
    const { settled, settlements } = written
    if (settled !== 'settled') return this.#unsettled(work, settled, settlements)
    const { message, route } = delivery
    const met = 'met' in ruling ? ruling.met : undefined
    const recipients = settlements.map((settlement) => this.#classed(settlement, met))
    this.#count(recipients)
    this.#options.log.info('delivery-ruled', { message, route, ruling: ruling.kind, recipients })
  }

  /** The same for every recipient, and the sender is told what there is to tell. */
  #refuse(work: Work, ruling: Extract<Ruling, { kind: 'wait' | 'bounce' }>): Promise<Written> {
    const { queue, clock } = this.#options
    const { recipients, expiresAt } = work.delivery
    const { detail } = outcomeOf(ruling.met)
    const outcomes = recipients.map(({ address }): RecipientOutcome => {
      if (ruling.kind === 'bounce') return { address, kind: 'failed', detail }
      return { address, kind: 'deferred', detail, counted: false }
    })
    const waitMs = ruling.kind === 'wait' ? ruling.waitMs : null
    const dueAt = waitMs === null ? null : Math.min(clock.now() + waitMs, expiresAt)
    const settlements = queue
      .settlements(work.delivery, outcomes)
      .map((settlement) =>
        settlement.result === 'deferred' && dueAt !== null ? { ...settlement, dueAt } : settlement,
      )
    const met = outcomes.map(() => ruling.met)
    return this.#writeDown(work, settlements, met, null)
  }

  /** A bug of ours ended the attempt: it is put off, the rest goes on. */
  async broken(work: Work, error: unknown): Promise<void> {
    const { message, route } = work.delivery
    this.#options.log.error('delivery-bug', { message, route, stack: stackOf(error) })
    try {
      await this.postpone(work, { kind: 'local', text: 'an error of our own ended the attempt' }, 0)
    } catch (again) {
      // Its lease ends by itself.
      this.#options.inHand.drop(work)
      this.#options.log.error('delivery-bug', { message, route, stack: stackOf(again) })
    }
  }

  /** Null when the content could not be had: the work is put off then, and that is our own trouble. */
  async #outgoing(work: Work): Promise<Outgoing | null> {
    const { message, reversePath, recipients, origin, dsn: envelope } = work.delivery
    const { needs = [] } = origin
    try {
      const stored = await this.#options.inHand.content(work)
      const now = recipients.slice(0, MAX_RECIPIENTS)
      const addresses = now.map(({ address }) => address)
      const dsn = { envelope, recipients: new Map(now.map((one) => [one.address, one.dsn])) }
      return { queueId: message, reversePath, recipients: addresses, stored, needs, dsn }
    } catch (error) {
      this.#options.log.error('delivery-content-failed', { message, reason: String(error) })
      if (isDamage(error) && (await this.#setAside(work, error.message))) return null
      await this.postpone(work, { kind: 'local', text: 'the stored message cannot be read' }, 0)
      return null
    }
  }

  /** Trying again would meet the same: whoever is still owed it is held. False when the store could not do it. */
  async #setAside(work: Work, damage: string): Promise<boolean> {
    const { queue, inHand } = this.#options
    try {
      this.counters.held += await queue.store.setAside(work.delivery.message, `damaged: ${damage}`)
    } catch (error) {
      if (error instanceof StoreFault) return false
      throw error
    }
    inHand.drop(work)
    return true
  }

  async #settle(
    work: Work,
    { remote, tls }: Pick<Channel, 'remote' | 'tls'>,
    met: readonly Met[],
    startedAt: number,
    notBefore: number,
  ): Promise<AttemptEnd> {
    const outcomes = met.map(outcomeOf)
    const before = this.#settlements(work, met, outcomes, notBefore)
    const wallMs = Math.round(this.#options.clock.monotonic() - startedAt)
    const { settled, settlements } = await this.#writeDown(work, before, met, remote)
    if (settled === 'settled') this.#tell(work, { remote, tls, wallMs }, settlements, met)
    else this.#unsettled(work, settled, settlements)
    return outcomes.some(({ level }) => level === 'host') ? 'host-trouble' : 'done'
  }

  /** Settles, and stores with it what the sender is told (protocol of the store: both or neither). */
  async #writeDown(
    work: Work,
    settlements: readonly Settlement[],
    met: readonly Met[],
    remote: string | null,
  ): Promise<Written> {
    const { inHand, notices, clock, onDeferred } = this.#options
    const content = (): Promise<StoredContent> => inHand.content(work)
    const finished: Finished = { delivery: work.delivery, settlements, met, remote, content }
    const told: Told = await notices.tell(finished)
    const written = await this.#store(work, told.settlements, told.notices, met, remote)
    if (written.settled === 'settled') {
      notices.stored(finished, told)
      if (told.notices.length > 0) onDeferred(clock.now())
    }
    return written
  }

  /** @param met what each of them met, nothing when nobody asked anybody */
  async #store(
    work: Work,
    settlements: readonly Settlement[],
    notices: readonly NewMessage[],
    met: readonly Met[],
    remote: string | null,
  ): Promise<Written> {
    const { inHand, listener } = this.#options
    const settled = await inHand.settle(work, settlements, notices)
    if (settled === 'settled') {
      this.#announceDue(work, settlements)
      const recipients = settlements.map((settlement, index) => ({
        ...told(settlement),
        expired: isOver(settlement, met[index]),
      }))
      listener.settled({ delivery: work.delivery, remote, recipients })
    }
    return { settled, settlements }
  }

  #settlements(
    { delivery }: Work,
    met: readonly Met[],
    outcomes: readonly Outcome[],
    notBefore: number,
  ): readonly Settlement[] {
    const { queue, clock } = this.#options
    const now = clock.now()
    // Each such round delivers to somebody, so the rounds come to an end.
    const isSomeoneThrough = outcomes.some(({ result }) => result === 'delivered')
    const isAtOnce = met.map((what) => isSomeoneThrough && mayMeanTooManyRecipients(what))
    const settled = outcomes.map(({ level, result, detail }, index): RecipientOutcome => {
      const address = delivery.recipients[index]?.address ?? ''
      const counted = level !== 'local' && isAtOnce[index] !== true
      return result === 'deferred'
        ? { address, kind: result, detail, counted }
        : { address, kind: result, detail }
    })
    return queue.settlements(delivery, settled).map((settlement, index) => {
      if (settlement.result === 'deferred' && isAtOnce[index] === true) return { ...settlement, dueAt: now }
      return notSooner(settlement, notBefore)
    })
  }

  #tell(
    work: Work,
    how: Pick<Attempted, 'remote' | 'tls' | 'wallMs'>,
    settlements: readonly Settlement[],
    met: readonly Met[],
  ): void {
    const { message, route } = work.delivery
    const recipients = settlements.map((settlement, index) => this.#classed(settlement, met[index]))
    this.#count(recipients)
    this.#options.log.info('delivery-attempt', { message, route, ...how, recipients })
    this.#options.observer.attempted({ queueId: message, route, ...how, recipients })
  }

  /** @param met undefined: a plugin's word */
  #classed(settlement: Settlement, met: Met | undefined): AttemptedRecipient {
    if (settlement.result === 'delivered' || settlement.result === 'rerouted') return told(settlement)
    return { ...told(settlement), class: met === undefined ? 'plugin' : this.#options.classOf(met) }
  }

  #count(recipients: readonly AttemptedRecipient[]): void {
    for (const { result, class: name = '' } of recipients) {
      if (result === 'rerouted') continue
      this.counters[result] += 1
      if (result === 'delivered') continue
      const counts = this.classes[result]
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }

  #announceDue({ delivery }: Work, settlements: readonly Settlement[]): void {
    let dueAt = settlements.length < delivery.recipients.length ? 0 : Infinity
    for (const settlement of settlements) {
      if ('dueAt' in settlement) dueAt = Math.min(dueAt, settlement.dueAt)
    }
    if (dueAt < Infinity) this.#options.onDeferred(dueAt)
  }

  /** Whoever has the work next settles it; what was met here may come about twice. */
  #unsettled(work: Work, why: 'lost' | 'unsettled', settlements: readonly Settlement[]): void {
    const { inHand, log } = this.#options
    inHand.drop(work)
    const { message, route, fence } = work.delivery
    const recipients = settlements.map(told)
    log.warn(why === 'lost' ? 'delivery-lease-lost' : 'delivery-unsettled', {
      message,
      route,
      fence,
      recipients,
    })
  }
}

/** What is stored for recipients that are held, or go another way. */
function movesOf(ruling: Extract<Ruling, { kind: 'hold' | 'reroute' }>, now: number): Settlement[] {
  if (ruling.kind === 'hold')
    return Array.from(ruling.reasons, ([address, detail]): Settlement => {
      return { address, result: 'held', detail, counted: false }
    })
  const { reason: detail } = ruling
  return Array.from(ruling.routes, ([address, route]): Settlement => {
    return { address, result: 'rerouted', detail, route, dueAt: now }
  })
}

/** Whether a recipient that was only put off is given up, because its time is over. */
function isOver({ result }: Settlement, met: Met | undefined): boolean {
  return (
    (result === 'held' || result === 'bounced') && met !== undefined && outcomeOf(met).result === 'deferred'
  )
}

function told({ address, result, detail }: Settlement): AttemptedRecipient {
  return { address, result, detail }
}

function notSooner(settlement: Settlement, notBefore: number): Settlement {
  if (settlement.result !== 'deferred' || settlement.dueAt >= notBefore) return settlement
  return { ...settlement, dueAt: notBefore }
}

function isDamage(error: unknown): error is StoreFault {
  return error instanceof StoreFault && error.code === 'damaged'
}

/** What is wrong with a content that could not be sent; null when it can be read, or not read just now. */
async function damageOf(stored: StoredContent): Promise<string | null> {
  try {
    for await (const piece of readContent(stored)) void piece
    return null
  } catch (error) {
    return isDamage(error) ? error.message : null
  }
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}
