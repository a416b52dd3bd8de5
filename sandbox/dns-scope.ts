/** What of the DNS a plugin may look up: record types, and the names at and below suffixes. */

export const DNS_TYPES = ['A', 'AAAA', 'MX', 'TXT', 'PTR'] as const

/** As it is written in a manifest. */
export interface AskedDns {
  readonly types: readonly string[]
  /** Left out: every name. */
  readonly suffixes?: readonly string[]
}

const SUFFIX = /^(?:[a-z0-9_-]{1,63}\.)*[a-z0-9_-]{1,63}$/
const MAX_SUFFIXES = 100

export class DnsScope {
  readonly #asked: AskedDns | null

  constructor(asked: AskedDns | null) {
    this.#asked = asked
  }

  covers(type: string, name: string): boolean {
    if (this.#asked === null || !this.#asked.types.includes(type)) return false
    const { suffixes } = this.#asked
    const plain = name.toLowerCase().replace(/\.$/, '')
    return suffixes?.some((suffix) => isAtOrBelow(plain, suffix)) ?? true
  }
}

/** Why it cannot be read as one; null when it can. */
export function whyNotDns(value: unknown): string | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'the permission "dns" is written as { types, suffixes }'
  const { types, suffixes, ...others } = value as Record<string, unknown>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) return `the permission "dns" has "types" and "suffixes", not "${unknown}"`
  const known: readonly unknown[] = DNS_TYPES
  if (!Array.isArray(types) || types.length === 0 || !types.every((type) => known.includes(type)))
    return `the permission "dns" needs "types", a list of ${DNS_TYPES.join(', ')}`
  if (suffixes === undefined) return null
  const isList = Array.isArray(suffixes) && suffixes.length > 0 && suffixes.length <= MAX_SUFFIXES
  return isList && suffixes.every((suffix) => typeof suffix === 'string' && SUFFIX.test(suffix))
    ? null
    : '"suffixes" of "dns" is a list of 1 to 100 domain names in small letters'
}

/** Whether everything `narrow` covers is covered by `wide`. */
export function dnsCovers(wide: AskedDns, narrow: AskedDns): boolean {
  if (!narrow.types.every((type) => wide.types.includes(type))) return false
  if (wide.suffixes === undefined) return true
  const { suffixes } = wide
  return narrow.suffixes?.every((name) => suffixes.some((suffix) => isAtOrBelow(name, suffix))) ?? false
}

export function dnsSentence({ types, suffixes }: AskedDns): string {
  const below = suffixes === undefined ? 'any name' : `names below ${suffixes.join(', ')}`
  return `asks the DNS for ${types.join(', ')} records of ${below}`
}

function isAtOrBelow(name: string, suffix: string): boolean {
  return name === suffix || name.endsWith(`.${suffix}`)
}
