/** What each hook tells a plugin: plain data, a snapshot of the moment it was asked. */
import type { Content, HeaderField } from './message.ts'
import type { Origin, Session, Transaction } from './session.ts'

/** The hooks in the order a message meets them. */
export const HOOK_NAMES = [
  'connect',
  'helo',
  'auth',
  'mail',
  'rcpt',
  'data',
  'queue',
  'deliver',
  'tell',
] as const
export type HookName = (typeof HOOK_NAMES)[number]

/** A client connected; nothing was said yet. */
export interface ConnectEvent {
  readonly session: Session
}

/** HELO or EHLO: `session.hello` is set. */
export interface HeloEvent {
  readonly session: Session
}

/** Mechanisms a client may sign in with (RFC 5802, RFC 4616, RFC 7628; LOGIN and XOAUTH2 have no RFC). */
export const AUTH_METHODS = [
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-256',
  'PLAIN',
  'LOGIN',
  'OAUTHBEARER',
  'XOAUTH2',
] as const
export type AuthMethod = (typeof AUTH_METHODS)[number]

/** AUTH: the client says who it is. Nobody has believed it yet, so `session.identity` is null. */
export interface AuthEvent {
  readonly session: Session
  readonly method: AuthMethod
  /** The name as claimed by the client; '' when it leaves that to its token. */
  readonly identity: string
  /** Of PLAIN and LOGIN. null otherwise, and for plugins without the permission `credentials`. */
  readonly password: string | null
  /** Bearer token of OAUTHBEARER and XOAUTH2. null otherwise, and for plugins without the permission `credentials`. */
  readonly token: string | null
}

/** MAIL FROM: the transaction has a reverse-path and no recipient. */
export interface MailEvent {
  readonly session: Session
  readonly transaction: Transaction
}

/** One RCPT TO. `transaction.recipients` are those accepted before it. */
export interface RcptEvent {
  readonly session: Session
  readonly transaction: Transaction
  /** Forward-path without brackets. */
  readonly recipient: string
  readonly localPart: string
  readonly domain: { readonly name: string; readonly ours: boolean }
}

/** The message is complete; the client waits for the reply to its final dot. */
export interface DataEvent {
  readonly session: Session
  readonly transaction: Transaction
  readonly message: { readonly sizeBytes: number }
}

/** The message is about to be stored: the moment to say where each recipient's copy goes. */
export interface QueueEvent {
  readonly origin: Origin
  readonly reversePath: string
  readonly recipients: readonly QueueRecipient[]
  readonly message: { readonly sizeBytes: number }
}

export interface QueueRecipient {
  readonly address: string
  readonly domain: { readonly name: string; readonly ours: boolean }
  /** Destination by the configuration, null when it names none. */
  readonly route: string | null
}

/** One message is about to leave by one route, for some of its recipients. Nobody waits for a reply. */
export interface DeliverEvent {
  /** Queue id. */
  readonly queueId: string
  readonly origin: Origin
  /** '' is the null reverse-path. */
  readonly reversePath: string
  readonly recipients: readonly DeliverRecipient[]
  /** Destination they leave by: `smtp://…`, `mx:…`, `maildir:…`. */
  readonly route: string
  readonly message: { readonly sizeBytes: number }
  /** Which attempt this would be, from 1, for the recipient that was tried most often. */
  readonly attempt: number
  /** Since it was accepted. */
  readonly ageSeconds: number
}

export interface DeliverRecipient {
  readonly address: string
  /** Attempts made so far. */
  readonly attempts: number
}

/** What became of mail, or of a client: told when nothing can be changed any more. */
export type TellEvent = OutcomeTold | DisconnectTold

/** Recipients of one attempt that came to the same end. */
export interface OutcomeTold {
  readonly type: 'delivered' | 'deferred' | 'bounced' | 'held'
  /** Queue id. */
  readonly queueId: string
  readonly origin: Origin
  /** '' is the null reverse-path. */
  readonly reversePath: string
  readonly recipients: readonly ToldRecipient[]
  readonly route: string
  /** Address and port of the next server, or a path; null: no server was asked. */
  readonly remote: string | null
  /** Names the attempt: the same in every event about it, and in no other's. */
  readonly attempt: string
  /** It is `bounced` or `held` because its time was over, not because somebody refused it. */
  readonly expired: boolean
}

export interface ToldRecipient {
  readonly address: string
  /** What was met: the reply of the next server, or why there was none. */
  readonly detail: string
}

/** A client has gone. */
export interface DisconnectTold {
  readonly type: 'disconnected'
  readonly session: Session
  /** Who ended it, and how: `quit`, `client`, `timeout`, `reply 421` … */
  readonly by: string
  /** Messages accepted. */
  readonly accepted: number
  /** Refusals said. */
  readonly refused: number
  readonly durationMs: number
}

export interface HookEvents {
  readonly connect: ConnectEvent
  readonly helo: HeloEvent
  readonly auth: AuthEvent
  readonly mail: MailEvent
  readonly rcpt: RcptEvent
  readonly data: DataEvent
  readonly queue: QueueEvent
  readonly deliver: DeliverEvent
  readonly tell: TellEvent
}

/** How a plugin's questions about the message are answered: on the asking side, in pieces. */
export interface MessageReader {
  readonly sizeBytes: number
  /** The header block as received, the empty line included. */
  readonly header: Uint8Array
  /** The whole as received, for those who look into it elsewhere. */
  readonly content: Content
  /** Header fields as received, top to bottom. */
  headers(): readonly HeaderField[]
  /** One piece of the message body, undefined behind its end. */
  bodyChunk(index: number): Promise<Uint8Array | undefined>
}

/** Octets of one piece of a body. */
export const BODY_CHUNK_BYTES = 65_536
