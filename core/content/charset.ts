/** Octets to text by the name of a charset. */
import { isAscii, isUtf8 } from 'node:buffer'

const decoders = new Map<string, InstanceType<typeof TextDecoder>>()
const utf8 = new TextDecoder('utf-8', { fatal: true })

/** The text, null when nobody knows the charset. What is malformed becomes U+FFFD. */
export function decodeCharset(bytes: Uint8Array, charset: string): string | null {
  const label = charset.trim().toLowerCase()
  let decoder = decoders.get(label)
  if (decoder === undefined) {
    try {
      decoder = new TextDecoder(label)
    } catch {
      return null
    }
    decoders.set(label, decoder)
  }
  return decoder.decode(bytes)
}

/** Octets decoded at once: a whole part as one text would not fit into every heap. */
const PIECE_BYTES = 262_144

/** The text in pieces; by a guess where nobody knows the charset. */
export function* decodeInPieces(bytes: Uint8Array, charset: string): Generator<string, void, undefined> {
  const isKnown = charset !== '' && decodeCharset(new Uint8Array(0), charset) !== null
  const label = isKnown ? charset.trim() : isUtf8(bytes) ? 'utf-8' : 'iso-8859-1'
  const decoder = new TextDecoder(label)
  for (let at = 0; at < bytes.length; at += PIECE_BYTES)
    yield decoder.decode(bytes.subarray(at, at + PIECE_BYTES), { stream: true })
  yield decoder.decode()
}

/** Text of octets that say nothing about themselves: UTF-8 (RFC 6532) when they are that, ISO 8859-1 otherwise. */
export function guessText(bytes: Uint8Array): string {
  const octets = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (isAscii(octets)) return octets.toString('latin1')
  try {
    return utf8.decode(bytes)
  } catch {
    return octets.toString('latin1')
  }
}
