/** What a message needs of the next server, and whether it has it. */
import { isAscii } from '../mail/address.ts'
import type { Outgoing } from './channel.ts'
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

/** Why nothing of this message can go here as it has to (RFC 6531 §3.2, RFC 8689 §4.2.1); null when it can. */
export function unmetNeed(
  { reversePath, needs = [] }: Outgoing,
  extensions: readonly string[],
  isVerified: boolean,
): Met | null {
  if (needs.includes('REQUIRETLS') && !(isVerified && extensions.includes('REQUIRETLS')))
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
