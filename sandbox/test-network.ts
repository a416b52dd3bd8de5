/** The network of a test host: names and servers are what the test says, and nothing else is reached. */
import { type Answer, NO_DATA, NO_DOMAIN, trouble } from '../core/dns/answer.ts'
import type { MxRecord } from '../core/dns/record.ts'
import { HttpFault, type HttpRequest, type HttpResponse } from '../core/https.ts'
import { TcpFault } from '../core/tcp.ts'
import type { NameLookups } from './broker/dns.ts'
import type { TcpDoor } from './broker/tcp.ts'
import { tcpTarget } from './tcp-target.ts'

/** By type and name, as in `MX example.test`; of a PTR the address. `trouble`: nobody knows. */
export type TestRecords = Readonly<Record<string, readonly (string | MxRecord)[] | 'no-data' | 'trouble'>>

/** By URL. `trouble`: no server answers. */
export type TestResponses = Readonly<Record<string, TestResponse | 'trouble'>>

export interface TestResponse {
  /** 200 when left out. */
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

/** A request that was sent. */
export interface TestRequest {
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Answers by target, as in `clamd.example.test:3310`. `trouble`: nobody accepts the connection. */
export type TestTcpAnswers = Readonly<Record<string, string>>

/** What was sent over TCP, one character an octet. */
export interface TestExchange {
  readonly target: string
  readonly sent: string
}

const TTL_SECONDS = 300
/** Of a host that has responses and no record: an address on the Internet. */
const SOMEWHERE = '203.0.113.80'

export function testResolver(
  records: TestRecords,
  responses: TestResponses,
  answers: TestTcpAnswers = {},
): NameLookups {
  const known = new Set(Object.keys(records).map((key) => key.split(' ')[1]))
  const hosts = new Set([
    ...Object.keys(responses).map((url) => new URL(url).hostname),
    ...Object.keys(answers).map((target) => tcpTarget(target)?.host ?? target),
  ])
  const lookup =
    (type: string) =>
    async <Data>(name: string): Promise<Answer<Data>> => {
      const found = records[`${type} ${name}`]
      if (found === 'trouble') return trouble('no server answers')
      if (found === 'no-data') return NO_DATA
      if (found !== undefined) return answered(found as readonly unknown[] as readonly Data[])
      if (known.has(name)) return NO_DATA
      if (hosts.has(name)) return type === 'A' ? answered([SOMEWHERE as Data]) : NO_DATA
      return NO_DOMAIN
    }
  return { a: lookup('A'), aaaa: lookup('AAAA'), mx: lookup('MX'), txt: lookup('TXT'), ptr: lookup('PTR') }
}

function answered<Data>(records: readonly Data[]): Answer<Data> {
  return records.length === 0
    ? NO_DATA
    : { kind: 'found', records, ttlSeconds: TTL_SECONDS, isAuthentic: false }
}

/** Answers from the table and writes down what was sent. */
export function testDoor(responses: TestResponses, sent: TestRequest[]) {
  return async ({ url, method, headers, body }: HttpRequest): Promise<HttpResponse> => {
    const pieces: Uint8Array[] = []
    for await (const piece of body?.chunks ?? []) pieces.push(piece)
    sent.push({ url: url.href, method, headers, body: Buffer.concat(pieces).toString() })
    const response = responses[url.href]
    if (response === undefined || response === 'trouble') throw new HttpFault('no server answers')
    return {
      status: response.status ?? 200,
      headers: response.headers ?? {},
      body: Buffer.from(response.body ?? ''),
    }
  }
}

/** Answers over TCP from the table and writes down what was sent; an answer has an end as a server's has. */
export function testTcpDoor(answers: TestTcpAnswers, sent: TestExchange[]): TcpDoor {
  return async ({ target, chunks, until, maxAnswerBytes }) => {
    const pieces: Uint8Array[] = []
    for await (const piece of chunks) pieces.push(piece)
    sent.push({ target, sent: Buffer.concat(pieces).toString('latin1') })
    const text = answers[target]
    if (text === undefined || text === 'trouble') throw new TcpFault('no server answers')
    const answer = Buffer.from(text, 'latin1')
    const at = until === null ? answer.length : answer.indexOf(until)
    if (at < 0) throw new TcpFault('the connection ended before the answer did')
    if (at > maxAnswerBytes) throw new TcpFault(`an answer of more than ${maxAnswerBytes} octets`)
    return answer.subarray(0, at)
  }
}
