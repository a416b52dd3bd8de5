/** Quoted-printable (RFC 2045 §6.7): any octets as lines of at most 76 printable characters. */

const CR = 0x0d
const LF = 0x0a
const SPACE = 0x20
const TAB = 0x09
const EQUALS = 0x3d
/** One is left for the equals sign of a soft line break. */
const MAX_LINE = 75

/** Encodes octets. CRLF stays a line end; a CR or LF alone is an octet like any other, so decoding gives it back. */
export function quotedPrintable(bytes: Uint8Array): string {
  const lines: string[] = []
  let line = ''
  for (let i = 0; i < bytes.length; i++) {
    if (isLineEnd(bytes, i)) {
      lines.push(`${line}\r\n`)
      line = ''
      i++
      continue
    }
    const piece = encoded(bytes, i)
    if (line.length + piece.length > MAX_LINE) {
      lines.push(`${line}=\r\n`)
      line = ''
    }
    line += piece
  }
  return lines.join('') + line
}

function encoded(bytes: Uint8Array, index: number): string {
  const octet = bytes[index] as number
  const isBlank = octet === SPACE || octet === TAB
  // White space at the end of a line is lost on the way.
  const isSafe = isBlank
    ? index + 1 < bytes.length && !isLineEnd(bytes, index + 1)
    : octet > SPACE && octet < 0x7f && octet !== EQUALS
  return isSafe ? String.fromCharCode(octet) : `=${octet.toString(16).toUpperCase().padStart(2, '0')}`
}

function isLineEnd(bytes: Uint8Array, index: number): boolean {
  return bytes[index] === CR && bytes[index + 1] === LF
}
