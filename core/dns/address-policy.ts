/**
 * Addresses mail is never sent to because a name of somebody else's says so: what is not on the Internet (RFC 6890) and
 * ourselves. A route that names an address is not asked. Pure.
 */
import { BlockList, isIPv4 } from 'node:net'
import { addressBytes, addressText } from './ip-address.ts'

export interface AddressPolicyOptions {
  /** Where we listen; `0.0.0.0` and `::` stand for every address of this machine. */
  readonly listeners: readonly { readonly address: string; readonly port: number }[]
  /** Addresses of this machine, and those by which others reach it. */
  readonly ownAddresses: readonly string[]
  /** Networks of our own that are next hops all the same: addresses or CIDR. No excuse for sending to ourselves. */
  readonly allowedNetworks: readonly string[]
}

/** What an address may be that is not one of a host on the Internet. Documentation addresses are left to the router. */
const NOT_PUBLIC: readonly (readonly [reason: string, networks: readonly string[]])[] = [
  ['an unspecified address', ['0.0.0.0/8', '::/128']],
  ['a loopback address', ['127.0.0.0/8', '::1/128']],
  ['a private address', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', 'fec0::/10']],
  ['a shared address of a provider', ['100.64.0.0/10']],
  ['a link-local address', ['169.254.0.0/16', 'fe80::/10']],
  // Public by its number, and the inside of a cloud to whoever is in it.
  ["an address of the machine's provider", ['168.63.129.16/32']],
  ['a Teredo address', ['2001::/32']],
  ['a multicast address', ['224.0.0.0/4', 'ff00::/8']],
  ['an address for benchmarks', ['198.18.0.0/15']],
  ['a reserved address', ['192.0.0.0/24', '240.0.0.0/4']],
]

/** Forms that carry an IPv4 address, and the octet it begins at: whoever connects to them may reach that. */
const WRAPPINGS: readonly (readonly [form: string, network: string, at: number])[] = [
  ['IPv4-mapped', '::ffff:0:0/96', 12],
  ['IPv4-translated', '::ffff:0:0:0/96', 12],
  ['NAT64', '64:ff9b::/96', 12],
  ['6to4', '2002::/16', 2],
  ['IPv4-compatible', '::/96', 12],
]

const NOT_PUBLIC_LISTS = NOT_PUBLIC.map(([reason, networks]) => ({ reason, list: listOf(networks) }))
const WRAPPING_LISTS = WRAPPINGS.map(([form, network, at]) => ({ form, at, list: listOf([network]) }))
const GLOBAL_UNICAST = listOf(['2000::/3'])

export class AddressPolicy {
  readonly #listeners: AddressPolicyOptions['listeners']
  readonly #own: ReadonlySet<string>
  readonly #allowed: BlockList

  /** @throws when one of the networks is none */
  constructor({ listeners, ownAddresses, allowedNetworks }: AddressPolicyOptions) {
    this.#listeners = listeners.map(({ address, port }) => ({ address: canonical(address) ?? address, port }))
    this.#own = new Set(ownAddresses.map((address) => canonical(address) ?? address))
    this.#allowed = listOf(allowedNetworks)
  }

  /** Why no mail goes to this address and port, as a phrase: "a private address"; null when it may. */
  whyNot(address: string, port: number): string | null {
    const plain = canonical(address)
    if (plain === null) return 'no address'
    const wrapped = unwrapped(plain)
    const target = wrapped?.address ?? plain
    if (this.#isListener(target, port)) return 'an address of our own'
    if (has(this.#allowed, target) || has(this.#allowed, plain)) return null
    const reason = whyNotPublic(target)
    return reason === null || wrapped === null ? reason : `${reason} in ${wrapped.form} form`
  }

  /** Whether whoever connects there comes back to us. */
  isOurselves(address: string, port: number): boolean {
    const plain = canonical(address)
    return plain !== null && this.#isListener(unwrapped(plain)?.address ?? plain, port)
  }

  #isListener(target: string, port: number): boolean {
    return this.#listeners.some((listener) => {
      if (listener.port !== port) return false
      if (listener.address === target) return true
      const isAny = listener.address === '::' || (listener.address === '0.0.0.0' && isIPv4(target))
      return isAny && (this.#own.has(target) || whyNotPublic(target) === 'a loopback address')
    })
  }
}

function whyNotPublic(address: string): string | null {
  const found = NOT_PUBLIC_LISTS.find(({ list }) => has(list, address))
  if (found !== undefined) return found.reason
  return isIPv4(address) || has(GLOBAL_UNICAST, address) ? null : 'no global unicast address'
}

/** The IPv4 address inside an IPv6 address; null when there is none. `::` and `::1` are what they are. */
function unwrapped(address: string): { readonly form: string; readonly address: string } | null {
  if (isIPv4(address) || address === '::' || address === '::1') return null
  const wrapping = WRAPPING_LISTS.find(({ list }) => has(list, address))
  const bytes = addressBytes(address)
  if (wrapping === undefined || bytes === null) return null
  return { form: wrapping.form, address: addressText(bytes.subarray(wrapping.at, wrapping.at + 4)) }
}

function canonical(address: string): string | null {
  const bytes = addressBytes(address)
  return bytes === null ? null : addressText(bytes)
}

function listOf(networks: readonly string[]): BlockList {
  const list = new BlockList()
  for (const network of networks) {
    const [address = '', prefix] = network.split('/')
    const family = isIPv4(address) ? 'ipv4' : 'ipv6'
    list.addSubnet(address, Number(prefix ?? (family === 'ipv4' ? 32 : 128)), family)
  }
  return list
}

function has(list: BlockList, address: string): boolean {
  return list.check(address, isIPv4(address) ? 'ipv4' : 'ipv6')
}
