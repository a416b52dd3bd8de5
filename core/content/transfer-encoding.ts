/** Content-Transfer-Encoding (RFC 2045 §6) read leniently, as mail programs do: what does not belong is skipped. */

export interface Decoded {
  readonly bytes: Buffer
  /** Something stood there that the encoding does not know. */
  readonly isDamaged: boolean
}

const SKIP = 64
const PADDING = 65
const ALIEN = 66
const CR = 0x0d
const LF = 0x0a
const EQUALS = 0x3d
const BASE64_VALUES = base64Values()

function base64Values(): Uint8Array {
  const values = new Uint8Array(256).fill(ALIEN)
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  for (let value = 0; value < 64; value++) values[alphabet.charCodeAt(value)] = value
  for (const blank of [CR, LF, 0x20, 0x09]) values[blank] = SKIP
  values[EQUALS] = PADDING
  return values
}

/** RFC 2045 §6.8. Behind padding it goes on: programs disagree there, and content may hide behind it. */
export function decodeBase64(encoded: Uint8Array): Decoded {
  const out = Buffer.allocUnsafeSlow(Math.ceil((encoded.length * 3) / 4) + 3)
  let length = 0
  let bits = 0
  let count = 0
  let isDamaged = false
  let isPadded = false
  for (let i = 0; i < encoded.length; i++) {
    const value = BASE64_VALUES[encoded[i] as number] as number
    if (value < SKIP) {
      isDamaged ||= isPadded
      bits = (bits << 6) | value
      if (++count < 4) continue
      out[length++] = bits >>> 16
      out[length++] = bits >>> 8
      out[length++] = bits
    } else if (value === SKIP) continue
    else if (value === ALIEN) {
      isDamaged = true
      continue
    } else {
      isPadded = true
      length = flushBits(out, length, bits, count)
    }
    bits = 0
    count = 0
  }
  return { bytes: out.subarray(0, flushBits(out, length, bits, count)), isDamaged }
}

/** Writes what a group cut short still has: two characters are one octet, three are two. */
function flushBits(out: Buffer, length: number, bits: number, count: number): number {
  if (count === 2) out[length] = bits >>> 4
  if (count === 3) {
    out[length] = bits >>> 10
    out[length + 1] = bits >>> 2
  }
  return length + Math.max(0, count - 1)
}

/** RFC 2045 §6.7. An equals sign that begins nothing stays. */
export function decodeQuotedPrintable(encoded: Uint8Array): Decoded {
  const out = Buffer.allocUnsafeSlow(encoded.length)
  let length = 0
  let isDamaged = false
  /** Length without the blanks written last: at the end of a line they were added on the way. */
  let solid = 0
  for (let i = 0; i < encoded.length; i++) {
    const octet = encoded[i] as number
    if (octet === EQUALS) {
      const soft = softBreak(encoded, i + 1)
      const value = soft > 0 ? 0 : hexPair(encoded, i + 1)
      if (soft > 0) i = soft - 1
      else if (value >= 0) {
        out[length++] = value
        i += 2
      } else {
        isDamaged = true
        out[length++] = octet
      }
      solid = length
      continue
    }
    if (octet === LF || (octet === CR && encoded[i + 1] === LF)) length = solid
    out[length++] = octet
    if (octet !== 0x20 && octet !== 0x09) solid = length
  }
  return { bytes: out.subarray(0, length), isDamaged }
}

/** Index behind a soft line break whose equals sign stands before `at`; 0 when there is none. */
function softBreak(encoded: Uint8Array, at: number): number {
  let i = at
  // A line has 76 characters: what is longer is no line end with blanks in front.
  while (i < at + 76 && (encoded[i] === 0x20 || encoded[i] === 0x09)) i++
  if (i >= encoded.length) return i
  if (encoded[i] === LF) return i + 1
  return encoded[i] === CR && encoded[i + 1] === LF ? i + 2 : 0
}

/** Value of two hexadecimal digits, -1 when they are none. */
export function hexPair(bytes: Uint8Array, at: number): number {
  const high = hexDigit(bytes[at])
  const low = hexDigit(bytes[at + 1])
  return high < 0 || low < 0 ? -1 : high * 16 + low
}

function hexDigit(octet: number | undefined): number {
  if (octet === undefined) return -1
  if (octet >= 0x30 && octet <= 0x39) return octet - 0x30
  const letter = octet | 0x20
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1
}
