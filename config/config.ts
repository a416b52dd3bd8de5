/** The configuration as the program sees it: every default applied, nothing optional. The schema is in schema.ts. */

import type { ListenerRole } from '../core/mail/session.ts'
import type { LogLevel } from '../core/observe/log.ts'

export interface Config {
  /** The file it was read from, absolute; relative paths in it start at its folder. */
  readonly file: string
  readonly hostname: string
  /** Mailbox that answers for us; null: kept in hold as postmaster@hostname. */
  readonly postmaster: string | null
  readonly listeners: readonly ListenerConfig[]
  /** null: no listener offers TLS. */
  readonly tls: TlsConfig | null
  /** File of those who may sign in; null without one. */
  readonly users: string | null
  readonly domains: Readonly<Record<string, DomainConfig>>
  readonly relay: { readonly networks: readonly string[] }
  /** Networks whose clients get bare CR and bare LF made CRLF. */
  readonly lineEndings: { readonly normalize: readonly string[] }
  readonly outbound: OutboundConfig
  /**
   * Passwords of the destinations above that name a user, by their text. They stand here alone: what is stored, logged
   * and shown has the text.
   */
  readonly passwords: Readonly<Record<string, string>>
  readonly dns: {
    /** In the order of asking; empty: those of the system. */
    readonly servers: readonly HostPort[]
  }
  readonly queue: QueueConfig
  readonly limits: LimitsConfig
  readonly store: StoreConfig
  readonly admin: { readonly socket: string; readonly http: HostPort | null }
  readonly plugins: readonly PluginConfig[]
  readonly plughosts: {
    /** Whether one stands by for each that has plugins of the user's. */
    readonly standby: boolean
  }
  readonly lookups: Readonly<Record<string, LookupConfig>>
  /** Values by name, for plugins to use without seeing them. */
  readonly secrets: Readonly<Record<string, string>>
  readonly record: {
    readonly sessions: number
    readonly bytes: number
    readonly activations: ActivationsConfig
  }
  readonly log: {
    readonly level: LogLevel
    /** Absolute; null: there is none. */
    readonly security: string | null
  }
  readonly stopTimeoutMs: number
  /** Processes that receive and deliver mail. */
  readonly workers: number
}

/** Whose activations are written down for `plugin replay`. */
export interface ActivationsConfig {
  /** Names of plugins; empty: nobody's. */
  readonly plugins: readonly string[]
  /** Of the files of one plugin. */
  readonly bytes: number
  /** Whether content of messages is kept with them. */
  readonly bodies: boolean
}

export interface HostPort {
  readonly host: string
  readonly port: number
}

export interface ListenerConfig extends HostPort {
  readonly role: ListenerRole
  /** `implicit`: from the first octet on; `starttls`: when the client asks. */
  readonly tls: 'implicit' | 'starttls' | 'off'
  /** `request`: clients are asked for a certificate of their own, and need not have one. */
  readonly clientCertificates: 'request' | 'off'
  /** Where it has limits of its own. */
  readonly limits?: ListenerLimitsConfig
  /** Networks of proxies: every connection begins with a PROXY header. Missing: there is no proxy. */
  readonly proxy?: readonly string[]
  /** Networks whose XCLIENT is believed. */
  readonly xclient: readonly string[]
  /** Networks whose XFORWARD is taken down. */
  readonly xforward: readonly string[]
}

/** Certificate and key; paths absolute. */
export interface KeyPairConfig {
  readonly certificate: string
  readonly key: string
  /** Place in the configuration file, for messages. */
  readonly place: string
}

/** The certificates clients are shown; paths absolute. */
export interface TlsConfig extends KeyPairConfig {
  /** Made by the gateway itself when it starts: nobody vouches for it. */
  readonly isGenerated: boolean
  /** Others, for clients that ask for a host name of theirs. */
  readonly certificates: readonly KeyPairConfig[]
  /** Authorities that vouch for clients; null: nobody does. */
  readonly clientCa: { readonly file: string; readonly place: string } | null
}

export interface DomainConfig {
  /** As core/mail/destination.ts writes it: paths absolute, no password. */
  readonly deliver: string
}

