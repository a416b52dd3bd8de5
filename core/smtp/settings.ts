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
  /** Lines of a message beyond 998 octets (RFC 5321 §4.5.3.1.6); accepted when missing. */
  readonly longLines?: 'accept' | 'refuse'
  /** How long a client that makes mistakes waits for replies; not at all when missing. */
  readonly tarpitMs?: number
  /** Of one client network at one listener; no limits when missing. */
  readonly network?: NetworkLimits | null
  /** Octets a worker may have in memory before it sends clients away. */
  readonly memoryBytes?: number
  /** Content of one message, from 354 to the final dot. */
  readonly contentMs: number
  /** Octets of content a second, over all of it so far, from its second minute on. */
  readonly contentBytesPerSecond: number
}

/** What is counted of a client network, in ten minutes. */
export const NETWORK_KINDS = [
  'connections',
  'messages',
  'recipients',
  'bytes',
  'errors',
  'junk',
  'unknownRecipients',
  'authFailures',
] as const
export type NetworkKind = (typeof NETWORK_KINDS)[number]

export type NetworkLimits = Readonly<Record<NetworkKind, number>>

/** What a listener may have otherwise than the rest. */
export type ListenerLimits = Partial<
  Pick<
    SmtpLimits,
    | 'messageBytes'
    | 'connectionsPerNetwork'
    | 'recipientsPerMessage'
    | 'messagesPerSession'
    | 'errorsPerSession'
    | 'tarpitMs'
    | 'idleMs'
    | 'longLines'
  >
> & { readonly network?: Partial<NetworkLimits> }

/** What is in force at a listener: its own limits, and where it has none those of all. */
export function limitsAt({ limits: own }: { readonly limits?: ListenerLimits }, all: SmtpLimits): SmtpLimits {
  if (own === undefined) return all
  const { network: ownNetwork, ...others } = own
  const { network } = all
  return { ...all, ...others, ...(network ? { network: { ...network, ...ownNetwork } } : {}) }
}
