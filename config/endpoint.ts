/** An address and a port to listen on or to ask: `127.0.0.1:2525`, `[::1]:25`. */
import { isIPv4, isIPv6 } from 'node:net'
import type { HostPort } from './config.ts'
import { canonicalIPv6 } from './network.ts'

/** Reads `host:port`; a string is the reason why it is none. Port 0 lets the system choose. */
export function parseEndpoint(text: string): HostPort | string {
  const match = /^(?:\[([^\]]*)\]|([^[\]]*)):([0-9]{1,5})$/.exec(text)
  if (match === null) return 'it needs the form ADDRESS:PORT'
  const [, literal, bare = '', digits] = match
  const port = Number(digits)
  if (port > 65_535) return 'a port is a number from 0 to 65535'
  if (literal !== undefined) {
    if (!isIPv6(literal) || literal.includes('%')) return 'there is no IPv6 address in the brackets'
    return { host: canonicalIPv6(literal), port }
  }
  if (isIPv6(bare)) return 'an IPv6 address stands in brackets'
  if (bare === 'localhost') return { host: '127.0.0.1', port }
  return isIPv4(bare) ? { host: bare, port } : 'the part before the port is not an IP address'
}

const DNS_PORT = 53

/** The same for a server that is asked: with port 53 when there is none, and an IPv6 address alone needs no brackets. */
export function parseDnsServer(text: string): HostPort | string {
  if (isIPv4(text)) return { host: text, port: DNS_PORT }
  const alone = /^\[([^\]]*)\]$/.exec(text)?.[1] ?? text
  if (isIPv6(alone) && !alone.includes('%')) return { host: canonicalIPv6(alone), port: DNS_PORT }
  if (!/:\d+$/.test(text)) return 'it is no IP address'
  const parsed = parseEndpoint(text)
  return typeof parsed !== 'string' && parsed.port === 0 ? 'a port is a number from 1 to 65535' : parsed
}

export function formatEndpoint({ host, port }: HostPort): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Whether both cannot be listened on at once. */
export function endpointsClash(a: HostPort, b: HostPort): boolean {
  if (a.port !== b.port || a.port === 0) return false
  if (a.host === b.host) return true
  const everyAddress = a.host.includes(':') ? '::' : '0.0.0.0'
  const sameFamily = a.host.includes(':') === b.host.includes(':')
  return sameFamily && (a.host === everyAddress || b.host === everyAddress)
}
