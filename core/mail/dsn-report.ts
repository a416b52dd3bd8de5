/** What a delivery status notification reports: plain data, gathered by whoever has something to tell. */
import type { Address } from './address.ts'
import type { DsnEnvelope, OriginalRecipient } from './dsn-parameters.ts'

/** One notice about one message, to the one who sent it. Times are milliseconds since 1970. */
export interface DsnReport {
  /** Domain name of this gateway. */
  readonly hostname: string
  /** Author of the notice, and whom the sender may ask: `postmaster@mx.example.test`. */
  readonly postmaster: string
  /** The reverse-path of the message. There is no notice to the null reverse-path (RFC 5321 §4.5.5, §6.1). */
  readonly to: Address
  /** When the notice is made. */
  readonly at: number
  /** Letters and digits, unique to this notice and not to be guessed: Message-ID and boundary are made of it. */
  readonly seed: string
  /** By which the sender can ask about the message, and an operator find it. */
  readonly queueId: string
  /** When the message arrived here. */
  readonly arrivedAt: number
  /** DSN parameters of its MAIL. */
  readonly envelope: DsnEnvelope
  readonly recipients: readonly [ReportedRecipient, ...ReportedRecipient[]]
  readonly original: OriginalMessage
}

/** What became of one recipient (RFC 3464 §2.3.3). */
export type ReportedRecipient = RecipientFacts &
  (
    | {
        readonly action: 'failed'
        /** Tried until its time was over, rather than refused for good. */
        readonly expired: boolean
      }
    | { readonly action: 'delayed'; readonly retryUntil: number }
    /** Handed on to a server that does not promise notices itself (RFC 3461 §5.2.2). */
    | { readonly action: 'relayed' }
    | { readonly action: 'delivered' }
  )

export type DsnAction = ReportedRecipient['action']

export interface RecipientFacts {
  /** Forward-path without brackets, as it was tried last. */
  readonly address: string
  /** ORCPT of its RCPT. */
  readonly orcpt: OriginalRecipient | null
  /** Enhanced status code. One that does not fit the action is replaced by the general one. */
  readonly status: string
  readonly lastWord: LastWord
  /** null: there was no attempt. */
  readonly lastAttemptAt: number | null
}

/** What was heard last. Texts may have any length and any character: they are cut and cleaned where they are used. */
export type LastWord =
  /** A server answered. `host` as far as it may be known to the sender; `text` is the whole reply, code included. */
  | { readonly kind: 'reply'; readonly host: string; readonly text: string }
  /** Nobody did, or it is our own decision: a sentence without its full stop, '' when there is nothing to say. */
  | { readonly kind: 'own'; readonly host: string | null; readonly text: string }

/** The message itself, or the first MAX_RETURNED_OCTETS of it, as it would be sent on. */
export interface OriginalMessage {
  readonly bytes: Uint8Array
  /** Nothing follows behind `bytes`. */
  readonly isWhole: boolean
}
