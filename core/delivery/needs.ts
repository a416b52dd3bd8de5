/** What a message needs of the next server, and whether it has it. */
import { isAscii } from '../mail/address.ts'
import type { Need } from '../mail/session.ts'
import type { Outgoing, TlsDemand } from './channel.ts'
import type { Met } from './outcome.ts'

export const UNSENDABLE_MET: Met = Object.freeze({
  kind: 'unsendable',
  text: 'the address has an angle bracket, which SMTP delivery does not carry',
})

const NO_UTF8: Met = Object.freeze({
  kind: 'unsendable',
  status: '5.6.7',
  text: 'the next server does not take addresses or headers beyond US-ASCII (SMTPUTF8)',
})

/**
 * Content is sent as it is or not at all (RFC 6152 §3): a conversion would break every signature over it, and servers
 * without 8BITMIME are rare.
 */
export const NO_8BIT: Met = Object.freeze({
  kind: 'unsendable',
  status: '5.6.3',
  text: 'the next server takes no 8-bit content (8BITMIME), and it is not converted',
})

/** Why nothing of this message can go here as it has to (RFC 6531 §3.2, RFC 8689 §4.2.1); null when it can. */
export function unmetNeed(
  { reversePath, needs = [] }: Outgoing,
  extensions: readonly string[],
  isVerified: boolean,
): Met | null {
  if (demandOf(reversePath, needs) === 'required' && !(isVerified && extensions.includes('REQUIRETLS')))
    return {
      kind: 'unsendable',
      status: '5.7.30',
      text: 'REQUIRETLS support is required, which this way does not have',
    }
  return needs.includes('SMTPUTF8') && !extensions.includes('SMTPUTF8')
    ? NO_UTF8
    : unsaidAddress(reversePath, extensions)
}

/** The same for an address. */
export function unsaidAddress(address: string, extensions: readonly string[]): Met | null {
  return isAscii(address) || extensions.includes('SMTPUTF8') ? null : NO_UTF8
}

/** What mail asks of the way. That of a notice must not lose it (RFC 8689 §5). */
export function demandOf(reversePath: string, needs: readonly Need[]): TlsDemand {
  if (!needs.includes('REQUIRETLS')) return 'none'
  return reversePath === '' ? 'preferred' : 'required'
}
