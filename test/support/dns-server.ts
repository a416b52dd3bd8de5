/** A DNS server on loopback, UDP and TCP on one port, that does what a script says and keeps what it was asked. */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import type { TestContext } from 'node:test'
import {
  type Answer,
  AUTHENTIC_DATA,
  AUTHORITATIVE_ANSWER,
  decode,
  encode,
  RECURSION_AVAILABLE,
  RECURSION_DESIRED,
  type RecordType,
  TRUNCATED_RESPONSE,
} from 'dns-packet'

/** A question that came. */
export interface Asked {
  /** Lower-case; `nameAsSent` is not. */
  readonly name: string
  readonly nameAsSent: string
  readonly type: RecordType
  readonly transport: 'udp' | 'tcp'
  readonly id: number
  /** Where it came from. */
  readonly port: number
  readonly hasEdns: boolean
  /** The question as it stands in the message. */
  readonly question: Buffer
}

/** What the server does. Nothing given: NOERROR without records, and without an SOA record. */
export interface Reaction {
  readonly answers?: readonly Answer[]
  readonly authorities?: readonly Answer[]
  /** 0 NOERROR, 1 FORMERR, 2 SERVFAIL, 3 NXDOMAIN, 5 REFUSED. */
  readonly rcode?: number
  /** The AD bit. */
  readonly isAuthentic?: boolean
  /** The TC bit over UDP, with nothing in it. What does not fit into 1232 octets is truncated anyway. */
  readonly isTruncated?: boolean
  /** The RA bit; set unless told otherwise. */
  readonly isRecursive?: boolean
  readonly delayMs?: number
  readonly isSilent?: boolean
  /** Over TCP: the connection is closed instead of an answer. */
  readonly isClosed?: boolean
  /** Over TCP: octets sent at once; all unless told otherwise. */
  readonly pieceBytes?: number
  /** How often the answer is sent over UDP; once unless told otherwise. */
  readonly copies?: number
  /** Whether the answer over UDP comes from another port. */
  readonly isFromElsewhere?: boolean
  /** The whole message instead, for what no encoder writes. */
  readonly message?: (asked: Asked) => Buffer
  /** The last word on the octets. */
  readonly change?: (message: Buffer, asked: Asked) => Buffer
}

export type Script = (asked: Asked) => Reaction | undefined

const UDP_BYTES = 1_232
export const SILENCE: Reaction = { isSilent: true }
export const SERVFAIL: Reaction = { rcode: 2 }
export const REFUSED: Reaction = { rcode: 5 }

/** The name does not exist; how long that holds, seconds. */
export function noDomain(ttl = 60): Reaction {
  return { rcode: 3, authorities: [soa(ttl)] }
}

/** The name exists without such records. */
export function noData(ttl = 60): Reaction {
  return { authorities: [soa(ttl)] }
}

export function soa(ttl: number, minimum: number = ttl): Answer {
  const data = { mname: 'ns.test', rname: 'admin.test', serial: 1, refresh: 1, retry: 1, expire: 1, minimum }
  return { type: 'SOA', name: 'test', ttl, data }
}

export function mx(name: string, preference: number, exchange: string, ttl = 60): Answer {
  return { type: 'MX', name, ttl, data: { preference, exchange } }
}

/** An A or AAAA record, by the look of the address. */
export function address(name: string, data: string, ttl = 60): Answer {
  return { type: data.includes(':') ? 'AAAA' : 'A', name, ttl, data }
}

export function alias(name: string, data: string, ttl = 60): Answer {
  return { type: 'CNAME', name, ttl, data }
}

export class DnsServer {
  readonly #udp: UdpSocket
  readonly #elsewhere: UdpSocket
  readonly #tcp: Server
  readonly #connections = new Set<Socket>()
  readonly #table = new Map<string, Reaction | Script>()
  readonly #otherwise: Script
  /** Everything it was asked, in order. */
  readonly asked: Asked[] = []

