/** DER, as much of it as a certificate needs (ITU-T X.690). Each function returns one whole element. */

const TAGS = { integer: 0x02, bits: 0x03, octets: 0x04, oid: 0x06, text: 0x0c, sequence: 0x30, set: 0x31 }
/** UTCTime until 2049 and GeneralizedTime from 2050 on (RFC 5280 §4.1.2.5). */
const UTC_TIME = 0x17
const GENERALIZED_TIME = 0x18

export function sequence(...elements: readonly Uint8Array[]): Buffer {
  return element(TAGS.sequence, Buffer.concat(elements))
}

export function set(...elements: readonly Uint8Array[]): Buffer {
  return element(TAGS.set, Buffer.concat(elements))
}

/** @param octets of a number that is not negative, the most significant first */
export function integer(octets: Uint8Array): Buffer {
  const first = octets.findIndex((octet) => octet !== 0)
  const digits = first < 0 ? Buffer.of(0) : octets.subarray(first)
  // A first bit that is set would make it negative.
  return element(TAGS.integer, (digits[0] ?? 0) > 127 ? Buffer.concat([Buffer.of(0), digits]) : digits)
}

/** @param numbers as in 1.2.840, all of them */
export function objectIdentifier(...numbers: readonly number[]): Buffer {
  const [first = 0, second = 0, ...rest] = numbers
  return element(TAGS.oid, Buffer.from([first * 40 + second, ...rest].flatMap(base128)))
}

export function utf8Text(text: string): Buffer {
  return element(TAGS.text, Buffer.from(text))
}

/** A bit string of whole octets. */
export function bits(octets: Uint8Array): Buffer {
  return element(TAGS.bits, Buffer.concat([Buffer.of(0), octets]))
}

export function octetString(octets: Uint8Array): Buffer {
  return element(TAGS.octets, octets)
}

/** @param at milliseconds since 1970; what is less than a second is left out */
export function time(at: number): Buffer {
  const digits = new Date(at)
    .toISOString()
    .replace(/\.\d+Z$/, 'Z')
    .replace(/[-:T]/g, '')
  return digits < '2050'
    ? element(UTC_TIME, Buffer.from(digits.slice(2)))
    : element(GENERALIZED_TIME, Buffer.from(digits))
}

/** An element with a context-specific tag. @param isConstructed it holds elements, not octets */
export function tagged(number: number, content: Uint8Array, isConstructed: boolean): Buffer {
  return element(0x80 | (isConstructed ? 0x20 : 0) | number, content)
}

function element(tag: number, content: Uint8Array): Buffer {
  const { length } = content
  const octets = length < 128 ? [length] : [0x80 | bytesOf(length).length, ...bytesOf(length)]
  return Buffer.concat([Buffer.of(tag, ...octets), content])
}

function bytesOf(value: number): readonly number[] {
  return value < 256 ? [value] : [...bytesOf(Math.floor(value / 256)), value % 256]
}

function base128(value: number): readonly number[] {
  const digits = [value & 0x7f]
  for (let rest = value >> 7; rest > 0; rest >>= 7) digits.unshift(0x80 | (rest & 0x7f))
  return digits
}
