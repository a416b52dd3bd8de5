import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Family, hostAddresses } from '../../../core/dns/host-addresses.ts'
import { address, noData, noDomain, type Reaction, SERVFAIL } from '../../support/dns-server.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { dnsStandFor } from './resolver-stand.ts'

const random = seededRandom(11)
const FOUR = Array.from({ length: 3 }, (_, i) => address('h.test', `192.0.2.${i}`))
const SIX = Array.from({ length: 2 }, (_, i) => address('h.test', `2001:db8::${i + 1}`))

test('the families take turns, IPv6 first (RFC 8305 §4)', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('h.test', 'A', { answers: FOUR, isAuthentic: true }).set('h.test', 'AAAA', { answers: SIX })
  const found = await hostAddresses(resolver, 'h.test', { family: 'both', random })
  assert.ok(found.kind === 'addresses')
  assert.deepEqual(
    found.addresses.map(({ family }) => family),
    [6, 4, 6, 4, 4],
  )
  assert.equal(new Set(found.addresses.map((one) => one.address)).size, 5)
  assert.equal(found.isAuthentic, false)
})

test('within a family the order is random', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('h.test', 'A', { answers: FOUR })
  const firsts = new Set<string | undefined>()
  for (let i = 0; i < 60; i++) {
    const found = await hostAddresses(resolver, 'h.test', { family: 'ipv4', random })
    if (found.kind === 'addresses') firsts.add(found.addresses[0]?.address)
  }
  assert.equal(firsts.size, 3)
})

test('a family that is switched off is not asked for', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('h.test', 'A', { answers: FOUR }).set('h.test', 'AAAA', { answers: SIX })
  for (const [family, type, version] of [
    ['ipv4', 'A', 4],
    ['ipv6', 'AAAA', 6],
  ] as const) {
    const before = server.asked.length
    const found = await hostAddresses(resolver, 'h.test', { family, random })
    assert.ok(found.kind === 'addresses' && found.addresses.every((one) => one.family === version))
    assert.deepEqual(
      server.asked.slice(before).map((asked) => asked.type),
      [type],
    )
  }
})

test('of a hundred addresses ten are used', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const many = Array.from({ length: 100 }, (_, i) => address('h.test', `192.0.2.${i}`))
  server.set('h.test', 'A', { answers: many }).set('h.test', 'AAAA', { answers: SIX })
  const found = await hostAddresses(resolver, 'h.test', { family: 'both', random })
  assert.equal(found.kind === 'addresses' && found.addresses.length, 10)
})

const SOME: Reaction = { answers: FOUR }
const cases: readonly { a: Reaction; aaaa: Reaction; family: Family; kind: string }[] = [
  { a: SOME, aaaa: SERVFAIL, family: 'both', kind: 'addresses' },
  { a: SERVFAIL, aaaa: noData(), family: 'both', kind: 'trouble' },
  { a: noData(), aaaa: SERVFAIL, family: 'both', kind: 'trouble' },
  { a: noDomain(), aaaa: SERVFAIL, family: 'both', kind: 'trouble' },
  { a: noData(), aaaa: noData(), family: 'both', kind: 'no-address' },
  { a: noDomain(), aaaa: noData(), family: 'both', kind: 'no-address' },
  { a: noDomain(), aaaa: noDomain(), family: 'both', kind: 'no-domain' },
  { a: noData(), aaaa: SERVFAIL, family: 'ipv4', kind: 'no-address' },
]
cases.forEach(({ a, aaaa, family, kind }, i) => {
  test(`what both answers mean together, ${i + 1}: ${kind}`, async (t) => {
    const { server, resolver } = await dnsStandFor(t)
    server.set('h.test', 'A', a).set('h.test', 'AAAA', aaaa)
    assert.equal((await hostAddresses(resolver, 'h.test', { family, random })).kind, kind)
  })
})