  private constructor(otherwise: Script) {
    this.#otherwise = otherwise
    this.#udp = createSocket('udp4')
    this.#elsewhere = createSocket('udp4')
    this.#tcp = createServer((socket) => this.#came(socket))
    this.#udp.on('message', (message, from) => void this.#overUdp(message, from))
  }

  /** @param otherwise asked when nothing is set for a name and type; NXDOMAIN when it has no answer either */
  static async start(otherwise: Script = () => undefined): Promise<DnsServer> {
    for (;;) {
      const server = new DnsServer(otherwise)
      if (await server.#listen()) return server
      await server.stop()
    }
  }

  get port(): number {
    return this.#udp.address().port
  }

  /** As the resolver's options want it. */
  get servers(): readonly { readonly host: string; readonly port: number }[] {
    return [{ host: '127.0.0.1', port: this.port }]
  }

  /** Scripts one name and type; a later call replaces it. */
  set(name: string, type: RecordType, reaction: Reaction | Script): this {
    this.#table.set(`${type} ${name.toLowerCase()}`, reaction)
    return this
  }

  /** How often this was asked. */
  count(name: string, type: RecordType): number {
    return this.asked.filter((asked) => asked.name === name && asked.type === type).length
  }

  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.destroy()
    await new Promise<void>((resolve) => this.#tcp.close(() => resolve()))
    await Promise.all(
      [this.#udp, this.#elsewhere].map((socket) => new Promise<void>((resolve) => socket.close(resolve))),
    )
  }

  /** False when the port that was free for UDP is taken for TCP. */
  async #listen(): Promise<boolean> {
    this.#elsewhere.bind(0, '127.0.0.1')
    await once(this.#elsewhere, 'listening')
    this.#udp.bind(0, '127.0.0.1')
    await once(this.#udp, 'listening')
    this.#tcp.listen(this.port, '127.0.0.1')
    return await once(this.#tcp, 'listening').then(
      () => (this.#tcp.address() as AddressInfo).port === this.port,
      () => false,
    )
  }

  async #overUdp(message: Buffer, from: RemoteInfo): Promise<void> {
    const asked = read(message, 'udp', from.port)
    const reaction = this.#reaction(asked)
    const reply = await replyTo(asked, reaction)
    if (reply === null) return
    const socket = reaction.isFromElsewhere === true ? this.#elsewhere : this.#udp
    // The socket may be closed by now, the test over.
    try {
      for (let left = reaction.copies ?? 1; left > 0; left--) socket.send(reply, from.port, from.address)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_SOCKET_DGRAM_NOT_RUNNING') throw error
    }
  }

  #came(socket: Socket): void {
    this.#connections.add(socket)
    socket.on('error', () => {})
    socket.once('close', () => this.#connections.delete(socket))
    let pending: Buffer = Buffer.alloc(0)
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk])
      while (pending.length >= 2 && pending.length >= 2 + pending.readUInt16BE(0)) {
        const end = 2 + pending.readUInt16BE(0)
        void this.#overTcp(pending.subarray(2, end), socket)
        pending = pending.subarray(end)
      }
    })
  }

  async #overTcp(message: Buffer, socket: Socket): Promise<void> {
    const asked = read(message, 'tcp', socket.remotePort ?? 0)
    const reaction = this.#reaction(asked)
    const reply = await replyTo(asked, reaction)
    if (reaction.isClosed === true) socket.end()
    else if (reply !== null) await sendOverTcp(socket, reply, reaction.pieceBytes)
  }

  #reaction(asked: Asked): Reaction {
    this.asked.push(asked)
    const scripted = this.#table.get(`${asked.type} ${asked.name}`) ?? this.#otherwise
    return (typeof scripted === 'function' ? scripted(asked) : scripted) ?? noDomain()
  }
}

