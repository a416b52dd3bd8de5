/** A channel: the way to one destination while it is open, an SMTP connection or a folder. */
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
}

export interface Channel {
  /** Where it leads: an address and port, a path. */
  readonly remote: string
  /** Whether another transaction may begin. */
  readonly isUsable: boolean
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
export type Opener = (signal: AbortSignal) => Promise<Opening>
