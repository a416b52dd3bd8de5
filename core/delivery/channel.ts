/** A channel: the way to one destination while it is open, an SMTP connection or a folder. */
import type { DsnEnvelope, DsnRecipient } from '../mail/dsn-parameters.ts'
import type { StoredContent } from '../mail/message.ts'
import type { Need } from '../mail/session.ts'
import type { Met } from './outcome.ts'

/** One message on its way out to some of its recipients: what becomes one transaction. */
export interface Outgoing {
  readonly queueId: string
  /** '' is the null reverse-path. */
  readonly reversePath: string
  /** Not empty, no address twice. */
  readonly recipients: readonly string[]
  readonly stored: StoredContent
  /** What the destination has to be able to do; nothing when missing. */
  readonly needs?: readonly Need[]
  /** What the sender wants to be told (RFC 3461), for a server that takes it over; nothing when missing. */
  readonly dsn?: OutgoingDsn
}

export interface OutgoingDsn {
  readonly envelope: DsnEnvelope
  /** By recipient. */
  readonly recipients: ReadonlyMap<string, DsnRecipient>
}

/** How a connection of ours is encrypted. */
export interface ClientTls {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string
  /** Name of the cipher suite in the IANA registry. */
  readonly cipher: string
  /** The certificate is for the name of the server, and an authority we trust vouches for it. */
  readonly isVerified: boolean
}

/**
 * What mail asks of the way beyond what the route does: nothing, or REQUIRETLS (RFC 8689), on which a notice does not
 * insist (§5).
 */
export type TlsDemand = 'none' | 'required' | 'preferred'

export interface Channel {
  /** Where it leads: an address and port, a path. */
  readonly remote: string
  /** Whether another transaction may begin. */
  readonly isUsable: boolean
  /** null in the clear, and where there is no connection. */
  readonly tls: ClientTls | null
  /**
   * Carries one message; never two at once. Never rejects for trouble of the remote's or the disk's.
   *
   * @returns what each recipient met, in their order; null when the remote had closed a connection that was kept idle,
   *   so that nothing was said: a fresh channel may carry the same message at once
   */
  carry(outgoing: Outgoing): Promise<readonly Met[] | null>
  /** Takes leave politely; does not wait for it. */
  quit(): void
  /** Ends at once. A message being carried meets trouble. */
  abort(reason: string): void
}

export type Opening =
  | { readonly ok: true; readonly channel: Channel }
  | { readonly ok: false; readonly remote: string; readonly met: Met }

/** Opens a channel of one route. An aborted signal ends the try; it never rejects. */
export type Opener = (signal: AbortSignal, demand: TlsDemand) => Promise<Opening>
