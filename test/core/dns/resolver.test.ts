import assert from 'node:assert/strict'
import { test } from 'node:test'
import { QueryBudget } from '../../../core/dns/query-budget.ts'
import { address, alias, mx, noData, SILENCE } from '../../support/dns-server.ts'
import { until } from '../../support/until.ts'
import { dnsStandFor } from './resolver-stand.ts'

test('each type of record is read', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const certificate = Buffer.from('abcd', 'hex')
  server
    .set('d.test', 'MX', { answers: [mx('d.test', 20, 'B.d.test'), mx('d.test', 10, 'a.d.test')] })
    .set('d.test', 'A', { answers: [address('d.test', '192.0.2.1')] })
    .set('d.test', 'AAAA', { answers: [address('d.test', '2001:db8:0:0:0:0:0:1')] })
    .set('d.test', 'TXT', {
      answers: [{ type: 'TXT', name: 'd.test', ttl: 60, data: ['v=spf1 ', 'é -all'] }],
    })
    .set('1.2.0.192.in-addr.arpa', 'PTR', {
      answers: [{ type: 'PTR', name: '1.2.0.192.in-addr.arpa', ttl: 60, data: 'mx.d.test' }],
    })
    .set('_25._tcp.mx.d.test', 'TLSA', {
      answers: [
        {
          type: 'TLSA',
          name: '_25._tcp.mx.d.test',
          ttl: 60,
          data: { usage: 3, selector: 1, matchingType: 1, certificate },
        },
      ],
    })
  const found = { kind: 'found', ttlSeconds: 60, isAuthentic: false }
  assert.deepEqual(await resolver.mx('d.test'), {
    ...found,
    records: [
      { preference: 20, exchange: 'b.d.test' },
      { preference: 10, exchange: 'a.d.test' },
    ],
  })
  assert.deepEqual(await resolver.a('D.test.'), { ...found, records: ['192.0.2.1'] })
  assert.deepEqual(await resolver.aaaa('d.test'), { ...found, records: ['2001:db8::1'] })
  // Octets as they are: what they mean is the reader's knowledge.
  assert.deepEqual(await resolver.txt('d.test'), { ...found, records: ['v=spf1 \xc3\xa9 -all'] })
  assert.deepEqual(await resolver.ptr('192.0.2.1'), { ...found, records: ['mx.d.test'] })
  assert.deepEqual(await resolver.tlsa('_25._tcp.mx.d.test'), {
    ...found,
    records: [{ usage: 3, selector: 1, matchingType: 1, data: Uint8Array.from(certificate) }],
  })
})

test('a name without such records, and a name that does not exist, are two answers', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'MX', noData())
  assert.deepEqual(await resolver.mx('d.test'), { kind: 'no-data' })
  assert.deepEqual(await resolver.mx('gone.test'), { kind: 'no-domain' })
})

test('what cannot be a name does not exist, and nobody is asked', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const names = [
    '',
    '.',
    'a..test',
    `${'a'.repeat(64)}.test`,
    'bücher.test',
    'a\r\nb.test',
    `${'a.'.repeat(127)}a`,
  ]
  for (const name of names) assert.deepEqual(await resolver.mx(name), { kind: 'no-domain' }, name)
  assert.deepEqual(await resolver.ptr('no address'), { kind: 'no-domain' })
  assert.equal(server.asked.length, 0)
})

test('aliases are followed within one answer, and further by asking again', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server
    .set('one.test', 'A', {
      isAuthentic: true,
      answers: [alias('one.test', 'Two.test', 30), address('two.test', '192.0.2.2', 60)],
    })
    .set('three.test', 'A', { isAuthentic: true, answers: [alias('three.test', 'four.test', 90)] })
    .set('four.test', 'A', { answers: [address('four.test', '192.0.2.4', 20)] })
    .set('seven.test', 'A', { answers: [alias('seven.test', 'eight.test')] })
    .set('eight.test', 'A', { isAuthentic: true, answers: [address('eight.test', '192.0.2.8')] })
    .set('five.test', 'A', { rcode: 3, answers: [alias('five.test', 'gone.test')] })
    .set('six.test', 'A', { answers: [alias('six.test', 'bare.test')], ...noData() })
  assert.deepEqual(await resolver.a('one.test'), {
    kind: 'found',
    records: ['192.0.2.2'],
    ttlSeconds: 30,
    isAuthentic: true,
  })
  assert.equal(server.asked.length, 1)
  assert.deepEqual(await resolver.a('three.test'), {
    kind: 'found',
    records: ['192.0.2.4'],
    ttlSeconds: 20,
    isAuthentic: false,
  })
  // Each step must be authentic.
  const seven = await resolver.a('seven.test')
  assert.equal(seven.kind === 'found' && seven.isAuthentic, false)
  assert.deepEqual(await resolver.a('five.test'), { kind: 'no-domain' })
  assert.deepEqual(await resolver.a('six.test'), { kind: 'no-data' })
})

test('eight aliases are followed, nine are trouble, and so is a loop', async (t) => {
  // c0 leads to c1 and so on; c9 has the address.
  const { server, resolver } = await dnsStandFor(t, {}, ({ name }) => {
    const number = Number(/^c(\d)\.test$/.exec(name)?.[1] ?? Number.NaN)
    if (Number.isNaN(number)) return undefined
    return { answers: number === 9 ? [address(name, '192.0.2.9')] : [alias(name, `c${number + 1}.test`)] }
  })
  assert.equal((await resolver.a('c1.test')).kind, 'found')
  assert.deepEqual(await resolver.a('c0.test'), { kind: 'trouble', reason: 'more than 8 aliases in a row' })
  const loop = [alias('l1.test', 'l2.test'), alias('l2.test', 'l1.test')]
  server.set('l1.test', 'A', { answers: loop })
  assert.deepEqual(await resolver.a('l1.test'), { kind: 'trouble', reason: 'aliases in a loop' })
  server.set('m1.test', 'A', { answers: [alias('m1.test', 'm2.test')] })
  server.set('m2.test', 'A', { answers: [alias('m2.test', 'm1.test')] })
  assert.deepEqual(await resolver.a('m1.test'), { kind: 'trouble', reason: 'aliases in a loop' })
  server.set('s.test', 'A', { answers: [alias('s.test', 's.test')] })
  assert.deepEqual(await resolver.a('s.test'), { kind: 'trouble', reason: 'aliases in a loop' })
})

