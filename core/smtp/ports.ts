/** What the server role needs of the other rooms, as narrow as it needs it. */
import type { SecureContext } from 'node:tls'
import type { Teller } from '../hooks/teller.ts'
import type { Content } from '../mail/message.ts'
import type { Clock } from '../observe/clock.ts'
import type { DecisionRecords } from '../observe/decision-record.ts'
import type { Log } from '../observe/log.ts'
import type { SecurityLog } from '../observe/security-log.ts'
import type { NewMessage } from '../queue/queue-store.ts'
import type { Concurrency } from '../state/concurrency.ts'
import type { UsageMeter } from '../state/usage.ts'
import type { Load } from './load.ts'
import type { PolicyParts } from './policy.ts'

/** Whoever takes over what we promised a client. */
export interface Accepting {
  /**
   * Stores message and envelope durably: when it resolves, both survive a power cut.
   *
   * @throws StoreFault when it could not; nothing is stored then
   */
  accept(message: NewMessage): Promise<unknown>
}

/** Where content goes while it arrives. */
export interface MessageSpool {
  /** @param inlineBytes content up to this size stays in memory */
  receiver(queueId: string, inlineBytes: number): SpoolReceiver
}

export interface SpoolReceiver {
  /** Takes a piece, which does not change afterwards. Nothing returned: the next one may come at once. */
  write(piece: Uint8Array): Promise<void> | void
  /** Everything is there, and durable where it is in a file. */
  finish(): Promise<Content>
  /** Forgets what was written, finished or not. */
  abort(): Promise<void>
}

export interface FreeSpace {
  /** Whether the volume of the store has less room than is kept in reserve. */
  isShort(): boolean
}

/**
 * Reads octets `index * chunkBytes` up to `(index + 1) * chunkBytes` of a content, at most 256 KiB; undefined or
 * none behind its end.
 */
export type ReadChunk = (
  content: Content,
  index: number,
  chunkBytes: number,
) => Promise<Uint8Array | undefined> | Uint8Array | undefined

/** The certificates clients are shown. */
export interface ServerCertificate {
  /** For a client that names no host: in force now, another one after the files have changed. */
  readonly context: SecureContext
  /** The same for a client that asks for this host (RFC 6066 §3). */
  contextFor(host: string): SecureContext
  /** Whether anybody vouches for clients that show a certificate of their own. */
  readonly verifiesClients: boolean
}

/** What a client offers to be believed. */
export interface OfferedCredentials {
  readonly name: string
  readonly password: string
  /** The network failures are counted by. */
  readonly network: string
  /** Aborted when the client is gone: nobody waits for the answer. */
  readonly signal: AbortSignal
}

/** What came of it. `busy` and `unavailable`: nothing is known of the password, and `reason` is for the log. */
export type Verification =
  | { readonly kind: 'verified'; readonly identity: string }
  | { readonly kind: 'wrong' }
  | { readonly kind: 'busy' | 'unavailable'; readonly reason: string }

/** The file of users. */
export interface Credentials {
  /** Takes its time about a wrong password, so that guessing is slow. */
  verify(offered: OfferedCredentials): Promise<Verification>
  /** Signing in without telling the password; missing: that is not possible. */
  readonly scram?: ScramSignIn
}

/** SCRAM-SHA-256 (RFC 5802, RFC 7677). */
export interface ScramSignIn {
  /** Whether to offer it. */
  readonly isPossible: boolean
  /** Takes the client's first message. */
  begin(message: string, channel: ScramChannel): Promise<ScramBegun>
}

/** The connection below, and which of the two mechanisms was asked for. */
export interface ScramChannel {
  /** SCRAM-SHA-256-PLUS. */
  readonly isBound: boolean
  /** What identifies the TLS connection (RFC 9266); null where nothing does. */
  readonly binding: Buffer | null
}

export type ScramBegun =
  | {
      readonly kind: 'begun'
      /** As claimed by the client. */
      readonly name: string
      readonly serverFirst: string
      /** Takes the client's final message; a string is the reason why it is none. */
      readonly finish: (message: string) => ScramFinished | string
    }
  | { readonly kind: 'malformed'; readonly text: string }
  | { readonly kind: 'foreign' }
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface ScramFinished {
  /** For a client that is verified. */
  readonly serverFinal: string
  /** Takes its time as `Credentials.verify` does. */
  readonly verify: (network: string, signal: AbortSignal) => Promise<Verification>
}

/** Everything the composition root hands in. */
export interface SmtpParts {
  /** In force at the start. */
  readonly policy: PolicyParts
  readonly teller: Pick<Teller, 'tell'>
  readonly records: DecisionRecords
  readonly accepting: Accepting
  readonly spool: MessageSpool
  readonly readChunk: ReadChunk
  readonly freeSpace: FreeSpace
  readonly newQueueId: () => string
  /** Told once of each session that is over, whatever ended it. */
  readonly sessionEnded: (session: string) => void
  /** What counts connections; without it only those of this process count. */
  readonly concurrency?: Concurrency
  /** What counts the usage of client networks; without it only that of this process counts. */
  readonly usage?: UsageMeter
  /** Told of what clients do that nobody does by accident; nobody is without it. */
  readonly security?: Pick<SecurityLog, 'tell'>
  /** Whether there is too much to do; without it there never is. */
  readonly load?: Load
  readonly clock: Clock
  readonly log: Log
}
