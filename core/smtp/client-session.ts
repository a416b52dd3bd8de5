/** One client being served: what the phases know of it and change. */
import type { HookRefusal, TakenAction } from '../hooks/runner.ts'
import type { Client, Hello, ListenerRole, Session } from '../mail/session.ts'
import type { SessionRecord } from '../observe/decision-record.ts'
import { TrustedNetworks } from './client-network.ts'
import { SessionBudget } from './limits.ts'
import type { MailTransaction } from './mail-transaction.ts'
import { NetworkBudget } from './network-budget.ts'
import type { Policy } from './policy.ts'
import type { IncomingMessage } from './receive.ts'
import type { Exchange } from './sasl.ts'
import type { SmtpService } from './service.ts'
import { type ListenerLimits, limitsAt, type SmtpLimits } from './settings.ts'
import type { SecureChannel } from './tls-socket.ts'

/** Where the conversation stands (RFC 5321 §4.1.4). */
export type State =
  /** Greeted; no HELO yet. */
  | { readonly phase: 'greeted' }
  /** HELO given, no transaction open. */
  | { readonly phase: 'ready' }
  /** AUTH given: the next line answers a challenge (RFC 4954 §4). */
  | { readonly phase: 'authenticating'; readonly exchange: Exchange }
  | { readonly phase: 'transaction'; readonly transaction: MailTransaction }
  /** DATA or BDAT given: content arrives, or what becomes of it is being decided. */
  | { readonly phase: 'message'; readonly incoming: IncomingMessage }
  /** The connection is gone. */
  | { readonly phase: 'gone' }

/** What a hook outside a transaction left behind for those that follow. */
export interface Aftermath {
  /** A plugin failed: what the client hears at every MAIL. */
  readonly owed: HookRefusal | null
  /** What plugins want done to every message of the session. */
  readonly actions: readonly TakenAction[]
}

/** The listener a client reached. */
export interface Listener {
  readonly role: ListenerRole
  /** Local address and port, as in `127.0.0.1:25`. */
  readonly address: string
  /** `implicit`: TLS from the first octet on (RFC 8314 §3). `starttls`: when the client asks (RFC 3207). */
  readonly tls: 'implicit' | 'starttls' | 'off'
  /** `request`: clients are asked for a certificate of their own. Missing: they are not. */
  readonly clientCertificates?: 'request' | 'off'
  /** Where it has limits of its own. */
  readonly limits?: ListenerLimits
  /** Networks of proxies: every connection begins with a PROXY header. Missing: there is no proxy. */
  readonly proxy?: readonly string[]
  /** Networks whose XCLIENT is believed; nobody's when missing. */
  readonly xclient?: readonly string[]
  /** Networks whose XFORWARD is taken down; nobody's when missing. */
  readonly xforward?: readonly string[]
}

const NO_AFTERMATH: Aftermath = Object.freeze({ owed: null, actions: Object.freeze([]) })

export class ClientSession {
  readonly service: SmtpService
  readonly record: SessionRecord
  budget: SessionBudget
  /** Who connected, which XCLIENT does not change: its address. */
  readonly peer: string
  /** Shared with every other connection of this client network. */
  network: NetworkBudget
  readonly startedAt: number
  readonly listener: Listener
  state: State = { phase: 'greeted' }
  afterConnect: Aftermath = NO_AFTERMATH
  afterHello: Aftermath = NO_AFTERMATH
  /** What plugins want done to every message sent by this identity. */
  afterAuth: readonly TakenAction[] = NO_AFTERMATH.actions
  /** MAIL commands that opened a transaction. */
  transactions = 0
  accepted = 0
  refused = 0
  /** Credentials offered that nobody believed. */
  wrongCredentials = 0
  #facts: Session
  #binding: SecureChannel['binding'] = () => null
  /** Of the transaction, while there is one. */
  #pinned: Policy | null = null
  #gone: AbortController | null = null

  constructor(service: SmtpService, id: string, client: Client, listener: Listener) {
    const { records, clock } = service.parts
    const trusted = service.policy.trusted.has(client.address)
    const { role, address } = listener
    this.service = service
    this.peer = client.address
    this.listener = listener
    this.record = records.open(id, client)
    this.budget = new SessionBudget(this.limits, trusted)
    this.startedAt = clock.monotonic()
    const unknown = { hello: null, tls: null, identity: null }
    this.#facts = { id, client, role, listener: address, trusted, ...unknown }
    this.network = this.#networkBudget()
  }

