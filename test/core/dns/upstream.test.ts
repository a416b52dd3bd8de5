import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { Resolver } from '../../../core/dns/resolver.ts'
import {
  address,
  DnsServer,
  dnsServerFor,
  mx,
  noDomain,
  REFUSED,
  SERVFAIL,
  SILENCE,
} from '../../support/dns-server.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { dnsStandFor } from './resolver-stand.ts'

for (const { rcode, name } of [
  { rcode: 1, name: 'FORMERR' },
  { rcode: 2, name: 'SERVFAIL' },
  { rcode: 4, name: 'NOTIMP' },
  { rcode: 5, name: 'REFUSED' },
  { rcode: 9, name: 'RCODE 9' },
]) {
  test(`${name} is trouble, not absence`, async (t) => {
    const { server, resolver } = await dnsStandFor(t)
    server.set('d.test', 'MX', { rcode })
    const reason = `${name} (127.0.0.1 port ${server.port})`
    assert.deepEqual(await resolver.mx('d.test'), { kind: 'trouble', reason })
  })
}

test('silence is trouble after every try', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { timeoutMs: 100, tries: 2 }, () => SILENCE)
  const answer = await resolver.mx('d.test')
  assert.equal(answer.kind, 'trouble')
  assert.match(
    answer.kind === 'trouble' ? answer.reason : '',
    /^no answer within 100 ms \(127\.0\.0\.1 port \d+\)$/,
  )
  assert.equal(server.count('d.test', 'MX'), 2)
})

test('a closed port is known at once', async () => {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  const resolver = new Resolver({ servers: [{ host: '127.0.0.1', port }], timeoutMs: 20_000 })
  const startedAt = performance.now()
  const answer = await resolver.a('d.test')
  assert.match(answer.kind === 'trouble' ? answer.reason : '', /ECONNREFUSED/)
  assert.ok(performance.now() - startedAt < 10_000)
})

test('a second server helps out, and the silent one is asked last for a while', async (t) => {
  const silent = await dnsServerFor(t, () => SILENCE)
  const servers = await dnsServerFor(t, ({ name }) => ({ answers: [address(name, '192.0.2.1')] }))
  const both = [...silent.servers, ...servers.servers]
  const { resolver, clock } = await dnsStandFor(t, { servers: both, timeoutMs: 1_000 })
  assert.equal((await resolver.a('one.test')).kind, 'found')
  assert.equal((await resolver.a('two.test')).kind, 'found')
  assert.equal(silent.asked.length, 1)
  clock.passSeconds(31)
  assert.equal((await resolver.a('three.test')).kind, 'found')
  assert.equal(silent.asked.length, 2)
})

test('a server that failed is not asked the same again, another one is', async (t) => {
  const failing = await dnsServerFor(t, () => SERVFAIL)
  const refusing = await dnsServerFor(t, () => REFUSED)
  const servers = [...failing.servers, ...refusing.servers]
  const { resolver } = await dnsStandFor(t, { servers, tries: 3 })
  const answer = await resolver.a('d.test')
  assert.match(answer.kind === 'trouble' ? answer.reason : '', /^SERVFAIL \(.*\); REFUSED \(.*\)$/)
  assert.deepEqual([failing.asked.length, refusing.asked.length], [1, 1])
})

test('a server that does not know EDNS is asked without it (RFC 6891 §6.2.2)', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const plain = { answers: [address('d.test', '192.0.2.1')] }
  server.set('d.test', 'A', ({ hasEdns }) => (hasEdns ? { rcode: 1 } : plain))
  assert.equal((await resolver.a('d.test')).kind, 'found')
  // Some do not even repeat the question.
  const complaint = (message: Buffer): Buffer => {
    message.writeUInt16BE(0, 4)
    return message.subarray(0, 12)
  }
  server.set('e.test', 'A', ({ hasEdns }) =>
    hasEdns ? { rcode: 1, change: complaint } : { answers: [address('e.test', '192.0.2.1')] },
  )
  assert.equal((await resolver.a('e.test')).kind, 'found')
})

test('a referral is no answer: the server does not resolve for us', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', {
    isRecursive: false,
    authorities: [{ type: 'NS', name: 'd.test', ttl: 60, data: 'ns.d.test' }],
  })
  const answer = await resolver.mx('d.test')
  assert.match(answer.kind === 'trouble' ? answer.reason : '', /does not resolve for others/)
})

test('a truncated answer is asked for over TCP', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'A', { isTruncated: true, answers: [address('d.test', '192.0.2.1')] })
  assert.equal((await resolver.a('d.test')).kind, 'found')
  assert.deepEqual(
    server.asked.map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
})

test('truncated, and then silence, a wrong id or a closed connection over TCP: trouble', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { timeoutMs: 300, tries: 1 })
  server.set('silent.test', 'A', ({ transport }) => (transport === 'udp' ? { isTruncated: true } : SILENCE))
  server.set('wrong.test', 'A', ({ transport }) =>
    transport === 'udp' ? { isTruncated: true } : { change: wrongId },
  )
  server.set('closed.test', 'A', { isTruncated: true, isClosed: true })
  const answers = await Promise.all(
    ['silent.test', 'wrong.test', 'closed.test'].map((name) => resolver.a(name)),
  )
  assert.deepEqual(
    answers.map((answer) => (answer.kind === 'trouble' ? answer.reason.replace(/ \(.*/, '') : answer.kind)),
    [
      'no answer within 300 ms',
      'an answer to another question',
      'the connection was closed before an answer',
    ],
  )
})

