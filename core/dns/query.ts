/** One question as it is sent (RFC 1035 §4.1; EDNS RFC 6891; random case draft-vixie-dnsext-dns0x20). */
import { AUTHENTIC_DATA, encode, type OptAnswer, RECURSION_DESIRED } from 'dns-packet'
import type { RecordType } from './record.ts'

/** What fits into one unfragmented datagram everywhere (DNS flag day 2020). */
const UDP_PAYLOAD_BYTES = 1_232
const HEADER_BYTES = 12

const OPT: OptAnswer = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: UDP_PAYLOAD_BYTES,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
}

export interface Query {
  readonly id: number
  readonly message: Buffer
  /** The question as it stands in `message`; a response repeats it octet by octet. */
  readonly question: Buffer
}

export interface QueryOptions {
  /** As `questionName` writes it. */
  readonly name: string
  readonly type: RecordType
  readonly isCaseRandomized: boolean
  /** Whether the server is told that it may answer in more than 512 octets. */
  readonly hasEdns: boolean
  /** In [0, 1). Whoever can guess it can answer for the server. */
  readonly random: () => number
}

export function newQuery({ name, type, isCaseRandomized, hasEdns, random }: QueryOptions): Query {
  const id = Math.floor(random() * 0x1_0000)
  const message = encode({
    type: 'query',
    id,
    // AD: we understand the bit in the response (RFC 6840 §5.7).
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type, name: isCaseRandomized ? inRandomCase(name, random) : name, class: 'IN' }],
    additionals: hasEdns ? [OPT] : [],
  })
  const questionBytes = name.length + 2 + 4
  return { id, message, question: message.subarray(HEADER_BYTES, HEADER_BYTES + questionBytes) }
}

function inRandomCase(name: string, random: () => number): string {
  return name.replace(/[a-z]/g, (letter) => (random() < 0.5 ? letter : letter.toUpperCase()))
}
