import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  betterThanOurselves,
  type MailExchangers,
  mailExchangers,
} from '../../../core/dns/mail-exchangers.ts'
import {
  address,
  alias,
  manyMx,
  mx,
  noData,
  noDomain,
  REFUSED,
  SERVFAIL,
  SILENCE,
} from '../../support/dns-server.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { dnsStandFor } from './resolver-stand.ts'

const random = seededRandom(3)

function namesOf(found: MailExchangers): readonly string[] {
  return found.kind === 'hosts' ? found.hosts.map(({ name }) => name) : []
}

test('hosts come in the order of preference (RFC 5321 §5.1)', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', {
    isAuthentic: true,
    answers: [mx('d.test', 30, 'c.test'), mx('d.test', 0, 'a.test'), mx('d.test', 20, 'B.test.')],
  })
  assert.deepEqual(await mailExchangers(resolver, 'D.test', { random }), {
    kind: 'hosts',
    hosts: [
      { name: 'a.test', preference: 0 },
      { name: 'b.test', preference: 20 },
      { name: 'c.test', preference: 30 },
    ],
    isImplicit: false,
    isAuthentic: true,
  })
})

test('hosts of the same preference come in every order, about equally often', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', {
    answers: [
      mx('d.test', 10, 'a.test'),
      mx('d.test', 10, 'b.test'),
      mx('d.test', 10, 'c.test'),
      mx('d.test', 20, 'z.test'),
    ],
  })
  const seen = new Map<string, number>()
  for (let i = 0; i < 600; i++) {
    const order = namesOf(await mailExchangers(resolver, 'd.test', { random })).join(' ')
    assert.match(order, / z\.test$/)
    seen.set(order, (seen.get(order) ?? 0) + 1)
  }
  assert.equal(seen.size, 6)
  for (const [order, times] of seen) assert.ok(times > 50 && times < 150, `${order}: ${times}`)
})

test('a null MX says that the domain takes no mail (RFC 7505)', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', { answers: [mx('d.test', 0, '.')] })
  assert.deepEqual(await mailExchangers(resolver, 'd.test', { random }), { kind: 'null-mx' })
  // Beside others it is only a name that is none.
  server.set('e.test', 'MX', { answers: [mx('e.test', 0, '.'), mx('e.test', 10, 'm.test')] })
  assert.deepEqual(namesOf(await mailExchangers(resolver, 'e.test', { random })), ['m.test'])
})

test('without MX records the domain is its own exchanger, if it has an address of either kind', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  for (const name of ['four.test', 'six.test', 'bare.test']) {
    for (const type of ['MX', 'A', 'AAAA'] as const) server.set(name, type, noData())
  }
  server.set('four.test', 'A', { answers: [address('four.test', '192.0.2.1')] })
  server.set('six.test', 'AAAA', { answers: [address('six.test', '2001:db8::1')] })
  for (const name of ['four.test', 'six.test']) {
    assert.deepEqual(await mailExchangers(resolver, name, { random }), {
      kind: 'hosts',
      hosts: [{ name, preference: 0 }],
      isImplicit: true,
      isAuthentic: false,
    })
  }
  const bare = await mailExchangers(resolver, 'bare.test', { random })
  assert.deepEqual(bare, { kind: 'unusable', reason: 'it has neither mail exchangers nor an address' })
})

test('trouble with the address is trouble, unless the other kind is there', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  for (const name of ['one.test', 'two.test']) server.set(name, 'MX', noData()).set(name, 'A', SERVFAIL)
  server.set('one.test', 'AAAA', noData())
  server.set('two.test', 'AAAA', { answers: [address('two.test', '2001:db8::1')] })
  assert.equal((await mailExchangers(resolver, 'one.test', { random })).kind, 'trouble')
  assert.equal((await mailExchangers(resolver, 'two.test', { random })).kind, 'hosts')
})

for (const { what, reaction, kind } of [
  { what: 'NXDOMAIN', reaction: noDomain(), kind: 'no-domain' },
  { what: 'SERVFAIL', reaction: SERVFAIL, kind: 'trouble' },
  { what: 'REFUSED', reaction: REFUSED, kind: 'trouble' },
  { what: 'silence', reaction: SILENCE, kind: 'trouble' },
  { what: 'an alias loop', reaction: { answers: [alias('d.test', 'd.test')] }, kind: 'trouble' },
]) {
  test(`${what}: ${kind}, and no address is asked for`, async (t) => {
    const { server, resolver } = await dnsStandFor(t, { timeoutMs: what === 'silence' ? 100 : 5_000 })
    server.set('d.test', 'MX', reaction)
    server.set('d.test', 'A', { answers: [address('d.test', '192.0.2.1')] })
    assert.equal((await mailExchangers(resolver, 'd.test', { random })).kind, kind)
    assert.equal(server.count('d.test', 'A'), 0)
  })
}

test('names that no host can have are skipped; when all are, the domain is unusable', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const bad = ['192.0.2.1', '-a.test', 'a b.test', 'a*.test', 'bücher.test', `${'a.'.repeat(20)}7`]
  const answers = bad.map((exchange) => mx('d.test', 10, exchange))
  server.set('d.test', 'MX', { answers })
  server.set('d.test', 'A', { answers: [address('d.test', '192.0.2.1')] })
  server.set('e.test', 'MX', {
    answers: [...answers.map((answer) => ({ ...answer, name: 'e.test' })), mx('e.test', 99, 'mx_1.test')],
  })
  assert.deepEqual(await mailExchangers(resolver, 'd.test', { random }), {
    kind: 'unusable',
    reason: 'none of its mail exchangers has a valid host name',
  })
  assert.deepEqual(namesOf(await mailExchangers(resolver, 'e.test', { random })), ['mx_1.test'])
})

test('a host named twice counts once, with its better preference', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', {
    answers: [mx('d.test', 50, 'a.test'), mx('d.test', 10, 'A.test'), mx('d.test', 20, 'b.test')],
  })
  const found = await mailExchangers(resolver, 'd.test', { random })
  assert.deepEqual(found.kind === 'hosts' && found.hosts, [
    { name: 'a.test', preference: 10 },
    { name: 'b.test', preference: 20 },
  ])
})

test('of ten thousand exchangers a hundred are read and the best ten used, the same each time', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', manyMx(10_000))
  // The hundredth record is the best of those that are read.
  assert.deepEqual(
    namesOf(await mailExchangers(resolver, 'd.test', { random })),
    Array.from({ length: 10 }, (_, i) => `m${99 - i}.d.test`),
  )
  server.set('e.test', 'MX', {
    answers: Array.from({ length: 15 }, (_, i) => mx('e.test', 10, `h${i}.test`)),
  })
  const sets = new Set<string>()
  for (let i = 0; i < 20; i++) {
    sets.add([...namesOf(await mailExchangers(resolver, 'e.test', { random }))].sort().join(' '))
  }
  assert.equal(sets.size, 1)
})

test('we and those not preferred to us are left out (RFC 5321 §5.1)', () => {
  const hosts = [
    { name: 'a.test', preference: 10 },
    { name: 'us.test', preference: 20 },
    { name: 'b.test', preference: 20 },
    { name: 'c.test', preference: 30 },
  ]
  const better = (own: string): readonly string[] =>
    betterThanOurselves(hosts, ({ name }) => name === own).map(({ name }) => name)
  assert.deepEqual(better('us.test'), ['a.test'])
  assert.deepEqual(better('a.test'), [])
  assert.deepEqual(better('elsewhere.test'), ['a.test', 'us.test', 'b.test', 'c.test'])
})
