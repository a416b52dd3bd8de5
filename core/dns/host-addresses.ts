/** The addresses of a host, in the order connections are tried (RFC 8305 §4). */
import { type Answer, NO_DOMAIN, type Trouble, trouble } from './answer.ts'
import type { Asking, Resolver } from './resolver.ts'
import { shuffled } from './shuffle.ts'

/** Addresses of one host that are tried; a host may have a hundred. */
export const MAX_ADDRESSES = 10

export interface HostAddress {
  /** IPv4 dotted, IPv6 as in RFC 5952. */
  readonly address: string
  readonly family: 4 | 6
}

/** Which addresses count: what this gateway can reach. */
export type Family = 'both' | 'ipv4' | 'ipv6'

export type HostAddresses =
  | {
      readonly kind: 'addresses'
      /**
       * Not empty, at most MAX_ADDRESSES. The families take turns, IPv6 first, so that one that does not work costs one
       * try; within a family the order is random, so that equal hosts get equal shares.
       */
      readonly addresses: readonly HostAddress[]
      /** DNSSEC proved them, and those of a family that could not be looked up were not needed. */
      readonly isAuthentic: boolean
    }
  /** The host exists and has none of this family. With `both` that is permanent; else it may be ours to mend. */
  | { readonly kind: 'no-address' }
  | { readonly kind: 'no-domain' }
  /** Transient: none was found, and nobody knows whether there is one. */
  | Trouble

export interface HostAddressesOptions extends Asking {
  readonly family: Family
  /** In [0, 1). */
  readonly random: () => number
}

/** Looks up the addresses of a host. Both families at once; one that is in trouble does not spoil the other. */
export async function hostAddresses(
  resolver: Pick<Resolver, 'a' | 'aaaa'>,
  host: string,
  { family, random, ...asking }: HostAddressesOptions,
): Promise<HostAddresses> {
  const [six, four] = await Promise.all([
    family === 'ipv4' ? null : resolver.aaaa(host, asking),
    family === 'ipv6' ? null : resolver.a(host, asking),
  ])
  const addresses = inTurns(shuffled(listed(six, 6), random), shuffled(listed(four, 4), random))
  const answers = [six, four].filter((answer) => answer !== null)
  if (addresses.length > 0) {
    const isAuthentic = answers.every((answer) => answer.kind !== 'found' || answer.isAuthentic)
    return { kind: 'addresses', addresses: addresses.slice(0, MAX_ADDRESSES), isAuthentic }
  }
  for (const answer of answers) if (answer.kind === 'trouble') return trouble(answer.reason)
  return answers.every(({ kind }) => kind === 'no-domain') ? NO_DOMAIN : { kind: 'no-address' }
}

function listed(answer: Answer<string> | null, family: 4 | 6): readonly HostAddress[] {
  return answer?.kind === 'found' ? answer.records.map((address) => ({ address, family })) : []
}

function inTurns<Item>(first: readonly Item[], second: readonly Item[]): readonly Item[] {
  const longest = Math.max(first.length, second.length)
  return Array.from({ length: longest }, (_, i) => [
    ...first.slice(i, i + 1),
    ...second.slice(i, i + 1),
  ]).flat()
}
