/**
 * A response, read (RFC 1035 §4.1). The message is hostile: every length is checked, and however many records it has,
 * only the first few that matter are looked into.
 */
import type { Query } from './query.ts'
import { decodeName, decodeRecord, type Records, type RecordType, TYPE_CODES } from './record.ts'
import { endOfName, readName } from './wire-name.ts'

/** Records of the type asked for that are taken from one response; the rest is cut. */
export const MAX_RECORDS = 100
/** Aliases taken from one response: twice what is followed. */
const MAX_ALIASES = 16
const HEADER_BYTES = 12
const CLASS_IN = 1

export const RCODE = {
  noError: 0,
  formErr: 1,
  servFail: 2,
  nxDomain: 3,
  notImp: 4,
  refused: 5,
  badVers: 16,
} as const

export interface Owned<Data> {
  readonly owner: string
  /** As sent, but for those above 2^31-1, which are 0 (RFC 2181 §8). */
  readonly ttlSeconds: number
  readonly data: Data
}

export interface Response<Type extends RecordType> {
  /** With the upper bits of EDNS. */
  readonly rcode: number
  readonly isAuthentic: boolean
  /** It speaks for the zone, or has asked those who do. */
  readonly isCompetent: boolean
  readonly records: readonly Owned<Records[Type]>[]
  /** CNAME; `data` is the target. */
  readonly aliases: readonly Owned<string>[]
  /** There were more answers than are taken. */
  readonly isCut: boolean
  /** How long "there is none" holds; null when the response has no SOA record (RFC 2308 §5). */
  readonly negativeTtlSeconds: number | null
}

/**
 * Whether a message answers this query: `foreign` when not. `other-case` has the same question in other capitals, from
 * a server that does not keep them or from somebody who guesses.
 */
export function fitOf(message: Buffer, { id, question }: Query): 'fits' | 'other-case' | 'foreign' {
  if (message.length < HEADER_BYTES || message.readUInt16BE(0) !== id) return 'foreign'
  const flags = message.readUInt16BE(2)
  const isResponse = flags >> 15 === 1 && ((flags >> 11) & 15) === 0
  if (!isResponse) return 'foreign'
  const questions = message.readUInt16BE(4)
  // A server that does not know EDNS may complain without repeating the question (RFC 6891 §7).
  if (questions === 0) return (flags & 15) === RCODE.formErr ? 'fits' : 'foreign'
  if (questions !== 1) return 'foreign'
  const repeated = message.subarray(HEADER_BYTES, HEADER_BYTES + question.length)
  if (repeated.equals(question)) return 'fits'
  return lowerCase(repeated) === lowerCase(question) ? 'other-case' : 'foreign'
}

/** Whether the server says that this is not all (TC). Such a response says nothing else. */
export function isTruncated(message: Buffer): boolean {
  return ((message[2] as number) & 2) !== 0
}

/** Reads a response that fits; null when it is malformed. */
export function readResponse<Type extends RecordType>(message: Buffer, type: Type): Response<Type> | null {
  const flags = message.readUInt16BE(2)
  const reading = new Reading(message, type)
  let at: number = HEADER_BYTES
  if (message.readUInt16BE(4) === 1) {
    at = endOfName(message, at) + 4
    if (at < HEADER_BYTES + 5) return null
  }
  for (const [section, countAt] of SECTIONS) {
    for (let left = message.readUInt16BE(countAt); left > 0; left--) {
      const record = recordAt(message, at)
      if (record === null || !reading.take(section, record)) return null
      at = record.end
    }
  }
  return {
    rcode: (reading.extendedRcode << 4) | (flags & 15),
    isAuthentic: ((flags >> 5) & 1) === 1,
    isCompetent: ((flags >> 10) & 1) === 1 || ((flags >> 7) & 1) === 1,
    records: reading.records,
    aliases: reading.aliases,
    isCut: reading.isCut,
    negativeTtlSeconds: reading.negativeTtlSeconds,
  }
}

type Section = 'answer' | 'authority' | 'additional'
const SECTIONS: readonly (readonly [Section, number])[] = [
  ['answer', 6],
  ['authority', 8],
  ['additional', 10],
]

/** A record where it stands, nothing of it read. */
interface RawRecord {
  readonly nameAt: number
  readonly type: number
  readonly class: number
  readonly ttl: number
  readonly dataAt: number
  readonly end: number
}

function recordAt(message: Buffer, at: number): RawRecord | null {
  const fixed = endOfName(message, at)
  if (fixed < 0 || fixed + 10 > message.length) return null
  const dataAt = fixed + 10
  const end = dataAt + message.readUInt16BE(fixed + 8)
  if (end > message.length) return null
  return {
    nameAt: at,
    type: message.readUInt16BE(fixed),
    class: message.readUInt16BE(fixed + 2),
    ttl: message.readUInt32BE(fixed + 4),
    dataAt,
    end,
  }
}

/** What of a response matters for a question of one type. */
class Reading<Type extends RecordType> {
  readonly #message: Buffer
  readonly #type: Type
  readonly records: Owned<Records[Type]>[] = []
  readonly aliases: Owned<string>[] = []
  isCut = false
  extendedRcode = 0
  negativeTtlSeconds: number | null = null

  constructor(message: Buffer, type: Type) {
    this.#message = message
    this.#type = type
  }

  /** Returns whether the record is well-formed as far as it matters. */
  take(section: Section, record: RawRecord): boolean {
    if (section === 'additional') {
      if (record.type === TYPE_CODES.OPT) this.extendedRcode = record.ttl >>> 24
      return true
    }
    if (record.class !== CLASS_IN) return true
    if (section === 'authority') return record.type === TYPE_CODES.SOA ? this.#takeSoa(record) : true
    if (record.type === TYPE_CODES[this.#type])
      return this.#takeInto(this.records, MAX_RECORDS, record, (start, end) =>
        decodeRecord(this.#type, this.#message, start, end),
      )
    if (record.type === TYPE_CODES.CNAME)
      return this.#takeInto(this.aliases, MAX_ALIASES, record, (start, end) =>
        decodeName(this.#message, start, end),
      )
    return true
  }

  #takeInto<Data>(
    list: Owned<Data>[],
    most: number,
    { nameAt, ttl, dataAt, end }: RawRecord,
    decode: (start: number, end: number) => Data | null,
  ): boolean {
    if (list.length === most) {
      this.isCut = true
      return true
    }
    const owner = readName(this.#message, nameAt)
    const data = decode(dataAt, end)
    if (owner === null || data === null) return false
    list.push({ owner: owner.name, ttlSeconds: seconds(ttl), data })
    return true
  }

  /** The last of its five numbers is the minimum; two names stand before them. */
  #takeSoa({ ttl, dataAt, end }: RawRecord): boolean {
    if (end - dataAt < 22) return false
    const minimum = this.#message.readUInt32BE(end - 4)
    this.negativeTtlSeconds ??= Math.min(seconds(ttl), seconds(minimum))
    return true
  }
}

function seconds(ttl: number): number {
  return ttl > 0x7fff_ffff ? 0 : ttl
}

function lowerCase(question: Buffer): string {
  return question.toString('latin1').replace(/[A-Z]/g, (letter) => letter.toLowerCase())
}
