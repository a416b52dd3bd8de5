/** What a lookup came to. Never thrown: trouble is an answer too, and never the same as "there is none" (RFC 2308 §2). */

export type Answer<Data> =
  | Found<Data>
  /** The name exists, but has no records of this type. */
  | { readonly kind: 'no-data' }
  /** The name does not exist (RFC 8020: nor does anything below it). */
  | { readonly kind: 'no-domain' }
  /** Nobody knows: silence, SERVFAIL, REFUSED, a malformed answer, aliases in a loop, a budget used up, given up. */
  | Trouble

export interface Found<Data> {
  readonly kind: 'found'
  /** Not empty, in the order of the response, at most MAX_RECORDS. */
  readonly records: readonly Data[]
  /** How long this may still be used, at least 1. */
  readonly ttlSeconds: number
  /** A server we believe says that DNSSEC proved all of it, aliases included (AD, RFC 4035 §3.2.3). */
  readonly isAuthentic: boolean
}

export interface Trouble {
  readonly kind: 'trouble'
  /** Printable, for the log and for an operator. */
  readonly reason: string
}

export const NO_DATA = Object.freeze({ kind: 'no-data' }) satisfies Answer<never>
export const NO_DOMAIN = Object.freeze({ kind: 'no-domain' }) satisfies Answer<never>

export function trouble(reason: string): Trouble {
  return { kind: 'trouble', reason }
}
