/** Services a plugin may speak to over TCP: `host:port`, without patterns. */
import { isIP, isIPv6 } from 'node:net'

export interface TcpTarget {
  /** A name in small letters, or an address without brackets. */
  readonly host: string
  readonly port: number
}

const TARGET = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?)):([1-9][0-9]{0,4})$/

/** The parts of a target as it is compared: `clamd.example.test:3310`, `10.0.0.1:783`, `[::1]:783`; null when it is none. */
export function tcpTarget(text: unknown): TcpTarget | null {
  const [, literal, name, digits] = typeof text === 'string' ? (TARGET.exec(text) ?? []) : []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) return null
  if (literal !== undefined) return isIPv6(literal) ? { host: literal, port } : null
  // Forms of an IPv4 address that only look like a name: 127.1, 0x7f.1
  if (name === undefined || (isIP(name) === 0 && /(?:^|\.)(?:\d+|0x[0-9a-f]*)$/.test(name))) return null
  return { host: name, port }
}
