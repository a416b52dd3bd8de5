/** Networks in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3): `10.0.0.0/8`, `2001:db8::/32`, or one address. */
import { isIPv4, isIPv6 } from 'node:net'

export interface Network {
  /** The first address, canonical. */
  readonly address: string
  readonly prefix: number
}

const STARTS_AT = 'the network of that size is '
const WIDEST_IPV4_PREFIX = 8
const WIDEST_IPV6_PREFIX = 16

/** Reads a network; a string is the reason why it is none. */
export function parseNetwork(text: string): Network | string {
  const [address = '', digits, ...more] = text.split('/')
  const isFour = isIPv4(address)
  if (!isFour && (!isIPv6(address) || address.includes('%')))
    return 'the part before "/" is not an IP address'
  const bits = isFour ? 32 : 128
  const prefix =
    digits === undefined ? bits : /^(?:0|[1-9][0-9]{0,2})$/.test(digits) ? Number(digits) : bits + 1
  if (more.length > 0 || prefix > bits) return `the part after "/" is not a number from 0 to ${bits}`
  const value = toNumber(address)
  if (!isFour && value >> 32n === 0xffffn) return 'IPv4 clients are known by their IPv4 address, write that'
  const start = (value >> BigInt(bits - prefix)) << BigInt(bits - prefix)
  if (start !== value) return `${STARTS_AT}${toText(start, isFour)}/${prefix}`
  return { address: toText(value, isFour), prefix }
}

/** The network a reason from above names, for who wrote an address inside it; null for other reasons. */
export function networkMeant(reason: string): string | null {
  return reason.startsWith(STARTS_AT) ? reason.slice(STARTS_AT.length) : null
}

export function formatNetwork({ address, prefix }: Network): string {
  return `${address}/${prefix}`
}

/**
 * Whether so many strangers are in it that trusting it would make an open relay. Nobody owns more than a /8 of
 * IPv4; of IPv6 only the ranges that never leave a site are wider than a /16.
 */
export function isOpenToTheInternet({ address, prefix }: Network): boolean {
  if (!address.includes(':')) return prefix < WIDEST_IPV4_PREFIX
  if (prefix >= WIDEST_IPV6_PREFIX) return false
  const uniqueLocal = prefix >= 7 && /^f[cd]/.test(address)
  const linkLocal = prefix >= 10 && /^fe[89ab]/.test(address)
  return !uniqueLocal && !linkLocal
}

function toNumber(address: string): bigint {
  if (isIPv4(address)) return address.split('.').reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n)
  const [head = '', tail] = withoutDots(address).split('::')
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array<string>(8 - front.length - back.length).fill('0')
  return [...front, ...zeros, ...back].reduce((sum, group) => (sum << 16n) | BigInt(`0x${group}`), 0n)
}

/** The last two groups may be written as an IPv4 address (RFC 4291 §2.2). */
function withoutDots(address: string): string {
  const last = address.slice(address.lastIndexOf(':') + 1)
  if (!isIPv4(last)) return address
  const hex = toNumber(last).toString(16).padStart(8, '0')
  return `${address.slice(0, -last.length)}${hex.slice(0, 4)}:${hex.slice(4)}`
}

function toText(value: bigint, isFour: boolean): string {
  if (isFour) return [24n, 16n, 8n, 0n].map((shift) => (value >> shift) & 0xffn).join('.')
  const groups = value.toString(16).padStart(32, '0').match(/.{4}/g) ?? []
  return canonicalIPv6(groups.join(':'))
}

/** One address, one text: the URL parser writes the form of RFC 5952. */
export function canonicalIPv6(address: string): string {
  return new URL(`http://[${address}]`).hostname.slice(1, -1)
}
