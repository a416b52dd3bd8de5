/**
 * The third part of a notice: the message it is about, or its header (RFC 6522 §3, §4; RFC 3461 §6.2), with a header of
 * UTF-8 under the names of RFC 6533 §6.
 */
import type { OriginalMessage } from './dsn-report.ts'
import { quotedPrintable } from './quoted-printable.ts'

/**
 * Longest message, and longest header, that is sent back. A notice goes to an address nobody has checked: it should
 * not be a way to have large mail, or an attachment somebody was refused, delivered by us.
 */
export const MAX_RETURNED_OCTETS = 64 * 1024

const CR = 0x0d
const LF = 0x0a
const MAX_LINE_OCTETS = 998

export interface ReturnedPart {
  /** What is attached, and why it is not the whole where that was asked for. */
  readonly what: 'message' | 'header' | 'header-of-large' | 'header-of-unfit'
  /** Header fields of the part, each with its CRLF. */
  readonly fields: string
  readonly content: Uint8Array
  /** It has octets above 127, as they were. */
  readonly is8bit: boolean
}

/** @param isWholeWanted the sender asked for it, and the notice is about a failure (RFC 3461 §4.3) */
export function returnedPart(original: OriginalMessage, isWholeWanted: boolean): ReturnedPart {
  if (!isWholeWanted) return headerPart(original, 'header')
  const { bytes, isWhole } = original
  if (!isWhole || bytes.byteLength > MAX_RETURNED_OCTETS) return headerPart(original, 'header-of-large')
  const form = formOf(bytes)
  // No transfer encoding is allowed for a message in a message (RFC 2046 §5.2.1), and it is never altered.
  if (form === 'binary') return headerPart(original, 'header-of-unfit')
  const type = isUtf8Header(headerOf(original)) ? 'message/global' : 'message/rfc822'
  return part('message', type, form, bytes)
}

function headerPart(original: OriginalMessage, what: ReturnedPart['what']): ReturnedPart {
  const header = headerOf(original)
  const form = formOf(header)
  const type = isUtf8Header(header) ? 'message/global-headers' : 'text/rfc822-headers'
  if (form !== 'binary') return part(what, type, form, header)
  return part(what, type, 'quoted-printable', Buffer.from(quotedPrintable(header), 'latin1'))
}

/** UTF-8 beyond US-ASCII (RFC 6532), rather than octets of some other charset, which were never allowed. */
function isUtf8Header(header: Uint8Array): boolean {
  if (!header.some((octet) => octet > 0x7f)) return false
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(header)
    return true
  } catch {
    // Some other charset: not ours to name.
    return false
  }
}

/** The header without the empty line behind it; of a long one, as many whole lines as there is room for. */
function headerOf({ bytes, isWhole }: OriginalMessage): Uint8Array {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (buffer[0] === CR && buffer[1] === LF) return buffer.subarray(0, 0)
  const emptyLine = buffer.indexOf('\r\n\r\n')
  const end = emptyLine < 0 ? buffer.length : emptyLine + 2
  if (end <= MAX_RETURNED_OCTETS && (emptyLine >= 0 || isWhole)) return buffer.subarray(0, end)
  const room = buffer.subarray(0, MAX_RETURNED_OCTETS)
  const lastLineEnd = room.lastIndexOf('\r\n')
  return lastLineEnd < 0 ? room : room.subarray(0, lastLineEnd + 2)
}

function part(
  what: ReturnedPart['what'],
  type: string,
  encoding: '7bit' | '8bit' | 'quoted-printable',
  content: Uint8Array,
): ReturnedPart {
  const fields = `Content-Type: ${type}\r\nContent-Transfer-Encoding: ${encoding}\r\n`
  return { what, fields, content, is8bit: encoding === '8bit' }
}

/** RFC 2045 §2.7 to §2.9: what kind of data these octets are. */
function formOf(bytes: Uint8Array): '7bit' | '8bit' | 'binary' {
  let is8bit = false
  let lineStart = 0
  for (let i = 0; i < bytes.length; i++) {
    const octet = bytes[i] as number
    if (octet > 0x7f) is8bit = true
    if (octet === 0 || octet === LF) return 'binary'
    if (octet !== CR) continue
    if (bytes[i + 1] !== LF || i - lineStart > MAX_LINE_OCTETS) return 'binary'
    i++
    lineStart = i + 1
  }
  if (bytes.length - lineStart > MAX_LINE_OCTETS) return 'binary'
  return is8bit ? '8bit' : '7bit'
}
