/** Answers that are meant to hurt: none throws, none is believed, none holds up the event loop. */
import assert from 'node:assert/strict'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { test } from 'node:test'
import { newQuery } from '../../../core/dns/query.ts'
import { type RecordType, TYPE_CODES } from '../../../core/dns/record.ts'
import { fitOf, readResponse } from '../../../core/dns/response.ts'
import { address, manyMx, mx, rawMessage, rawRecord } from '../../support/dns-server.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { dnsStandFor } from './resolver-stand.ts'

/** What reading one message may cost, milliseconds; a message has at most 64 KB. A hundred times what it does cost. */
const BOUND_MS = 500

const query = newQuery({
  name: 'd.test',
  type: 'MX',
  isCaseRandomized: false,
  hasEdns: true,
  random: seededRandom(1),
})
const asked = {
  name: 'd.test',
  nameAsSent: 'd.test',
  type: 'MX',
  transport: 'tcp',
  id: query.id,
  port: 0,
  hasEdns: true,
  question: query.question,
} as const

/** Where the first octet behind the question stands. */
const BEHIND = 12 + query.question.length

function pointer(to: number): Buffer {
  const octets = Buffer.alloc(2)
  octets.writeUInt16BE(0xc000 | to)
  return octets
}

test('an honest message of the tests is read', () => {
  const message = rawMessage(asked, 1, [rawRecord(15, Buffer.from('\0\x0a\x01m\xc0\x0c', 'latin1'))])
  assert.equal(fitOf(message, query), 'fits')
  assert.deepEqual(readResponse(message, 'MX')?.records, [
    { owner: 'd.test', ttlSeconds: 60, data: { preference: 10, exchange: 'm.d.test' } },
  ])
})

for (const { what, data, type = 'MX' } of [
  { what: 'a pointer to itself', data: Buffer.concat([Buffer.alloc(2), pointer(BEHIND + 14)]) },
  {
    what: 'a pointer forwards',
    data: Buffer.concat([Buffer.alloc(2), pointer(BEHIND + 16), Buffer.alloc(1)]),
  },
  { what: 'a pointer behind the end', data: Buffer.concat([Buffer.alloc(2), pointer(0x3fff)]) },
  {
    what: 'two pointers in a loop',
    data: Buffer.concat([Buffer.alloc(2), pointer(BEHIND + 16), pointer(BEHIND + 14)]),
  },
  {
    what: 'a label that leads back to itself',
    data: Buffer.concat([Buffer.alloc(2), Buffer.from('\x01a', 'latin1'), pointer(BEHIND + 14)]),
  },
  { what: 'a label of a type nobody knows', data: Buffer.from('\0\0\x41a\0', 'latin1') },
  { what: 'a name cut off', data: Buffer.from('\0\0\x05abc', 'latin1') },
  { what: 'a name with something behind', data: Buffer.from('\0\0\x01a\0xyz', 'latin1') },
  { what: 'no name', data: Buffer.alloc(2) },
  { what: 'no data at all', data: Buffer.alloc(0) },
  {
    what: 'a name of 300 octets',
    data: Buffer.concat([Buffer.alloc(2), ...Array.from({ length: 5 }, () => label(59)), Buffer.alloc(1)]),
  },
  { what: 'an address of three octets', data: Buffer.alloc(3), type: 'A' },
  { what: 'an address of five octets', data: Buffer.alloc(5), type: 'A' },
  { what: 'an IPv6 address of four octets', data: Buffer.alloc(4), type: 'AAAA' },
  { what: 'a string longer than its record', data: Buffer.from('\x05abc'), type: 'TXT' },
  { what: 'a text without a string', data: Buffer.alloc(0), type: 'TXT' },
  { what: 'a TLSA record of two octets', data: Buffer.alloc(2), type: 'TLSA' },
  { what: 'no TLSA record at all', data: Buffer.alloc(0), type: 'TLSA' },
] satisfies readonly { what: string; data: Buffer; type?: RecordType }[]) {
  test(`${what} makes an answer malformed`, () => {
    const message = rawMessage(asked, 1, [rawRecord(TYPE_CODES[type], data)])
    assert.equal(readResponse(message, type), null)
  })
}