test('an answer over TCP may come octet by octet', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const answers = Array.from({ length: 50 }, (_, i) => address('d.test', `192.0.2.${i}`))
  server.set('d.test', 'A', { isTruncated: true, pieceBytes: 1, answers })
  const answer = await resolver.a('d.test')
  assert.equal(answer.kind === 'found' && answer.records.length, 50)
})

test('ids and ports differ from question to question', async (t) => {
  const { server, resolver } = await dnsStandFor(t, {}, ({ name }) => noDomain(name.length))
  for (let i = 0; i < 40; i++) await resolver.a(`n${i}.test`)
  // Out of so many a few may come twice by chance.
  assert.ok(new Set(server.asked.map(({ id }) => id)).size > 35)
  assert.ok(new Set(server.asked.map(({ port }) => port)).size > 30)
})

test('the question is sent in random capitals, unless told otherwise', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { random: seededRandom(7) })
  await resolver.a('some-longer-name.example.test')
  assert.match(server.asked[0]?.nameAsSent ?? '', /[A-Z]/)
  const plain = new Resolver({ servers: server.servers, isCaseRandomized: false })
  await plain.a('other-longer-name.example.test')
  assert.equal(server.asked[1]?.nameAsSent, 'other-longer-name.example.test')
})

test('a server that does not keep the capitals is asked over TCP, where nobody can forge', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { random: seededRandom(7) })
  const lowered = (message: Buffer, { question }: { question: Buffer }): Buffer => {
    const end = 12 + question.length - 4
    message.write(message.toString('latin1', 12, end).toLowerCase(), 12, 'latin1')
    return message
  }
  server.set('some-longer-name.test', 'A', {
    answers: [address('some-longer-name.test', '192.0.2.1')],
    change: lowered,
  })
  assert.equal((await resolver.a('some-longer-name.test')).kind, 'found')
  assert.deepEqual(
    server.asked.map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
})

// Most of the time is spent waiting.
describe('a forged answer', { concurrency: true }, () => {
  for (const { what, reaction } of [
    { what: 'with a wrong id', reaction: { change: wrongId } },
    { what: 'to another question', reaction: { change: otherQuestion } },
    { what: 'from another port', reaction: { isFromElsewhere: true } },
    { what: 'that is a question itself', reaction: { change: asQuery } },
    { what: 'shorter than a header', reaction: { change: () => Buffer.from('short') } },
  ]) {
    test(`an answer ${what} is not taken, the right one behind it is`, async (t) => {
      const forged = { answers: [address('d.test', '203.0.113.66')], ...reaction }
      const { server, resolver } = await dnsStandFor(t, { timeoutMs: 300, tries: 1 })
      server.set('d.test', 'A', forged)
      assert.equal((await resolver.a('d.test')).kind, 'trouble')
      const patient = new Resolver({ servers: server.servers, timeoutMs: 500, tries: 20 })
      let times = 0
      server.set('d.test', 'A', () =>
        ++times === 1 ? forged : { answers: [address('d.test', '192.0.2.1')] },
      )
      const answer = await patient.a('d.test')
      assert.deepEqual(answer.kind === 'found' ? answer.records : [], ['192.0.2.1'])
    })
  }
})

function wrongId(message: Buffer): Buffer {
  message.writeUInt16BE(message.readUInt16BE(0) ^ 1, 0)
  return message
}

function otherQuestion(message: Buffer): Buffer {
  message.write('x', 13, 'latin1')
  return message
}

function asQuery(message: Buffer): Buffer {
  message.writeUInt16BE(message.readUInt16BE(2) & 0x7fff, 2)
  return message
}

test('a server without an IP address or a port is refused when the resolver is made', () => {
  assert.throws(() => new Resolver({ servers: [{ host: 'ns.test', port: 53 }] }), RangeError)
  assert.throws(() => new Resolver({ servers: [{ host: '192.0.2.1', port: 0 }] }), RangeError)
})

test('more questions than sockets wait for their turn', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { timeoutMs: 2_000, tries: 5 }, () => ({
    delayMs: 50,
    ...noDomain(),
  }))
  const answers = await Promise.all(Array.from({ length: 1_200 }, (_, i) => resolver.a(`n${i}.test`)))
  assert.ok(answers.every(({ kind }) => kind === 'no-domain'))
  assert.equal(server.asked.filter(({ transport }) => transport === 'udp').length >= 1_200, true)
})

test('a server over IPv6 is asked over IPv6', async (t) => {
  // What stands there says nothing: that the question comes is enough.
  const socket = createSocket('udp6')
  const came = once(socket, 'message')
  const bound = once(socket, 'listening')
  socket.once('error', () => {})
  socket.bind(0, '::1')
  const isThere = await Promise.race([bound.then(() => true), once(socket, 'error').then(() => false)])
  t.after(() => socket.close())
  if (!isThere) {
    t.skip('no IPv6 on loopback')
    return
  }
  const resolver = new Resolver({ servers: [{ host: '::1', port: socket.address().port }], timeoutMs: 5_000 })
  const answer = resolver.a('d.test')
  await came
  resolver.close()
  assert.equal((await answer).kind, 'trouble')
})

test('the server of the tests takes part: it truncates what does not fit into a datagram', async (t) => {
  const server = await DnsServer.start()
  t.after(() => server.stop())
  const answers = Array.from({ length: 90 }, (_, i) => mx('d.test', i, `host-${i}.d.test`))
  server.set('d.test', 'MX', { answers })
  const resolver = new Resolver({ servers: server.servers, timeoutMs: 5_000 })
  const answer = await resolver.mx('d.test')
  assert.equal(answer.kind === 'found' && answer.records.length, 90)
  assert.deepEqual(
    server.asked.map(({ transport }) => transport),
    ['udp', 'tcp'],
  )
})