/** A server that lives as long as the test. */
export async function dnsServerFor(t: TestContext, otherwise?: Script): Promise<DnsServer> {
  const server = await DnsServer.start(otherwise)
  t.after(() => server.stop())
  return server
}

async function sendOverTcp(socket: Socket, reply: Buffer, pieceBytes = 65_537): Promise<void> {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(reply.length)
  const octets = Buffer.concat([length, reply])
  socket.setNoDelay(true)
  for (let at = 0; at < octets.length && !socket.destroyed; at += pieceBytes) {
    socket.write(octets.subarray(at, at + pieceBytes))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function read(message: Buffer, transport: Asked['transport'], port: number): Asked {
  const { id = 0, questions: [first] = [], additionals = [] } = decode(message)
  if (first === undefined) throw new Error('a query without a question')
  return {
    name: first.name.toLowerCase(),
    nameAsSent: first.name,
    type: first.type,
    transport,
    id,
    port,
    hasEdns: additionals.some(({ type }) => type === 'OPT'),
    question: message.subarray(12, 12 + first.name.length + 6),
  }
}

async function replyTo(asked: Asked, reaction: Reaction): Promise<Buffer | null> {
  const { delayMs = 0, isSilent = false, change = (message) => message } = reaction
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs).unref())
  if (isSilent) return null
  const whole = reaction.message?.(asked) ?? encoded(asked, reaction)
  const isCut = asked.transport === 'udp' && (reaction.isTruncated === true || whole.length > UDP_BYTES)
  return change(isCut ? encoded(asked, {}, TRUNCATED_RESPONSE) : whole, asked)
}

function encoded(asked: Asked, reaction: Reaction, moreFlags = 0): Buffer {
  const { rcode = 0, isAuthentic = false, isRecursive = true, answers = [], authorities = [] } = reaction
  const bits =
    RECURSION_DESIRED | (isRecursive ? RECURSION_AVAILABLE : 0) | (isAuthentic ? AUTHENTIC_DATA : 0)
  return encode({
    type: 'response',
    id: asked.id,
    flags: bits | rcode | moreFlags,
    questions: [{ name: asked.nameAsSent, type: asked.type, class: 'IN' }],
    answers: [...answers],
    authorities: [...authorities],
  })
}

/** A record as it stands behind the question, which its owner points to. */
export function rawRecord(type: number, data: Buffer, ttl = 60): Buffer {
  const fixed = Buffer.alloc(12)
  fixed.writeUInt16BE(0xc00c, 0)
  fixed.writeUInt16BE(type, 2)
  fixed.writeUInt16BE(1, 4)
  fixed.writeUInt32BE(ttl, 6)
  fixed.writeUInt16BE(data.length, 10)
  return Buffer.concat([fixed, data])
}

/** A message with these octets behind the question. `count` answers are announced, whether they are there or not. */
export function rawMessage({ id, question }: Asked, count: number, records: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(0x8000 | RECURSION_DESIRED | RECURSION_AVAILABLE | AUTHORITATIVE_ANSWER, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(count, 6)
  return Buffer.concat([header, question, ...records])
}

/**
 * So many MX records, or as many as fit into 64 KB, which is about three thousand: `m0`, `m1`, … below the name asked
 * about, each preferred to the one before. `announced` is the number the header gives, the true one unless told otherwise.
 */
export function manyMx(count: number, announced?: number): Reaction {
  return {
    message: (asked) => {
      const records: Buffer[] = []
      let bytes = 12 + asked.question.length
      for (let i = 0; i < count; i++) {
        const label = `m${i}`
        const data = Buffer.from(`\0\0${String.fromCharCode(label.length)}${label}\xc0\x0c`, 'latin1')
        data.writeUInt16BE(count - i, 0)
        const record = rawRecord(15, data)
        bytes += record.length
        if (bytes > 65_535) break
        records.push(record)
      }
      return rawMessage(asked, announced ?? records.length, records)
    },
  }
}