function label(length: number): Buffer {
  return Buffer.concat([Buffer.from([length]), Buffer.alloc(length, 'a')])
}

test('a TLSA record without certificate data is a record, not nothing (RFC 7672 §2.1)', () => {
  const message = rawMessage(asked, 1, [rawRecord(TYPE_CODES.TLSA, Buffer.from([3, 1, 1]))])
  assert.deepEqual(readResponse(message, 'TLSA')?.records[0]?.data, {
    usage: 3,
    selector: 1,
    matchingType: 1,
    data: new Uint8Array(),
  })
})

test('malformed answers are trouble, over UDP and over TCP', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const loop = Buffer.concat([Buffer.alloc(2), pointer(0x3ff)])
  server.set('udp.test', 'MX', { message: (udp) => rawMessage(udp, 1, [rawRecord(15, loop)]) })
  server.set('tcp.test', 'MX', {
    isTruncated: true,
    message: (tcp) => rawMessage(tcp, 1, [rawRecord(15, loop)]),
  })
  server.set('short.test', 'MX', {
    message: (short) => rawMessage(short, 5, [rawRecord(15, loop).subarray(0, 9)]),
  })
  for (const name of ['udp.test', 'tcp.test', 'short.test']) {
    const answer = await resolver.mx(name)
    assert.match(answer.kind === 'trouble' ? answer.reason : '', /^a malformed answer/, name)
  }
})

test('whatever octets come, reading them ends and throws nothing', () => {
  const random = seededRandom(20_260_101)
  const honest = rawMessage(asked, 3, [
    rawRecord(15, Buffer.from('\0\x0a\x01m\xc0\x0c', 'latin1')),
    rawRecord(5, Buffer.from('\x01c\xc0\x0c', 'latin1')),
    rawRecord(16, Buffer.from('\x03abc\x02de')),
  ])
  const types = Object.keys(TYPE_CODES).filter((type): type is RecordType => !/CNAME|SOA|OPT/.test(type))
  for (let round = 0; round < 20_000; round++) {
    const message = Buffer.from(honest.subarray(0, 12 + Math.floor(random() * (honest.length - 11))))
    for (let i = Math.floor(random() * 8); i > 0; i--) {
      message[2 + Math.floor(random() * (message.length - 2))] = Math.floor(random() * 256)
    }
    fitOf(message, query)
    for (const type of types) readResponse(message, type)
  }
})

test('noise instead of an answer is not taken', async (t) => {
  const random = seededRandom(5)
  const { server, resolver } = await dnsStandFor(t, { timeoutMs: 200, tries: 1 })
  server.set('d.test', 'MX', {
    message: () => Buffer.from(Array.from({ length: 200 }, () => random() * 256)),
  })
  assert.equal((await resolver.mx('d.test')).kind, 'trouble')
})

test('a long way of pointers, again and again, is read in bounded time', () => {
  // Each pointer leads to the one before: 8 000 steps to the end. The other half of the message begins there each time.
  const steps = Array.from({ length: 8_000 }, (_, i) => pointer(i === 0 ? 12 : BEHIND + 12 + 2 * (i - 1)))
  const way = rawRecord(99, Buffer.concat(steps))
  const last = BEHIND + 12 + 2 * 7_999
  const crowd = Array.from({ length: 3_400 }, () => {
    const record = rawRecord(15, Buffer.concat([Buffer.alloc(2), pointer(last)]))
    pointer(last).copy(record, 0)
    return record
  })
  const message = rawMessage(asked, 1 + crowd.length, [way, ...crowd])
  assert.ok(message.length > 60_000)
  const startedAt = performance.now()
  assert.equal(readResponse(message, 'MX'), null)
  for (const type of ['A', 'TXT'] as const) assert.equal(readResponse(message, type)?.records.length, 0)
  assert.ok(performance.now() - startedAt < BOUND_MS)
})

