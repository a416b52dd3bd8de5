/** Tools that reach the world outside of the mail, and what a plugin keeps and counts. Types alone. */

/** What is known of a name; records only where `kind` is `found`. Nobody knows: the promise rejects (`Unavailable`). */
export interface DnsAnswer<Record> {
  /** `no-data`: the name exists without such records. `no-domain`: it does not exist (RFC 8020). */
  readonly kind: 'found' | 'no-data' | 'no-domain'
  /** In the order of the response, at most 100. */
  readonly records: readonly Record[]
  /** How long this holds, in seconds; with records only. */
  readonly ttlSeconds?: number
  /** DNSSEC proved it, says a resolver we believe; with records only. */
  readonly isAuthentic?: boolean
}

/** The gateway's own resolver; permission `dns`. At most 20 questions in one call, answers from its cache are free. */
export interface Dns {
  /** Addresses, texts (one character an octet) or names; of `PTR` the name asked for is an IP address. */
  resolve(type: 'A' | 'AAAA' | 'TXT' | 'PTR', name: string): Promise<DnsAnswer<string>>
  resolve(
    type: 'MX',
    name: string,
  ): Promise<DnsAnswer<{ readonly preference: number; readonly exchange: string }>>
}

export interface HttpOptions {
  /** GET when left out. */
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** A value may be `secret:NAME` or `Bearer secret:NAME`: the secret is put in outside of the sandbox. */
  readonly headers?: Readonly<Record<string, string>>
  /** Text of at most 256 KiB; or `message` of the event `data`, sent as received (`headers.read` and `body.read`). */
  readonly body?: string | { readonly sizeBytes: number }
  /** 1 to the time the plugin has; 5 000 when left out. */
  readonly timeoutMs?: number
}

export interface HttpAnswer {
  /** Any: a 404 is an answer, and so is a redirect, which is not followed. */
  readonly status: number
  /** By name in small letters. */
  readonly headers: Readonly<Record<string, string>>
  /** As UTF-8, at most 1 MiB; secrets of the plugin's in it are masked. */
  readonly body: string
}

/** Requests to the origins of the permission `http` (RFC 9110); no answer in time rejects (`Unavailable`). */
export interface Http {
  /** Only to addresses on the Internet, unless an administrator granted the origin. */
  fetch(url: string, options?: HttpOptions): Promise<HttpAnswer>
}

/** What is sent over TCP. */
export type TcpPiece =
  /** Text, sent as UTF-8. */
  | string
  /** One character an octet, U+0000 to U+00FF. */
  | { readonly octets: string }
  /** `message` of the event `data`, sent as received (`headers.read` and `body.read`). */
  | { readonly sizeBytes: number }
  /** The same in pieces, each behind its length in four octets, a length of 0 at the end: INSTREAM of clamd. */
  | { readonly framed: { readonly sizeBytes: number } }

export interface TcpOptions {
  /** The answer ends before this text of 1 to 64 octets, one character an octet; left out: where the server closes. */
  readonly until?: string
  /** Whether the server is told that nothing follows (half-close); false when left out. */
  readonly end?: boolean
  /** The answer is told as one character an octet instead of UTF-8. */
  readonly octets?: boolean
  /** Octets of the longest answer, `until` included: 1 to 32 768, which is meant when it is left out. */
  readonly maxBytes?: number
  /** 1 to the time the plugin has; 5 000 when left out. */
  readonly timeoutMs?: number
}

/** Services of the permission `tcp` that speak a protocol of their own: one question, one answer, one connection. */
export interface Tcp {
  /**
   * Connects, sends, reads one answer, closes. No connection, no answer in time, one that is cut off or too long rejects
   * (`Unavailable`). Only to addresses on the Internet, unless an administrator granted the target.
   *
   * @param target `host:port` as in the permission, a name in small letters; an IPv6 address in brackets
   * @param sent at most 32 pieces and 65 536 octets beside the message
   * @returns the answer without `until`
   */
  exchange(target: string, sent: TcpPiece | readonly TcpPiece[], options?: TcpOptions): Promise<string>
}

export interface Timer {
  /** Waits; 0 to less than the time the plugin has at this hook. */
  sleep(ms: number): Promise<void>
}

export interface Hash {
  /** SHA-256 of the text's UTF-8, in hexadecimal; at most 65 536 octets. */
  sha256(text: string): Promise<string>
  /** HMAC-SHA-256 (RFC 2104), in hexadecimal. @param key `secret:NAME`, permission `secrets` */
  hmac(key: string, text: string): Promise<string>
}

/** Counters of the plugin's own: `postern_plugin_counts_total` with the labels `plugin`, `name` and `label`. */
export interface PluginMetrics {
  /**
   * @param name 1 to 40 lower-case letters, digits and underscores
   * @param options.label at most 60 characters; each one is a series, a plugin has at most 100
   * @param options.by 1 when left out
   */
  count(name: string, options?: { readonly label?: string; readonly by?: number }): void
}

/** What JSON can say. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [name: string]: Json }

/**
 * What a plugin wants to know again later in the same transaction; at `connect`, `helo` and `auth`, in the same session.
 * Hooks up to `data`. At most 16 KiB of JSON a plugin.
 */
export interface Notes {
  /** The transaction's note, else the session's, undefined without one. @param options.plugin another one's: permission `notes` */
  get(key: string, options?: { readonly plugin?: string }): Promise<Json | undefined>
  /** `null` removes it. @param options.session whether it outlives the transaction */
  set(key: string, value: Json, options?: { readonly session?: boolean }): Promise<void>
}
