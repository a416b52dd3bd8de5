/** Attributes of XCLIENT and XFORWARD (Postfix, XCLIENT_README and XFORWARD_README): `NAME=value`, values as xtext. */
import { isIP } from 'node:net'
import { decodeXtext } from '../mail/dsn-parameters.ts'
import { canonicalAddress } from './client-network.ts'

/** Upper-cased names; null: the proxy does not know. */
export type ClientAttributes = ReadonlyMap<string, string | null>

const UNKNOWN: ReadonlySet<string> = new Set(['[UNAVAILABLE]', '[TEMPUNAVAIL]'])

/** A string is the reason why these are none. @param names of the attributes there are */
export function parseAttributes(argument: string, names: readonly string[]): ClientAttributes | string {
  const attributes = new Map<string, string | null>()
  for (const word of argument.split(/ +/)) {
    const equals = word.indexOf('=')
    const name = word.slice(0, Math.max(equals, 0)).toUpperCase()
    if (!names.includes(name)) return 'there is no such attribute'
    if (attributes.has(name)) return `${name} is given twice`
    const value = decodeXtext(word.slice(equals + 1))
    if (value === null || value === '') return `the value of ${name} is no text encoded as xtext`
    attributes.set(name, UNKNOWN.has(value.toUpperCase()) ? null : value)
  }
  return attributes
}

/** The IP address in the value of ADDR, IPv6 behind `IPV6:`; null when it is none. */
export function attributeAddress(value: string): string | null {
  const text = value.replace(/^ipv6:/i, '')
  return isIP(text) === 0 || text.includes('%') ? null : canonicalAddress(text)
}

/** A port in decimal; null when it is none. */
export function attributePort(value: string): number | null {
  return /^\d{1,5}$/.test(value) && Number(value) <= 65_535 ? Number(value) : null
}
