/** Addresses of the type `utf-8` as they stand in ORCPT and in notices (RFC 6533 §3). */

/** What stands for itself: printable US-ASCII but for `\`, `+` and `=`. */
const QCHAR = /^[!-*,-<>-[\]-~]$/
const EMBEDDED = /\\x\{([0-9A-Fa-f]{2,6})\}/g
/** Of what is left when embedded characters are taken out, what may stand there. */
const PLAIN = /^(?:[!-*,-<>-[\]-~]|[^\p{ASCII}])*$/u
const UNPRINTABLE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u

/**
 * Reads utf-8-addr-xtext or utf-8-addr-unitext; null when it is neither, or has characters no address has: control
 * characters and line separators.
 */
export function decodeUtf8Address(text: string): string | null {
  if (!PLAIN.test(text.replace(EMBEDDED, ''))) return null
  let isSound = true
  const address = text.replace(EMBEDDED, (_, hex: string) => {
    const point = Number.parseInt(hex, 16)
    if (point > 0x10ffff) isSound = false
    return isSound ? String.fromCodePoint(point) : ''
  })
  return isSound && !UNPRINTABLE.test(address) ? address : null
}

/** The text, or what there is room for, ending between characters and with dots. */
export function cutToOctets(text: string, maxOctets: number): string {
  if (Buffer.byteLength(text) <= maxOctets) return text
  let cut = ''
  let octets = 3
  for (const char of text) {
    octets += Buffer.byteLength(char)
    if (octets > maxOctets) break
    cut += char
  }
  return `${cut}...`
}

/** @param isUtf8 as utf-8-addr-unitext, for a server that offers SMTPUTF8; else as utf-8-addr-xtext, US-ASCII */
export function encodeUtf8Address(address: string, isUtf8: boolean): string {
  return Array.from(address, (char) => {
    const point = char.codePointAt(0) ?? 0
    if (QCHAR.test(char) || (isUtf8 && point > 0x7f)) return char
    return `\\x{${point.toString(16).toUpperCase().padStart(2, '0')}}`
  }).join('')
}
