/** F8: trouble with the DNS is a deferral, a name that does not exist is final, and other domains notice nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exchangerStandFor, setDomain } from '../../core/delivery/exchanger-stand.ts'
import { until } from '../../core/delivery/until.ts'
import { alias, manyMx, mx, noDomain, type Reaction, SERVFAIL, SILENCE } from '../../support/dns-server.ts'

const GOOD = 40
const QUICK_MS = 10_000

/** By domain: what its MX record is answered with, and what has to become of its mail. */
const TROUBLES: Readonly<
  Record<string, readonly [reaction: Reaction, state: 'due' | 'held', detail: RegExp]>
> = {
  'servfail.test': [SERVFAIL, 'due', /^4\.4\.3/],
  'silent.test': [SILENCE, 'due', /^4\.4\.3/],
  'wrong-id.test': [
    { change: (message) => Buffer.concat([Buffer.from([1, 2]), message.subarray(2)]) },
    'due',
    /^4/,
  ],
  'loop.test': [{ answers: [alias('loop.test', 'loop.test')] }, 'due', /^4/],
  'nowhere.test': [noDomain(), 'held', /^5\.1\.2/],
  'null-mx.test': [{ answers: [mx('null-mx.test', 0, '.')] }, 'held', /^5\.1\.10/],
}

test('F8: every kind of trouble with the DNS', { timeout: 120_000 }, async (t) => {
  const stand = await exchangerStandFor(t, { 1: () => undefined }, { dnsTimeoutMs: 1_000 })
  setDomain(stand.dns, 'good.test', [[10, 'mail.good.test', [1]]])
  setDomain(stand.dns, 'slow.test', [[10, 'mail.slow.test', [1]]])
  stand.dns.set('slow.test', 'MX', { answers: [mx('slow.test', 10, 'mail.slow.test')], delayMs: 700 })
  stand.dns.set('truncated.test', 'MX', {
    answers: [mx('truncated.test', 10, 'mail.good.test')],
    isTruncated: true,
  })
  stand.dns.set('thousands.test', 'MX', manyMx(10_000))
  for (const [domain, [reaction]] of Object.entries(TROUBLES)) stand.dns.set(domain, 'MX', reaction)
  const startedAt = performance.now()
  for (const domain of [...Object.keys(TROUBLES), 'thousands.test', 'slow.test', 'truncated.test'])
    await stand.accept(`mx:${domain}`, [`rcpt@${domain}`])
  for (let sent = 0; sent < GOOD; sent++) await stand.accept('mx:good.test', [`rcpt${sent}@good.test`])
  const [remote] = stand.remotes.values()
  assert.ok(remote)
  const isFor = (domain: string) =>
    remote.accepted.filter(({ recipients }) => recipients[0]?.endsWith(`@${domain}`)).length
  await until(() => isFor('good.test') === GOOD)
  assert.ok(performance.now() - startedAt < QUICK_MS, 'other domains are not held up')
  await until(() => isFor('slow.test') === 1 && isFor('truncated.test') === 1, 30_000)
  const tried = new Set([...Object.keys(TROUBLES), 'thousands.test'])
  await until(() => {
    const done = new Set(stand.attempts.map(({ route }) => route.slice('mx:'.length)))
    return [...tried].every((domain) => done.has(domain))
  }, 60_000)
  const entries = await stand.entries()
  for (const [domain, [, state, detail]] of Object.entries(TROUBLES)) {
    const entry = entries.find(({ route }) => route === `mx:${domain}`)
    assert.equal(entry?.state, state, `${domain}: ${entry?.detail}`)
    assert.match(entry?.detail ?? '', detail, domain)
  }
  assert.deepEqual(
    stand.lines.filter(({ event }) => event === 'delivery-bug'),
    [],
  )
})
