/** Facts about one client connection and the transaction in progress, as plain data (RFC 5321 §2.3, §3.3). */

export type ListenerRole = 'mx' | 'submission' | 'lmtp'

export interface Client {
  /** IPv4 dotted, or IPv6 in canonical form; an IPv4-mapped address is IPv4. */
  readonly address: string
  readonly port: number
  /** The client network everything is counted by: the IPv4 address itself, the /64 of an IPv6 address. */
  readonly network: string
}

export interface Hello {
  readonly verb: 'HELO' | 'EHLO' | 'LHLO'
  readonly name: string
}

/** How a connection is encrypted. */
export interface TlsFacts {
  /** `TLSv1.2` or `TLSv1.3`. */
  readonly version: string
  /** Name of the cipher suite in the IANA registry. */
  readonly cipher: string
  /** Host name the client asked for (RFC 6066 §3), in small letters; null when it asked for none or for no host name. */
  readonly servername: string | null
  /** What the client showed of itself; missing when it was not asked, or showed nothing. */
  readonly clientCertificate?: ClientCertificate
}

/** A certificate a client has shown, and whose key it has. Who it is for is its own word unless it is `verified`. */
export interface ClientCertificate {
  /** Distinguished name on one line, as in `O=Example, CN=client.example`; special characters have a backslash. */
  readonly subject: string
  /** The same of whoever signed it. */
  readonly issuer: string
  /** Subject alternative names with their kind, as in `DNS:client.example` or `email:ada@client.example`; at most 50. */
  readonly names: readonly string[]
  /** SHA-256 of the certificate: 64 hexadecimal digits in small letters. */
  readonly fingerprint: string
  /** One of the authorities in `tls.clientCa` vouches for it, for this time and purpose. */
  readonly verified: boolean
  /** Why it is not verified, as OpenSSL names it: `CERT_HAS_EXPIRED`; `NO_AUTHORITIES` without `tls.clientCa`. */
  readonly reason: string | null
}

/** What plugins are told of a session. A snapshot: made anew whenever a fact changes. */
export interface Session {
  /** `s_` and 16 characters. */
  readonly id: string
  readonly client: Client
  readonly role: ListenerRole
  /** Local address and port of the listener the client reached. */
  readonly listener: string
  /** The client is in a network listed under `relay.networks`. */
  readonly trusted: boolean
  readonly hello: Hello | null
  /** null without TLS. */
  readonly tls: TlsFacts | null
  /** Authenticated identity, null without AUTH. */
  readonly identity: string | null
}

/** A fact of a transaction that a plugin has stated. One plugin has one tag of a name. */
export interface Tag {
  readonly plugin: string
  /** 1 to 40 lower-case letters, digits, dots and hyphens. */
  readonly name: string
  /** At most 200 characters; '' when only the name counts. */
  readonly value: string
}

/** Tags of one transaction. */
export const MAX_TAGS = 32

/** The envelope while it is being collected, from MAIL to the final dot. */
export interface Transaction {
  /** Number of this MAIL command within the session, from 1. */
  readonly number: number
  /** Reverse-path without brackets; '' is the null reverse-path. */
  readonly reversePath: string
  /** SIZE as declared with MAIL (RFC 1870), in octets. */
  readonly declaredSize: number | null
  /** Forward-paths accepted so far, in the order given. */
  readonly recipients: readonly string[]
  /** What plugins have stated at earlier hooks, in the order of asking. */
  readonly tags: readonly Tag[]
}

/** What MAIL asks of every server on the way: addresses or header in UTF-8 (RFC 6531), or verified TLS (RFC 8689). */
export const NEEDS = ['SMTPUTF8', 'REQUIRETLS'] as const
export type Need = (typeof NEEDS)[number]

export function isNeed(keyword: string): keyword is Need {
  return NEEDS.some((need) => need === keyword)
}

/** Where a stored transaction came from, frozen at acceptance. */
export type Origin =
  | {
      readonly kind: 'smtp'
      readonly session: string
      readonly client: Client
      readonly hello: Hello | null
      readonly tls: TlsFacts | null
      readonly identity: string | null
      readonly tags: readonly Tag[]
      /** What the next server has to be able to do; nothing when missing. */
      readonly needs?: readonly Need[]
    }
  | {
      readonly kind: 'internal'
      readonly what: string
      readonly tags: readonly Tag[]
      /** Of a notice, REQUIRETLS where the message it is about had it. */
      readonly needs?: readonly Need[]
    }
