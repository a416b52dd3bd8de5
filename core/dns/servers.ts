/** The servers that are asked: recursive resolvers, named by address. */
import { existsSync, readFileSync } from 'node:fs'
import { isIP } from 'node:net'

export interface DnsServer {
  /** An IP address, without brackets. */
  readonly host: string
  readonly port: number
  /**
   * Whether it is believed when it says that an answer is authentic. One on loopback always is: nobody stands between.
   */
  readonly isValidating?: boolean
}

const RESOLV_CONF = '/etc/resolv.conf'
const DNS_PORT = 53
/** As the C library reads them (resolv.conf(5)). */
const MAX_SYSTEM_SERVERS = 3

/**
 * The resolvers of this machine, as they are now.
 *
 * @throws when the file is there and cannot be read
 */
export function systemServers(path: string = RESOLV_CONF): readonly DnsServer[] {
  return parseResolvConf(existsSync(path) ? readFileSync(path, 'utf8') : '')
}

/** Reads the form of resolv.conf(5): `nameserver` lines and the option `trust-ad`. Without a server: 127.0.0.1. */
export function parseResolvConf(text: string): readonly DnsServer[] {
  const lines = text.split('\n').map((line) => line.trim().split(/\s+/))
  const hosts = lines.flatMap(([keyword, host = '']) =>
    keyword === 'nameserver' && isIP(host) !== 0 ? [host] : [],
  )
  const isValidating = lines.some(([keyword, ...rest]) => keyword === 'options' && rest.includes('trust-ad'))
  return (hosts.length === 0 ? ['127.0.0.1'] : hosts.slice(0, MAX_SYSTEM_SERVERS)).map((host) => ({
    host,
    port: DNS_PORT,
    isValidating,
  }))
}

/** Whether the server's word counts that DNSSEC proved an answer (RFC 4035 §4.9.3). */
export function isBelieved({ host, isValidating = false }: DnsServer): boolean {
  return isValidating || host === '::1' || host.startsWith('127.')
}

/** The server itself. @throws RangeError when its address or port is none */
export function checkedServer(server: DnsServer): DnsServer {
  const { host, port } = server
  if (isIP(host) === 0) throw new RangeError(`a DNS server needs an IP address, not "${host}"`)
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw new RangeError(`${port} is no port`)
  return server
}
