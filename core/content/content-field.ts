/** A field with parameters: Content-Type, Content-Disposition (RFC 2045 §5.1, RFC 2183, RFC 2231). */
import { decodeCharset, guessText } from './charset.ts'
import { decodeEncodedWords } from './encoded-words.ts'
import { hexPair } from './transfer-encoding.ts'

export interface ContentField {
  /** What stands before the parameters, lower-cased. */
  readonly value: string
  /** Decoded values by lower-cased name. */
  readonly parameters: ReadonlyMap<string, string>
  /** The same as they were written, without quotes. */
  readonly raw: ReadonlyMap<string, string>
  readonly isParameterRepeated: boolean
}

interface Piece {
  readonly number: number
  readonly isEncoded: boolean
  readonly value: string
}

/** Pieces of parameters in one field; the rest is not read. */
const MAX_PIECES = 500

/** @param text value of the field, one character an octet, folding allowed */
export function parseContentField(text: string): ContentField {
  const [value = '', ...rest] = segments(text)
  const plain = new Map<string, string>()
  const pieces = new Map<string, Piece[]>()
  let isParameterRepeated = false
  for (const segment of rest) {
    const at = segment.indexOf('=')
    if (at <= 0) continue
    const name = withoutComments(segment.slice(0, at)).trim().toLowerCase()
    const written = parameterValue(segment.slice(at + 1))
    const [, base = name, number, star] = /^([^*]+)\*(?:(\d{1,4})(\*)?)?$/.exec(name) ?? []
    if (base === name) {
      isParameterRepeated ||= plain.has(name)
      if (!plain.has(name)) plain.set(name, written)
      continue
    }
    const list = pieces.get(base) ?? []
    const isWhole = number === undefined
    list.push({
      number: isWhole ? -1 : Number(number),
      isEncoded: isWhole || star !== undefined,
      value: written,
    })
    pieces.set(base, list)
  }
  const parameters = new Map([...plain].map(([name, written]) => [name, decodedText(written)]))
  const raw = new Map(plain)
  for (const [name, list] of pieces) {
    parameters.set(name, joined(list))
    raw.set(name, list.map((piece) => piece.value).join(''))
  }
  return { value: withoutComments(value).trim().toLowerCase(), parameters, raw, isParameterRepeated }
}

/** The text between semicolons that stand in neither quotes nor comments. */
function segments(text: string): readonly string[] {
  const found: string[] = []
  let start = 0
  let isQuoted = false
  let comments = 0
  for (let i = 0; i < text.length && found.length < MAX_PIECES; i++) {
    const char = text[i]
    if (char === '\\' && (isQuoted || comments > 0)) i++
    else if (char === '"' && comments === 0) isQuoted = !isQuoted
    else if (isQuoted) continue
    else if (char === '(') comments++
    else if (char === ')') comments = Math.max(0, comments - 1)
    else if (char === ';' && comments === 0) {
      found.push(text.slice(start, i))
      start = i + 1
    }
  }
  found.push(text.slice(start))
  return found
}

/** A quoted string without its quotes, or a token with whatever blanks its sender forgot to quote. */
function parameterValue(text: string): string {
  const value = text.replace(/\r?\n/g, '').trim()
  if (!value.startsWith('"')) return withoutComments(value).trim()
  let out = ''
  for (let i = 1; i < value.length && value[i] !== '"'; i++) {
    if (value[i] === '\\' && i + 1 < value.length) i++
    out += value[i]
  }
  return out
}

function withoutComments(text: string): string {
  if (!text.includes('(')) return text
  let out = ''
  let depth = 0
  for (const char of text) {
    if (char === '(') depth++
    else if (char === ')' && depth > 0) depth--
    else if (depth === 0) out += char
  }
  // Never closed: it was no comment.
  return depth > 0 ? text : out
}

function decodedText(written: string): string {
  return decodeEncodedWords(guessText(Buffer.from(written, 'latin1')))
}

/** RFC 2231 §3 and §4: numbered pieces in their order up to the first gap; one that is whole goes before them. */
function joined(list: readonly Piece[]): string {
  const byNumber = new Map<number, Piece>()
  for (const piece of list) if (!byNumber.has(piece.number)) byNumber.set(piece.number, piece)
  const whole = byNumber.get(-1)
  const inOrder: Piece[] = whole === undefined ? [] : [whole]
  if (whole === undefined) {
    let number = byNumber.has(0) ? 0 : 1
    for (let piece = byNumber.get(number); piece !== undefined; piece = byNumber.get(++number))
      inOrder.push(piece)
  }
  let charset = ''
  const bytes = inOrder.map((piece, index) => {
    if (!piece.isEncoded) return Buffer.from(piece.value, 'latin1')
    const [, label = '', data = piece.value] =
      index === 0 ? (/^([^']*)'[^']*'(.*)$/s.exec(piece.value) ?? []) : []
    charset ||= label
    return percentDecoded(data)
  })
  const all = Buffer.concat(bytes)
  if (inOrder.some((piece) => piece.isEncoded)) return decodeCharset(all, charset) ?? guessText(all)
  return decodedText(all.toString('latin1'))
}

function percentDecoded(text: string): Buffer {
  const encoded = Buffer.from(text, 'latin1')
  const out = Buffer.alloc(encoded.length)
  let length = 0
  for (let i = 0; i < encoded.length; i++) {
    const value = encoded[i] === 0x25 ? hexPair(encoded, i + 1) : -1
    out[length++] = value < 0 ? (encoded[i] as number) : value
    if (value >= 0) i += 2
  }
  return out.subarray(0, length)
}
