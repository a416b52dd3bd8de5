/** What plugins decide about mail before each attempt, and what they are told after it. */
import type { DeliveryPolicy, OutcomeListener, Ruling, SettledRecipient } from '../delivery/policy.ts'
import { GO } from '../delivery/policy.ts'
import { Slots } from '../dns/slots.ts'
import { chosenRoutes, holdReason } from '../hooks/actions.ts'
import type { HookOutcome, HookRefusal, HookRunner } from '../hooks/runner.ts'
import type { Teller } from '../hooks/teller.ts'
import { formatDestination, parseDestination } from '../mail/destination.ts'
import type { DeliverEvent, OutcomeTold } from '../mail/hook-events.ts'
import type { Client } from '../mail/session.ts'
import type { Clock } from '../observe/clock.ts'
import { type DecisionRecords, SessionRecord } from '../observe/decision-record.ts'
import type { Log } from '../observe/log.ts'
import type { Delivery, OwedRecipient } from '../queue/queue-store.ts'
import { chooseRoutes } from '../smtp/routes.ts'

export interface PolicyParts {
  /** In force now: another one after a reload. */
  readonly hooks: () => Pick<HookRunner, 'ask' | 'hasSubscribers'>
  readonly records: DecisionRecords
  readonly clock: Clock
  readonly log: Log
}

/** Questions at once: of what the plughost takes, most is for clients, who wait. */
const MAX_ASKED = 256
/** Changes of the route in the life of a recipient: what sends mail in circles has an end. */
export const MAX_REROUTES = 4
/** Nobody: what is not, or no longer, known to have come in a session. */
const NO_CLIENT: Client = Object.freeze({ address: '', port: 0, network: '' })
const NEVER = new AbortController().signal

/** Asks the hook `deliver`. */
export class GatewayPolicy implements DeliveryPolicy {
  readonly #parts: PolicyParts
  readonly #slots = new Slots(MAX_ASKED)

  constructor(parts: PolicyParts) {
    this.#parts = parts
  }

  isAsked(): boolean {
    return this.#parts.hooks().hasSubscribers('deliver')
  }

  async decide(delivery: Delivery): Promise<Ruling> {
    await this.#slots.take(NEVER)
    try {
      const record = this.#recordOf(delivery.message)
      const { hooks, clock } = this.#parts
      const outcome = await hooks().ask('deliver', deliverEvent(delivery, clock.now()), null, record)
      return this.#rulingOf(delivery, outcome, record)
    } finally {
      this.#slots.give()
    }
  }

  /** Opened anew after a restart: a reference in a notice has to be found. */
  #recordOf(queueId: string): SessionRecord {
    const { records } = this.#parts
    const known = records.recordOf(queueId)
    if (known !== null) return known
    const record = records.open(queueId, NO_CLIENT)
    record.knownAs(queueId)
    return record
  }

  /** The safer one counts: a hold before a refusal, a refusal before a changed route. */
  #rulingOf(delivery: Delivery, { refusal, actions }: HookOutcome, record: SessionRecord): Ruling {
    const reasons = new Map<string, string>()
    for (const { address, isReleased } of delivery.recipients) {
      const reason = holdReason(actions, address)
      if (reason === null) continue
      if (isReleased) record.step('hold-ignored', { address, reason, because: 'an operator released it' })
      else reasons.set(address, reason)
    }
    if (reasons.size > 0) return { kind: 'hold', reasons }
    if (refusal !== null) return refusalRuling(refusal)
    return this.#routing(delivery, actions, record)
  }

  #routing(delivery: Delivery, actions: HookOutcome['actions'], record: SessionRecord): Ruling {
    const { message, route: current, recipients } = delivery
    const choices = chosenRoutes(actions)
    if (choices.length === 0) return GO
    const domain = { name: '', ours: false }
    const asked = recipients.map(({ address }) => ({ address, domain, route: current }))
    const { routed, ignored } = chooseRoutes(asked, choices)
    for (const { plugin, destination, recipient } of ignored)
      this.#parts.log.warn('route-ignored', { session: record.id, message, plugin, destination, recipient })
    const routes = new Map<string, string>()
    for (const [index, recipient] of recipients.entries()) {
      const route = canonical(routed[index]?.route ?? current)
      if (route === canonical(current)) continue
      const because = whyKept(recipient)
      if (because === null) routes.set(recipient.address, route)
      else record.step('route-kept', { recipient: recipient.address, destination: route, because })
    }
    if (routes.size === 0) return GO
    const plugins = [...new Set(choices.map(({ plugin }) => plugin))].join(', ')
    return { kind: 'reroute', routes, reason: `${plugins}: another route instead of ${current}` }
  }
}

/** Tells the hook `tell` what became of mail: an event for each kind of end. */
export function tellOutcomes(
  teller: Pick<Teller, 'tell' | 'isHeard'>,
  records: DecisionRecords,
  clock: Clock,
): OutcomeListener {
  return {
    settled: ({ delivery, remote, recipients }) => {
      if (!teller.isHeard) return
      const { message, fence, origin, reversePath, route } = delivery
      const record = records.recordOf(message) ?? new SessionRecord(records, message, NO_CLIENT, clock.now())
      const about = { queueId: message, origin, reversePath, route, remote, attempt: `${message}/${fence}` }
      const told = recipients.filter(({ result }) => result !== 'deferred' || remote !== null)
      for (const [first, ...others] of Map.groupBy(told, endOf).values()) {
        const type = first === undefined ? null : typeOf(first)
        if (first === undefined || type === null) continue
        const ended = [first, ...others].map(({ address, detail }) => ({ address, detail }))
        teller.tell({ type, ...about, recipients: ended, expired: first.expired }, record)
      }
    },
  }
}

function endOf({ result, expired }: SettledRecipient): string {
  return `${result} ${expired}`
}

/** null: a changed route is no end. */
function typeOf({ result }: SettledRecipient): OutcomeTold['type'] | null {
  return result === 'rerouted' ? null : result
}

function deliverEvent(delivery: Delivery, now: number): DeliverEvent {
  const { message: queueId, origin, reversePath, recipients, route, sizeBytes, acceptedAt } = delivery
  return {
    queueId,
    origin,
    reversePath,
    recipients: recipients.map(({ address, attempts }) => ({ address, attempts })),
    route,
    message: { sizeBytes },
    attempt: 1 + Math.max(...recipients.map(({ attempts }) => attempts)),
    ageSeconds: Math.max(0, Math.round((now - acceptedAt) / 1000)),
  }
}

function refusalRuling({ plugin, status, text, reference, waitSeconds }: HookRefusal): Ruling {
  const met = { kind: 'policy', status, text: `${text} (${reference})`, plugin } as const
  if (status.startsWith('5')) return { kind: 'bounce', met }
  return { kind: 'wait', met, waitMs: waitSeconds === undefined ? null : waitSeconds * 1000 }
}

function whyKept({ isRerouted, reroutes }: OwedRecipient): string | null {
  if (isRerouted) return 'the route was changed already, and this one has not been tried'
  return reroutes >= MAX_REROUTES ? `the route was changed ${reroutes} times already` : null
}

/** Equal destinations as equal texts. */
function canonical(route: string): string {
  const destination = parseDestination(route)
  return typeof destination === 'string' ? route : formatDestination(destination)
}
