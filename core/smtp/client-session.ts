/** One client being served: what the phases know of it and change. */
import type { HookRefusal } from '../hooks/runner.ts'
import type { Client, Hello, ListenerRole, Session } from '../mail/session.ts'
import type { SessionRecord } from '../observe/decision-record.ts'
import { SessionBudget } from './limits.ts'
import type { MailTransaction } from './mail-transaction.ts'
import type { IncomingMessage } from './receive.ts'
import type { SmtpService } from './service.ts'

/** Where the conversation stands (RFC 5321 §4.1.4). */
export type State =
  /** Greeted; no HELO yet. */
  | { readonly phase: 'greeted' }
  /** HELO given, no transaction open. */
  | { readonly phase: 'ready' }
  | { readonly phase: 'transaction'; readonly transaction: MailTransaction }
  /** DATA given: content arrives, or the reply to the final dot is being decided. */
  | { readonly phase: 'message'; readonly incoming: IncomingMessage }
  /** The connection is gone. */
  | { readonly phase: 'gone' }

/** What a hook outside a transaction left behind for those that follow. */
export interface Aftermath {
  /** A plugin failed: what the client hears at every MAIL. */
  readonly owed: HookRefusal | null
  /** Why every message of the session is to be held. */
  readonly holds: readonly string[]
}

/** The listener a client reached. */
export interface Listener {
  readonly role: ListenerRole
  /** Local address and port, as in `127.0.0.1:25`. */
  readonly address: string
}

const NO_AFTERMATH: Aftermath = Object.freeze({ owed: null, holds: Object.freeze([]) })

export class ClientSession {
  readonly service: SmtpService
  readonly record: SessionRecord
  readonly budget: SessionBudget
  readonly startedAt: number
  state: State = { phase: 'greeted' }
  afterConnect: Aftermath = NO_AFTERMATH
  afterHello: Aftermath = NO_AFTERMATH
  /** MAIL commands that opened a transaction. */
  transactions = 0
  accepted = 0
  refused = 0
  #facts: Session

  constructor(service: SmtpService, id: string, client: Client, { role, address }: Listener) {
    const { records, clock, settings } = service.parts
    const trusted = service.trusted.has(client.address)
    this.service = service
    this.record = records.open(id, client)
    this.budget = new SessionBudget(settings.limits, trusted)
    this.startedAt = clock.monotonic()
    this.#facts = { id, client, role, listener: address, trusted, hello: null, identity: null }
  }

  get id(): string {
    return this.#facts.id
  }

  /** What plugins are told. A snapshot: it is replaced, never changed. */
  get facts(): Session {
    return this.#facts
  }

  /** The facts as they will be once this HELO is accepted. */
  factsWith(hello: Hello): Session {
    return { ...this.#facts, hello }
  }

  /** Takes over new facts; an open transaction is gone with the old ones (RFC 5321 §4.1.4). */
  introduced(facts: Session, aftermath: Aftermath): void {
    this.#facts = facts
    this.afterHello = aftermath
    this.endTransaction()
  }

  /** What a failed plugin left the client to hear at MAIL. */
  get owed(): HookRefusal | null {
    return this.afterConnect.owed ?? this.afterHello.owed
  }

  /** Whether the connection is gone: an answer would reach nobody, and nothing may be stored. */
  get isGone(): boolean {
    return this.state.phase === 'gone'
  }

  /** Back to no transaction, whatever was collected. A connection that is gone stays gone. */
  endTransaction(): void {
    if (!this.isGone) this.state = { phase: this.#facts.hello === null ? 'greeted' : 'ready' }
  }
}
