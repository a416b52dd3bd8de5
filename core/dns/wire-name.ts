/** Domain names as they stand in a message, compressed or not (RFC 1035 §3.1, §4.1.4), read in bounded time. */

const MAX_NAME_BYTES = 255
/** Each pointer of an honest name has a label before it, and few names have ten. */
const MAX_POINTERS = 32
const POINTER = 0xc0

/** A name and the octet behind it, where it stands. */
export interface ReadName {
  readonly name: string
  readonly end: number
}

/** Index of the octet behind the name at `at`; -1 when there is no name. Follows no pointer. */
export function endOfName(message: Uint8Array, at: number): number {
  let next = at
  while (next < message.length) {
    const length = message[next] as number
    if (length === 0) return next + 1
    if (length >= POINTER) return next + 2 <= message.length ? next + 2 : -1
    // 0x40 and 0x80 were never given a meaning that lasted (RFC 6891 §5).
    if (length > 63) return -1
    next += 1 + length
  }
  return -1
}

/**
 * The name at `at`: lower-case, '.' for the root, otherwise without a dot at the end. An octet that is not a printable
 * character, a dot inside a label and a backslash are written `\ddd` (RFC 1035 §5.1), so that nothing of it can end a
 * line or pass for another name. Null when it is malformed, too long, or has pointers that do not lead backwards.
 */
export function readName(message: Buffer, at: number): ReadName | null {
  const end = endOfName(message, at)
  if (end < 0) return null
  const labels: string[] = []
  let bytes = 1
  let next = at
  // A pointer leads before the beginning of what it was found in: a loop is impossible.
  let before = at
  for (let pointers = 0; pointers <= MAX_POINTERS; ) {
    const length = message[next]
    if (length === undefined) return null
    if (length === 0) return { name: labels.length === 0 ? '.' : labels.join('.'), end }
    if (length >= POINTER) {
      if (next + 2 > message.length) return null
      next = message.readUInt16BE(next) & 0x3fff
      if (next >= before) return null
      before = next
      pointers += 1
      continue
    }
    bytes += 1 + length
    if (length > 63 || bytes > MAX_NAME_BYTES || next + 1 + length > message.length) return null
    labels.push(labelText(message.toString('latin1', next + 1, next + 1 + length)))
    next += 1 + length
  }
  return null
}

function labelText(octets: string): string {
  if (/^[a-z0-9_-]+$/.test(octets)) return octets
  return octets
    .replace(/[A-Z]/g, (letter) => letter.toLowerCase())
    .replace(/[^!-[\]-~]|\./g, (octet) => `\\${String(octet.charCodeAt(0)).padStart(3, '0')}`)
}