  get id(): string {
    return this.#facts.id
  }

  /** What plugins are told. A snapshot: it is replaced, never changed. */
  get facts(): Session {
    return this.#facts
  }

  /** What identifies the TLS connection (RFC 9266); null where nothing does. */
  get channelBinding(): Buffer | null {
    return this.#binding()
  }

  /** What is in force for this client: what its transaction began with, or else what was reloaded last. */
  get policy(): Policy {
    return this.#pinned ?? this.service.policy
  }

  /** Whether who connected is in one of these networks; in none when they are missing. */
  isPeerIn(networks: readonly string[] | undefined): boolean {
    return networks !== undefined && new TrustedNetworks(networks).has(this.peer)
  }

  /** A proxy says who its client really is: from now on it is a new session in all but its id. */
  becomes(client: Client, identity: string | null): void {
    const trusted = this.service.policy.trusted.has(client.address)
    this.#facts = { ...this.#facts, client, trusted, hello: null, identity }
    this.budget = new SessionBudget(this.limits, trusted)
    this.network = this.#networkBudget()
    this.afterConnect = NO_AFTERMATH
    this.afterHello = NO_AFTERMATH
    this.afterAuth = NO_AFTERMATH.actions
    this.wrongCredentials = 0
    this.endTransaction()
  }

  #networkBudget(): NetworkBudget {
    return new NetworkBudget({
      meter: this.service.usage,
      key: `${this.listener.address} ${this.#facts.client.network}`,
      limits: () => (this.#facts.trusted ? null : (this.limits.network ?? null)),
    })
  }

  /** Of this client: what is configured, and where its listener has limits of its own those. */
  get limits(): SmtpLimits {
    const { limits } = this.policy.settings
    return limitsAt(this.listener, limits)
  }

  /** From here to `endTransaction` the policy stays, and its plugins stay loaded. */
  beginTransaction(): Policy {
    this.endTransaction()
    const { policy } = this.service
    policy.hooks.enter()
    this.#pinned = policy
    const trusted = policy.trusted.has(this.#facts.client.address)
    if (trusted !== this.#facts.trusted) this.#facts = { ...this.#facts, trusted }
    return policy
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

  /** Takes over what TLS brings, and forgets what the client said before it (RFC 3207 §4.2). */
  secured({ facts, binding }: SecureChannel): void {
    this.#facts = { ...this.#facts, tls: facts, hello: null, identity: null }
    this.#binding = binding
    this.afterHello = NO_AFTERMATH
    this.afterAuth = NO_AFTERMATH.actions
    this.endTransaction()
  }

  /** From now on the client is who it said. */
  signedIn(identity: string, actions: readonly TakenAction[]): void {
    this.#facts = { ...this.#facts, identity }
    this.afterAuth = actions
  }

  /** What a failed plugin left the client to hear at MAIL. */
  get owed(): HookRefusal | null {
    return this.afterConnect.owed ?? this.afterHello.owed
  }

  /** Whether the connection is gone: an answer would reach nobody, and nothing may be stored. */
  get isGone(): boolean {
    return this.state.phase === 'gone'
  }

  /** Aborted when the connection is gone. */
  goneSignal(): AbortSignal {
    this.#gone ??= new AbortController()
    if (this.isGone) this.#gone.abort()
    return this.#gone.signal
  }

  /** The connection is gone. A message that is being decided on goes on until then, and ends its transaction itself. */
  left(): void {
    const isDeciding = this.state.phase === 'message' && this.state.incoming.isDeciding
    this.state = { phase: 'gone' }
    this.#gone?.abort()
    if (!isDeciding) this.endTransaction()
  }

  /** Back to no transaction, whatever was collected. A connection that is gone stays gone. */
  endTransaction(): void {
    // Only BDAT leaves a message open between commands.
    if (this.state.phase === 'message') void this.state.incoming.abandon()
    this.#pinned?.hooks.leave()
    this.#pinned = null
    if (!this.isGone) this.state = { phase: this.#facts.hello === null ? 'greeted' : 'ready' }
  }
}
