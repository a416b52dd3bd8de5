/** What the server role wants to know of the configuration; the whole configuration fits in here. */

export interface SmtpSettings {
  /** Our name in the greeting and in trace fields. */
  readonly hostname: string
  /** Mailbox that answers for us; null: mail for postmaster@hostname is kept in hold. */
  readonly postmaster: string | null
  /** The domains that are ours, and where their mail goes. */
  readonly domains: Readonly<Record<string, { readonly deliver: string }>>
  readonly relay: { readonly networks: readonly string[] }
  readonly lineEndings: {
    /** Networks whose clients get bare CR and bare LF made CRLF; others are refused. */
    readonly normalize: readonly string[]
  }
  readonly outbound: {
    /** A destination; `mx`: the mail exchangers of each domain; null: nowhere. */
    readonly route: string | null
  }
  readonly queue: { readonly expireMs: number }
  readonly limits: SmtpLimits
  readonly store: { readonly inlineBytes: number }
}

/** Infinity where a limit is switched off. */
export interface SmtpLimits {
  readonly messageBytes: number
  readonly recipientsPerMessage: number
  readonly connections: number
  readonly connectionsPerNetwork: number
  readonly messagesPerSession: number
  readonly errorsPerSession: number
  readonly idleMs: number
  /** Content of one message, from 354 to the final dot. */
  readonly contentMs: number
  /** Octets of content a second, over all of it so far, from its second minute on. */
  readonly contentBytesPerSecond: number
}
