/** The records the gateway knows, and how their data stands in a message (RFC 1035 §3.3, RFC 3596 §2.2, RFC 6698 §2.1). */
import { addressText } from './ip-address.ts'
import { readName } from './wire-name.ts'

export interface MxRecord {
  /** 0 to 65535, the lowest is asked first. */
  readonly preference: number
  /** A name, '.' for the root; whether it is a host name is not checked. */
  readonly exchange: string
}

export interface TlsaRecord {
  readonly usage: number
  readonly selector: number
  readonly matchingType: number
  /** May be empty, which makes the record unusable, not absent (RFC 7672 §2.1). */
  readonly data: Uint8Array
}

/** Data by type. Names are lower-case, without the last dot, octets that are not printable as `\ddd`. */
export interface Records {
  /** Dotted. */
  readonly A: string
  /** As in RFC 5952. */
  readonly AAAA: string
  readonly MX: MxRecord
  /** The character-strings of one record joined, one character an octet. */
  readonly TXT: string
  /** A name. */
  readonly PTR: string
  readonly TLSA: TlsaRecord
}

export type RecordType = keyof Records

export const TYPE_CODES = {
  A: 1,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  OPT: 41,
  TLSA: 52,
} as const satisfies Record<RecordType | 'CNAME' | 'SOA' | 'OPT', number>

type Decoder<Data> = (message: Buffer, start: number, end: number) => Data | null

const DECODERS: { readonly [Type in RecordType]: Decoder<Records[Type]> } = {
  A: (message, start, end) => (end - start === 4 ? addressText(message.subarray(start, end)) : null),
  AAAA: (message, start, end) => (end - start === 16 ? addressText(message.subarray(start, end)) : null),
  MX: decodeMx,
  TXT: decodeTxt,
  PTR: decodeName,
  TLSA: decodeTlsa,
}

/**
 * Reads the data of one record, octets `start` up to `end` of `message`, which has them; null when they are not what
 * the type asks for. Never reads beyond, but for compressed names, which may begin anywhere before.
 */
export function decodeRecord<Type extends RecordType>(
  type: Type,
  message: Buffer,
  start: number,
  end: number,
): Records[Type] | null {
  return DECODERS[type](message, start, end)
}

/** A name that fills the data of a record: CNAME, PTR. */
export function decodeName(message: Buffer, start: number, end: number): string | null {
  const read = readName(message, start)
  return read !== null && read.end === end ? read.name : null
}

function decodeMx(message: Buffer, start: number, end: number): MxRecord | null {
  if (end - start < 3) return null
  const exchange = decodeName(message, start + 2, end)
  return exchange === null ? null : { preference: message.readUInt16BE(start), exchange }
}

function decodeTxt(message: Buffer, start: number, end: number): string | null {
  const strings: string[] = []
  let at = start
  while (at < end) {
    const next = at + 1 + (message[at] as number)
    if (next > end) return null
    strings.push(message.toString('latin1', at + 1, next))
    at = next
  }
  return strings.length === 0 ? null : strings.join('')
}

function decodeTlsa(message: Buffer, start: number, end: number): TlsaRecord | null {
  if (end - start < 3) return null
  return {
    usage: message[start] as number,
    selector: message[start + 1] as number,
    matchingType: message[start + 2] as number,
    // A copy: a view would keep the whole message in the cache.
    data: Uint8Array.from(message.subarray(start + 3, end)),
  }
}
