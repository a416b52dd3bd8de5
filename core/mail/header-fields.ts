/** Header fields: finding, folding and removing them without touching a byte of the others (RFC 5322 §2.2). */
import type { HeaderField } from './message.ts'

const CR = 0x0d
const LF = 0x0a
const FOLD_AT = 78
/** Octets of text in one encoded word: base64 makes 60 of them, 75 with what stands around it. */
const ENCODED_WORD_BYTES = 45
// oxlint-disable-next-line no-control-regex
const ASCII = /^[\x00-\x7f]*$/

/** Index of the first octet of the body: behind the first empty line, or the end when there is none. */
export function bodyOffset(bytes: Uint8Array): number {
  if (bytes[0] === CR && bytes[1] === LF) return 2
  const end = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).indexOf('\r\n\r\n')
  return end < 0 ? bytes.byteLength : end + 4
}

/** The fields of a header block, in order. A line that is no field and no continuation is left out. */
export function parseHeaderFields(header: Uint8Array): readonly HeaderField[] {
  return fieldSpans(header).flatMap(({ text }) => {
    const name = fieldName(text)
    return isFieldName(name) ? [{ name, value: text.slice(text.indexOf(':') + 1).replace(/^ /, '') }] : []
  })
}

/** A header block without the fields of these names (lower-cased), everything else byte for byte. */
export function withoutFields(header: Uint8Array, names: ReadonlySet<string>): Uint8Array {
  const spans = fieldSpans(header)
  const kept: Uint8Array[] = []
  for (const { text, start, end } of spans)
    if (!names.has(fieldName(text).toLowerCase())) kept.push(header.subarray(start, end))
  return Buffer.concat([...kept, header.subarray(spans.at(-1)?.end ?? 0)])
}

/** Whether `name` may name a field (RFC 5322 §2.2: printable US-ASCII but colon). */
export function isFieldName(name: string): boolean {
  return /^[\x21-\x39\x3b-\x7e]{1,76}$/.test(name)
}

/**
 * Whether `value` can stand in a field as one logical line: no control character, so no line end either, and no word
 * too long for a line of 998 octets.
 */
export function isFieldValue(value: string): boolean {
  // oxlint-disable-next-line no-control-regex
  return value.length <= 10_000 && !/[\x00-\x08\x0a-\x1f\x7f]/.test(value) && !/[^ ]{900}/.test(value)
}

/** A field as US-ASCII text to be sent, folded at spaces, with its final CRLF. */
export function formatField(name: string, value: string): string {
  return foldedField(name, ASCII.test(value) ? value : encodedWords(value))
}

/** The same without encoding: for fields that may have UTF-8 (RFC 6532 §3.2). */
export function foldedField(name: string, text: string): string {
  if (name.length + text.length + 2 <= FOLD_AT) return `${name}: ${text}\r\n`
  const lines: string[] = []
  let line = `${name}:`
  let hasWord = false
  for (const word of text.split(' ')) {
    // Only in front of a word and behind one: a line of white space alone would end the header for some readers.
    if (hasWord && word !== '' && line.length + 1 + word.length > FOLD_AT) {
      lines.push(line)
      line = ''
    }
    line += ` ${word}`
    hasWord ||= word !== ''
  }
  lines.push(line)
  return `${lines.join('\r\n')}\r\n`
}

/** RFC 2047 §2: text beyond US-ASCII, in words of at most 75 characters that end between characters. */
function encodedWords(text: string): string {
  const words: string[] = []
  let piece = ''
  for (const char of text) {
    if (Buffer.byteLength(piece + char) > ENCODED_WORD_BYTES) {
      words.push(piece)
      piece = ''
    }
    piece += char
  }
  words.push(piece)
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join(' ')
}

interface FieldSpan {
  readonly text: string
  readonly start: number
  /** Behind the final line end. */
  readonly end: number
}

/** Each logical line of the block, continuation lines included, up to the empty line. */
function fieldSpans(header: Uint8Array): readonly FieldSpan[] {
  const bytes = Buffer.from(header.buffer, header.byteOffset, header.byteLength)
  const spans: FieldSpan[] = []
  let start = 0
  while (start < bytes.length && bytes[start] !== CR) {
    let end = endOfLine(bytes, start)
    while (end < bytes.length && (bytes[end] === 0x20 || bytes[end] === 0x09)) end = endOfLine(bytes, end)
    spans.push({ text: bytes.toString('latin1', start, end).replace(/\r\n$/, ''), start, end })
    start = end
  }
  return spans
}

/** What stands before the first colon; '' when there is none. */
function fieldName(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf(':'))).trimEnd()
}

function endOfLine(bytes: Buffer, from: number): number {
  const end = bytes.indexOf('\r\n', from)
  return end < 0 ? bytes.length : end + 2
}