test('the AD bit of a server on loopback is believed', async (t) => {
  const { server, resolver } = await dnsStandFor(t, {}, ({ name }) => ({
    isAuthentic: true,
    answers: [address(name, '192.0.2.1')],
  }))
  const answer = await resolver.a('d.test')
  assert.equal(answer.kind === 'found' && answer.isAuthentic, true)
  server.set('e.test', 'A', { answers: [address('e.test', '192.0.2.1')] })
  const plain = await resolver.a('e.test')
  assert.equal(plain.kind === 'found' && plain.isAuthentic, false)
})

test('a budget bounds what one caller asks; the cache is free, aliases are not', async (t) => {
  const { server, resolver } = await dnsStandFor(t, {}, ({ name }) => ({
    answers: [address(name, '192.0.2.1')],
  }))
  server.set('alias.test', 'A', { answers: [alias('alias.test', 'target.test')] })
  const budget = new QueryBudget(4)
  assert.equal((await resolver.a('one.test', { budget })).kind, 'found')
  assert.equal((await resolver.a('one.test', { budget })).kind, 'found')
  assert.equal((await resolver.a('alias.test', { budget })).kind, 'found')
  assert.equal(budget.isUsedUp, false)
  assert.equal((await resolver.a('two.test', { budget })).kind, 'found')
  assert.equal(budget.isUsedUp, true)
  assert.deepEqual(await resolver.a('three.test', { budget }), {
    kind: 'trouble',
    reason: 'more than 4 questions for one caller',
  })
  assert.equal((await resolver.a('one.test', { budget })).kind, 'found')
  // Another caller is not concerned.
  assert.equal((await resolver.a('three.test', { budget: new QueryBudget(1) })).kind, 'found')
})

test('a budget holds for lookups at the same time', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  const budget = new QueryBudget(5)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, i) => resolver.a(`n${i}.test`, { budget })),
  )
  assert.equal(answers.filter(({ kind }) => kind === 'no-domain').length, 5)
  assert.equal(server.asked.length, 5)
})

test('questions under way are shared', async (t) => {
  const { server, resolver } = await dnsStandFor(t)
  server.set('d.test', 'A', { delayMs: 100, answers: [address('d.test', '192.0.2.1')] })
  const answers = await Promise.all(Array.from({ length: 50 }, () => resolver.a('d.test')))
  assert.ok(answers.every(({ kind }) => kind === 'found'))
  assert.equal(server.asked.length, 1)
  assert.deepEqual(resolver.counters, { cached: 0, shared: 49, asked: 1 })
})

test('giving up ends the wait at once, and the question when nobody else waits', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { timeoutMs: 30_000, tries: 1 })
  let isSilent = true
  server.set('d.test', 'A', () => (isSilent ? SILENCE : { answers: [address('d.test', '192.0.2.1')] }))
  const [first, second] = [new AbortController(), new AbortController()]
  const answers = [first, second].map(({ signal }) => resolver.a('d.test', { signal }))
  await until(() => server.asked.length === 1, 'the question')
  first.abort()
  assert.deepEqual(await answers[0], { kind: 'trouble', reason: 'given up' })
  // The other one still waits: a third joins it.
  const third = new AbortController()
  const joined = resolver.a('d.test', { signal: third.signal })
  assert.equal(resolver.counters.shared, 2)
  third.abort()
  second.abort()
  assert.deepEqual([(await answers[1])?.kind, (await joined).kind], ['trouble', 'trouble'])
  // Whoever comes now begins anew, and what was given up is not remembered.
  isSilent = false
  assert.equal((await resolver.a('d.test')).kind, 'found')
  assert.equal(server.asked.length, 2)
  assert.deepEqual(await resolver.a('x.test', { signal: AbortSignal.abort() }), {
    kind: 'trouble',
    reason: 'given up',
  })
})

test('closing ends what is under way', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { timeoutMs: 60_000 }, () => SILENCE)
  const answer = resolver.a('d.test')
  await until(() => server.asked.length === 1, 'the question')
  resolver.close()
  assert.deepEqual(await answer, { kind: 'trouble', reason: 'given up' })
  assert.deepEqual(await resolver.a('e.test'), { kind: 'trouble', reason: 'the resolver is closed' })
})

test('one name that nobody answers does not slow the others', async (t) => {
  const { server, resolver } = await dnsStandFor(t, { timeoutMs: 3_000 }, ({ name }) =>
    name.endsWith('silent.test') ? SILENCE : { answers: [address(name, '192.0.2.1')] },
  )
  const silent = Array.from({ length: 150 }, (_, i) => resolver.a(`s${i}.silent.test`))
  await until(() => server.asked.length >= 150, 'the questions')
  const startedAt = performance.now()
  const answers = await Promise.all(Array.from({ length: 100 }, (_, i) => resolver.a(`n${i}.test`)))
  assert.ok(answers.every(({ kind }) => kind === 'found'))
  assert.ok(performance.now() - startedAt < 2_500)
  resolver.close()
  await Promise.all(silent)
})
