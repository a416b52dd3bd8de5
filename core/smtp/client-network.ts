/** The client as a network address: one way to write each, and the network everything is counted by. */
import { BlockList, SocketAddress } from 'node:net'
import type { Client } from '../mail/session.ts'

const MAPPED = '::ffff:'

/** Facts of a client. `address` may be IPv4-mapped, in any notation, and may have a zone. */
export function clientOf(address: string, port: number): Client {
  const canonical = canonicalAddress(address)
  return { address: canonical, port, network: networkOf(canonical) }
}

/**
 * One text for one address: IPv4 dotted, IPv6 as in RFC 5952. An IPv4-mapped address is IPv4.
 *
 * @throws when `address` is no IP address
 */
export function canonicalAddress(address: string): string {
  if (!address.includes(':')) return address
  const zone = address.indexOf('%')
  const bare = zone < 0 ? address : address.slice(0, zone)
  const canonical = new SocketAddress({ family: 'ipv6', address: bare }).address
  return canonical.startsWith(MAPPED) && canonical.includes('.') ? canonical.slice(MAPPED.length) : canonical
}

/** The IPv4 address itself, the /64 of an IPv6 address: what one customer has. `address` is canonical. */
function networkOf(address: string): string {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('::')
  const groups = head === '' ? [] : head.split(':')
  if (tail !== undefined) {
    const behind = tail === '' ? [] : tail.split(':')
    while (groups.length + behind.length < 8) groups.push('0')
    groups.push(...behind)
  }
  return `${canonicalAddress(`${groups.slice(0, 4).join(':')}::`)}/64`
}

/** The networks of `relay.networks`: who may send anywhere without authentication. */
export class TrustedNetworks {
  readonly #list = new BlockList()
  readonly #isEmpty: boolean

  /** @param networks addresses, or addresses with a prefix length as in `192.0.2.0/24` */
  constructor(networks: readonly string[]) {
    this.#isEmpty = networks.length === 0
    for (const network of networks) {
      const [address = '', prefix] = network.split('/')
      const family = address.includes(':') ? 'ipv6' : 'ipv4'
      if (prefix === undefined) this.#list.addAddress(address, family)
      else this.#list.addSubnet(address, Number(prefix), family)
    }
  }

  /** @param address canonical */
  has(address: string): boolean {
    return !this.#isEmpty && this.#list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
  }
}
