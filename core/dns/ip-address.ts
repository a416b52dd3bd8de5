/** IP addresses as octets, as text, and as names in the reverse tree (RFC 1035 §3.5, RFC 3596 §2.5, RFC 5952). */
import { isIPv4, isIPv6, SocketAddress } from 'node:net'

/** 4 or 16 octets; a zone is dropped. Null when `text` is no address. */
export function addressBytes(text: string): Uint8Array | null {
  if (isIPv4(text)) return Uint8Array.from(text.split('.'), Number)
  if (!isIPv6(text)) return null
  const [head = '', tail] = withoutDots(text.replace(/%.*$/, '')).split('::')
  const front = groups(head)
  if (tail === undefined) return octets(front)
  const back = groups(tail)
  return octets([...front, ...Array.from({ length: 8 - front.length - back.length }, () => 0), ...back])
}

/** @param bytes 4 or 16 octets */
export function addressText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.')
  const hex: string[] = []
  for (let i = 0; i < 16; i += 2)
    hex.push((((bytes[i] as number) << 8) | (bytes[i + 1] as number)).toString(16))
  return new SocketAddress({ family: 'ipv6', address: hex.join(':') }).address
}

/** The name whose PTR records name the host at this address; null when `address` is none. */
export function reverseName(address: string): string | null {
  const bytes = addressBytes(address)
  if (bytes === null) return null
  if (bytes.length === 4) return `${bytes.toReversed().join('.')}.in-addr.arpa`
  const nibbles = Array.from(
    bytes.toReversed(),
    (byte) => `${(byte & 15).toString(16)}.${(byte >> 4).toString(16)}`,
  )
  return `${nibbles.join('.')}.ip6.arpa`
}

/** The last 32 bits in hexadecimal, where they are written in decimal. */
function withoutDots(text: string): string {
  return text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a = 0, b = 0, c = 0, d = 0] = parts.slice(0, 4).map(Number)
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
}

function groups(text: string): readonly number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16))
}

function octets(words: readonly number[]): Uint8Array {
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255]))
}