export interface OutboundConfig {
  /** A destination; `mx`: the mail exchangers of each domain; null: nowhere. */
  readonly route: string | null
  /** Of mail exchangers. */
  readonly port: number
  /** Addresses hosts found by name are reached at. */
  readonly family: 'both' | 'ipv4' | 'ipv6'
  /** Networks that are not on the Internet and have mail exchangers all the same. */
  readonly allowedNetworks: readonly string[]
  /** To other servers at once, all routes together. */
  readonly connections: number
  /** Milliseconds (RFC 5321 §4.5.3.2). */
  readonly timeouts: OutboundTimeouts
  readonly bounceClasses: {
    /** In place of the rules that come with the gateway; null: those. */
    readonly file: string | null
    /** Place in the configuration file, for messages. */
    readonly place: string
  }
  readonly tls: {
    /** File of authorities that are trusted beside the system's; null without one. */
    readonly ca: string | null
    /** Place in the configuration file, for messages. */
    readonly place: string
  }
}

export interface OutboundTimeouts {
  readonly connectMs: number
  readonly greetingMs: number
  readonly commandMs: number
  readonly mailMs: number
  readonly rcptMs: number
  readonly dataMs: number
  readonly blockMs: number
  readonly dotMs: number
  readonly transactionMs: number
}

export interface QueueConfig {
  /** Waits before the second, third, … attempt; the last repeats. */
  readonly retryMs: readonly number[]
  readonly expireMs: number
  /** Age at which the sender of mail that still waits is told. */
  readonly delayNoticeMs: number
  readonly leaseMs: number
}

export interface NetworkLimitsConfig {
  readonly connections: number
  readonly messages: number
  readonly recipients: number
  readonly bytes: number
  readonly errors: number
  readonly junk: number
  readonly unknownRecipients: number
  readonly authFailures: number
}

/** What a listener has otherwise. */
export interface ListenerLimitsConfig {
  readonly messageBytes?: number
  readonly connectionsPerNetwork?: number
  readonly recipientsPerMessage?: number
  readonly messagesPerSession?: number
  readonly errorsPerSession?: number
  readonly tarpitMs?: number
  readonly idleMs?: number
  readonly longLines?: 'accept' | 'refuse'
  readonly network?: Partial<NetworkLimitsConfig>
}

/** Limits of one session or message; `limits: off` sets those that may be switched off to Infinity. */
export interface LimitsConfig {
  readonly messageBytes: number
  readonly recipientsPerMessage: number
  readonly connections: number
  readonly connectionsPerNetwork: number
  readonly messagesPerSession: number
  readonly errorsPerSession: number
  readonly tarpitMs: number
  readonly memoryBytes: number
  /** Calls under way in one plughost beyond which clients are sent away. */
  readonly pluginCalls: number
  readonly pluginAbsenceMs: number
  /** Calls the store has not answered beyond which clients are sent away. */
  readonly storeCalls: number
  readonly storeDelayMs: number
  /** Of one client network at one listener, in ten minutes; null: no limits. */
  readonly network: NetworkLimitsConfig | null
  readonly idleMs: number
  readonly longLines: 'accept' | 'refuse'
  readonly contentMs: number
  readonly contentBytesPerSecond: number
}

export interface StoreConfig {
  readonly kind: 'local'
  readonly directory: string
  /** Bodies up to this size stand in the database, larger ones in a spool file. */
  readonly inlineBytes: number
  /** Free space that must be left on the volume; below it MAIL answers 452. */
  readonly reserveBytes: number
}

export type OnError = 'defer' | 'skip' | 'hold'

export interface PluginConfig {
  /** Shipped plugin (`name:`) or a file of the user's (`path:`). */
  readonly source:
    | { readonly kind: 'bundled'; readonly name: string }
    | { readonly kind: 'file'; readonly path: string }
  readonly config: Readonly<Record<string, unknown>>
  /** Critical permissions granted to a plugin of the user's. */
  readonly grant: Readonly<Record<string, unknown>>
  readonly onError: OnError
  /** `own`: nobody else runs in its process. `shared`: others do, of the gateway's plugins or of the user's, never of both. */
  readonly process: 'own' | 'shared'
  /** Place in the configuration file, for messages. */
  readonly place: string
}

/** A table plugins may ask by name (permission `lookup`). */
export type LookupConfig =
  | { readonly kind: 'list'; readonly entries: readonly string[] }
  | { readonly kind: 'file'; readonly path: string }
