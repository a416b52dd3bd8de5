/** What a notice says of an attempt: status and last word, as far as they are the sender's business. */
import { BlockList, isIP } from 'node:net'
import type { LastWord } from '../mail/dsn-report.ts'
import { enhancedStatusOf, withClass } from '../mail/enhanced-status.ts'
import type { Met } from './outcome.ts'

/** How it stands with the recipient. */
export type Standing = 'failed' | 'expired' | 'delayed' | 'delivered'

/** The remote's own status where it gave one; else what fits (RFC 3463 §3). */
export function statusOf(met: Met, standing: Standing): string {
  switch (met.kind) {
    case 'reply': {
      const status = enhancedStatusOf(met.code, met.text)
      return standing === 'delayed' ? withClass(status, '4') : status
    }
    case 'trouble':
      if (standing === 'expired') return '4.4.7'
      return met.phase === 'connect' ? '4.4.1' : '4.4.2'
    case 'no-host':
    case 'policy':
      return standing === 'expired' ? '4.4.7' : met.status
    case 'local':
    case 'misrouted':
      return standing === 'expired' ? '4.4.7' : '4.3.0'
    case 'too-large':
      return '5.3.4'
    case 'unsendable':
      return met.status ?? '5.6.0'
    case 'kept':
      return '2.0.0'
  }
}

/**
 * What was heard last. A reply is repeated, for the remote wrote it to be read; what our system says of files, ports
 * and addresses is for the log alone.
 */
export function lastWordOf(met: Met, remote: string | null): LastWord {
  const host = remote === null ? null : hostToTell(remote)
  switch (met.kind) {
    case 'reply':
      return { kind: 'reply', host: host ?? '', text: met.text }
    case 'trouble':
      return { kind: 'own', host, text: met.phase === 'connect' ? UNREACHABLE : BROKEN_OFF }
    case 'no-host':
      return { kind: 'own', host: null, text: noHostInWords(met) }
    case 'local':
    case 'misrouted':
      return { kind: 'own', host: null, text: 'this mail system had trouble of its own' }
    case 'too-large':
      return { kind: 'own', host, text: 'the message is larger than the next server takes' }
    case 'unsendable':
      return { kind: 'own', host, text: met.text }
    case 'policy':
      return { kind: 'own', host: null, text: met.text }
    case 'kept':
      return { kind: 'own', host: null, text: '' }
  }
}

/** Of mail that needs TLS the text names hosts and addresses of ours, where the route does. */
function noHostInWords({ status, text }: Met & { kind: 'no-host' }): string {
  if (status === '5.7.10')
    return 'it needs TLS with a verified certificate (REQUIRETLS), which the next server lacks'
  if (status === '5.7.30') return 'it needs a next server that supports REQUIRETLS, and there is none'
  return status.startsWith('5') ? text : UNREACHABLE
}

const UNREACHABLE = 'the next server could not be reached'
const BROKEN_OFF = 'the connection to the next server broke off'

/** Addresses nobody outside can use; they would only tell how our network is built. */
const INTERNAL = new BlockList()
INTERNAL.addSubnet('10.0.0.0', 8)
INTERNAL.addSubnet('100.64.0.0', 10)
INTERNAL.addSubnet('127.0.0.0', 8)
INTERNAL.addSubnet('169.254.0.0', 16)
INTERNAL.addSubnet('172.16.0.0', 12)
INTERNAL.addSubnet('192.168.0.0', 16)
INTERNAL.addSubnet('::1', 128, 'ipv6')
INTERNAL.addSubnet('fc00::', 7, 'ipv6')
INTERNAL.addSubnet('fe80::', 10, 'ipv6')

/** The public IP address in `address:port`, `[address]:port` or `host[address]:port`; null when there is none. */
function hostToTell(remote: string): string | null {
  const match = /\[([0-9A-Fa-f.:]+)\]:\d+$|^([0-9.]+):\d+$/.exec(remote)
  const address = match?.[1] ?? match?.[2] ?? ''
  const version = isIP(address)
  if (version === 0) return null
  return INTERNAL.check(address, version === 6 ? 'ipv6' : 'ipv4') ? null : address
}
