import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AnswerCache } from '../../../core/dns/answer-cache.ts'
import { address, alias, noData, noDomain, SERVFAIL, soa } from '../../support/dns-server.ts'
import { dnsStandFor, FakeClock } from './resolver-stand.ts'

test('an answer is used until its time is over, and says how much is left', async (t) => {
  const { server, resolver, clock } = await dnsStandFor(t)
  server.set('d.test', 'A', {
    answers: [address('d.test', '192.0.2.1', 300), address('d.test', '192.0.2.2', 100)],
  })
  await resolver.a('d.test')
  clock.passSeconds(99)
  const answer = await resolver.a('D.TEST.')
  assert.equal(answer.kind === 'found' && answer.ttlSeconds, 1)
  assert.equal(server.asked.length, 1)
  clock.passSeconds(1)
  await resolver.a('d.test')
  assert.equal(server.asked.length, 2)
})

test('nothing is served when its time is over, whatever the servers do', async (t) => {
  const { server, resolver, clock } = await dnsStandFor(t)
  server.set('d.test', 'A', { answers: [address('d.test', '192.0.2.1', 10)] })
  await resolver.a('d.test')
  server.set('d.test', 'A', SERVFAIL)
  clock.passSeconds(10)
  assert.equal((await resolver.a('d.test')).kind, 'trouble')
})

for (const { sent, kept } of [
  { sent: 0, kept: 1 },
  { sent: 1, kept: 1 },
  { sent: 86_400, kept: 86_400 },
  { sent: 86_401, kept: 86_400 },
  { sent: 0x7fff_ffff, kept: 86_400 },
  // RFC 2181 §8: as if it were 0.
  { sent: 0x8000_0000, kept: 1 },
  { sent: 0xffff_ffff, kept: 1 },
]) {
  test(`a TTL of ${sent} s is ${kept} s`, async (t) => {
    const { server, resolver, clock } = await dnsStandFor(t)
    server.set('d.test', 'A', { answers: [address('d.test', '192.0.2.1', sent)] })
    const answer = await resolver.a('d.test')
    assert.equal(answer.kind === 'found' && answer.ttlSeconds, kept)
    clock.passSeconds(kept - 0.001)
    await resolver.a('d.test')
    assert.equal(server.asked.length, 1)
    clock.passSeconds(0.001)
    await resolver.a('d.test')
    assert.equal(server.asked.length, 2)
  })
}

for (const { what, authorities, kept } of [
  { what: 'the minimum of the SOA record', authorities: [soa(600, 30)], kept: 30 },
  { what: 'its TTL when that is less', authorities: [soa(20, 600)], kept: 20 },
  { what: 'an hour at most', authorities: [soa(86_400, 86_400)], kept: 3_600 },
  { what: 'no time without an SOA record', authorities: [], kept: 0 },
]) {
  test(`that there is none holds for ${what} (RFC 2308 §5)`, async (t) => {
    const { server, resolver, clock } = await dnsStandFor(t)
    server.set('d.test', 'A', { rcode: 3, authorities })
    server.set('d.test', 'AAAA', { authorities })
    for (const asks of [1, 2]) {
      for (const time of kept === 0 ? ['at once'] : ['at once', 'later']) {
        assert.equal((await resolver.a('d.test')).kind, 'no-domain')
        assert.equal((await resolver.aaaa('d.test')).kind, 'no-data')
        assert.equal(server.count('d.test', 'A'), asks, time)
        assert.equal(server.count('d.test', 'AAAA'), asks, time)
        if (time === 'at once' && kept > 0) clock.passSeconds(kept - 0.5)
      }
      clock.passSeconds(0.5)
    }
  })
}

test('an alias that leads nowhere holds no longer than the alias', async (t) => {
  const { server, resolver, clock } = await dnsStandFor(t)
  server.set('d.test', 'A', { ...noDomain(600), answers: [alias('d.test', 'gone.test', 5)] })
  server.set('e.test', 'A', { ...noData(600), answers: [alias('e.test', 'bare.test', 5)] })
  await Promise.all([resolver.a('d.test'), resolver.a('e.test')])
  clock.passSeconds(5)
  await Promise.all([resolver.a('d.test'), resolver.a('e.test')])
  assert.deepEqual([server.count('d.test', 'A'), server.count('e.test', 'A')], [2, 2])
})

test('trouble is remembered for a second, so that a crowd asks once', async (t) => {
  const { server, resolver, clock } = await dnsStandFor(t)
  server.set('d.test', 'A', SERVFAIL)
  for (let i = 0; i < 10; i++) assert.equal((await resolver.a('d.test')).kind, 'trouble')
  assert.equal(server.asked.length, 1)
  clock.passSeconds(1)
  server.set('d.test', 'A', { answers: [address('d.test', '192.0.2.1')] })
  assert.equal((await resolver.a('d.test')).kind, 'found')
})

test('what was used last stays', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { maxCacheEntries: 2 }, ({ name }) => ({
    answers: [address(name, '192.0.2.1')],
  }))
  for (const name of ['a.test', 'b.test', 'a.test', 'c.test', 'a.test', 'b.test']) await resolver.a(name)
  assert.deepEqual(
    server.asked.map(({ name }) => name),
    ['a.test', 'b.test', 'c.test', 'b.test'],
  )
})

test('few entries may be too large together', () => {
  const cache = new AnswerCache({ maxEntries: 1_000, maxBytes: 100_000, clock: new FakeClock() })
  const answer = { kind: 'found', records: ['x'.repeat(30_000)], ttlSeconds: 60, isAuthentic: false } as const
  for (let i = 0; i < 10; i++) cache.set(`TXT n${i}.test`, answer, 60)
  assert.equal(cache.size, 3)
  assert.equal(cache.get('TXT n6.test'), null)
  assert.deepEqual(cache.get('TXT n9.test'), answer)
  // Replaced, not added.
  for (let i = 0; i < 10; i++) cache.set('TXT n9.test', answer, 60)
  assert.equal(cache.size, 3)
  cache.set('TXT huge.test', { ...answer, records: ['x'.repeat(200_000)] }, 60)
  assert.equal(cache.size, 0)
})