test('of thousands of records a hundred are taken, and nobody waits for it', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', manyMx(10_000))
  server.set('liar.test', 'MX', manyMx(10_000, 10_000))
  const delay = monitorEventLoopDelay({ resolution: 5 })
  delay.enable()
  const answer = await resolver.mx('d.test')
  delay.disable()
  assert.equal(answer.kind === 'found' && answer.records.length, 100)
  assert.ok(delay.max / 1e6 < BOUND_MS, `${delay.max / 1e6} ms`)
  const announced = await resolver.mx('liar.test')
  assert.match(announced.kind === 'trouble' ? announced.reason : '', /^a malformed answer/)
})

test('what was asked for hides behind too many others: trouble, not absence', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const others = Array.from({ length: 150 }, (_, i) => mx(`o${i}.test`, 10, 'x.test'))
  server.set('d.test', 'MX', { answers: [...others, mx('d.test', 10, 'm.d.test')] })
  assert.deepEqual(await resolver.mx('d.test'), {
    kind: 'trouble',
    reason: 'too many records to find the right one',
  })
})

test('an answer about another name is not taken for one, nor for absence', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'A', { answers: [address('e.test', '203.0.113.66')] })
  server.set('n.test', 'A', { rcode: 3, answers: [address('n.test', '203.0.113.66')] })
  assert.deepEqual(await resolver.a('d.test'), { kind: 'trouble', reason: 'an answer about other names' })
  assert.deepEqual(await resolver.a('n.test'), {
    kind: 'trouble',
    reason: 'an answer that contradicts itself',
  })
})

test('64 KB of text are read, and kept only as long as there is room', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const strings = Array.from({ length: 255 }, () => Buffer.alloc(255, 'x'))
  server.set('d.test', 'TXT', { answers: [{ type: 'TXT', name: 'd.test', ttl: 60, data: strings }] })
  const startedAt = performance.now()
  const answer = await resolver.txt('d.test')
  assert.equal(answer.kind === 'found' && answer.records[0]?.length, 255 * 255)
  assert.ok(performance.now() - startedAt < 5_000)
})

test('line ends, zeros and dots in the name of a host cannot end a line or pass for another name', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const name = '1.2.0.192.in-addr.arpa'
  const evil = Buffer.from('\x0aa\r\n\0b.c\\\xe9D\x04test\0', 'latin1')
  server.set(name, 'PTR', { message: (ptr) => rawMessage(ptr, 1, [rawRecord(12, evil)]) })
  const answer = await resolver.ptr('192.0.2.1')
  assert.deepEqual(answer.kind === 'found' && answer.records, ['a\\013\\010\\000b\\046c\\092\\233d.test'])
})

test('an alias for a name nobody can ask about is trouble', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const target = Buffer.from('\x03a.b\xc0\x0c', 'latin1')
  server.set('d.test', 'A', { message: (a) => rawMessage(a, 1, [rawRecord(5, target)]) })
  assert.equal((await resolver.a('d.test')).kind, 'trouble')
})

test('the upper bits of EDNS make the code: BADVERS is trouble', () => {
  // OPT: root, type 41, payload, extended code 1, version 0.
  const opt = Buffer.from('0000290400010000000000', 'hex')
  const message = rawMessage(asked, 0, [opt])
  message.writeUInt16BE(1, 10)
  assert.equal(readResponse(message, 'MX')?.rcode, 16)
})

test('a flood of datagrams that do not fit ends with a question over TCP', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const forge = (message: Buffer): Buffer => {
    message.writeUInt16BE(message.readUInt16BE(0) ^ 1, 0)
    return message
  }
  const truth = { answers: [address('d.test', '192.0.2.1')] }
  server.set('d.test', 'A', ({ transport }) => {
    if (transport === 'tcp') return truth
    return { ...truth, change: forge, copies: 60 }
  })
  assert.equal((await resolver.a('d.test')).kind, 'found')
  assert.deepEqual(
    server.asked.map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
})
