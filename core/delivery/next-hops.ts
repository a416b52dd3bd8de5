/**
 * Next hops: who is asked for those that have a name, which addresses mail may go to, and what it takes to sign in where
 * somebody wants to know who we are.
 */
import { createSecureContext, type SecureContext } from 'node:tls'
import { AddressPolicy, type AddressPolicyOptions } from '../dns/address-policy.ts'
import type { Family } from '../dns/host-addresses.ts'
import type { Resolver } from '../dns/resolver.ts'

export interface NextHops {
  readonly resolver: Pick<Resolver, 'mx' | 'a' | 'aaaa'>
  /** Of mail exchangers; 25 unless in a test. */
  readonly port: number
  readonly family: Family
  /** For hosts that an address of a recipient leads to: strangers choose where that is. */
  readonly foundHosts: AddressPolicy
  /** For hosts a route names: inside is where such hosts are. Ourselves we are in either case. */
  readonly namedHosts: AddressPolicy
  /** In [0, 1). */
  readonly random: () => number
  /** Of a route that names a user; null when the configuration has none. */
  readonly passwordOf: (route: string) => string | null
  /** The authorities that vouch for servers which must be who they say. */
  readonly trust: () => SecureContext
}

export interface NextHopsOptions extends AddressPolicyOptions {
  readonly resolver: NextHops['resolver']
  readonly port: number
  readonly family: Family
  readonly random: () => number
  /** By the route as it is stored, which does not carry them. */
  readonly passwords?: Readonly<Record<string, string>>
  /** Made when it is first needed; the authorities that come with Node.js unless told otherwise. */
  readonly trust?: () => SecureContext
}

/** What is not on the Internet and may be a host all the same. */
const INSIDE = [
  '127.0.0.0/8',
  '10.0.0.0/8',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '100.64.0.0/10',
  '169.254.0.0/16',
  '::1/128',
  'fc00::/7',
  'fe80::/10',
]

/** @throws when one of the networks is none */
export function createNextHops(options: NextHopsOptions): NextHops {
  const {
    resolver,
    port,
    family,
    random,
    passwords = {},
    trust = createSecureContext,
    ...addresses
  } = options
  let context: SecureContext | null = null
  const allowedNetworks = [...addresses.allowedNetworks, ...INSIDE]
  return {
    resolver,
    port,
    family,
    foundHosts: new AddressPolicy(addresses),
    namedHosts: new AddressPolicy({ ...addresses, allowedNetworks }),
    random,
    passwordOf: (route) => (Object.hasOwn(passwords, route) ? (passwords[route] ?? null) : null),
    trust: () => (context ??= trust()),
  }
}
