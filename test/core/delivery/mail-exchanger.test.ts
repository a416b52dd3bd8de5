/** Delivery to the mail exchangers of a domain: what becomes of the mail, and the words an operator reads. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { address, alias, manyMx, mx, noData, noDomain, SERVFAIL, SILENCE } from '../../support/dns-server.ts'
import type { Script } from '../../support/fake-remote.ts'
import { type ExchangerStand, exchangerStandFor, setDomain } from './exchanger-stand.ts'

const FRIENDLY: Script = () => undefined
/** Refuses whoever connects. */
const UNFRIENDLY: Script = ({ verb }) => (verb === 'connect' ? '554 5.7.1 not you' : undefined)

const taken = (stand: ExchangerStand): readonly number[] =>
  [...stand.remotes].flatMap(([last, remote]) => (remote.accepted.length > 0 ? [last] : []))

// Each has a store and servers of its own, and most of the time is spent waiting.
describe('delivery to mail exchangers', { concurrency: 4 }, () => {
  test('the most preferred exchanger gets the mail (RFC 5321 §5.1)', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY, 2: FRIENDLY, 3: FRIENDLY })
    setDomain(stand.dns, 'd.test', [
      [30, 'c.test', [1]],
      [10, 'a.test', [2]],
      [20, 'b.test', [3]],
    ])
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'gone',
      detail: '250 2.0.0 taken',
      remote: stand.shown('a.test', 2),
    })
    assert.deepEqual(taken(stand), [2])
  })

  test('exchangers of equal preference share the mail', async (t) => {
    const stand = await exchangerStandFor(
      t,
      { 1: FRIENDLY, 2: FRIENDLY },
      { site: { messagesPerConnection: 1 } },
    )
    setDomain(stand.dns, 'd.test', [
      [10, 'a.test', [1]],
      [10, 'b.test', [2]],
    ])
    // That one gets all of it happens once in a thousand million times.
    for (let i = 0; i < 31 && taken(stand).length < 2; i++) await stand.send('mx:d.test')
    assert.deepEqual(taken(stand), [1, 2])
  })

  test('a null MX: held at once (RFC 7505)', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    stand.dns.set('d.test', 'MX', { answers: [mx('d.test', 0, '.')] })
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'held',
      detail: '5.1.10 d.test takes no mail (null MX, RFC 7505)',
      remote: 'd.test',
    })
  })

  test('no MX record: the domain is its own exchanger', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    stand.dns.set('d.test', 'MX', noData()).set('d.test', 'AAAA', noData())
    stand.dns.set('d.test', 'A', { answers: [address('d.test', '127.0.0.1')] })
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'gone',
      detail: '250 2.0.0 taken',
      remote: stand.shown('d.test', 1),
    })
  })

  test('neither MX record nor address: held', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    for (const type of ['MX', 'A', 'AAAA'] as const) stand.dns.set('d.test', type, noData())
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'held',
      detail: '5.4.4 d.test cannot be sent to: it has neither mail exchangers nor an address',
      remote: 'd.test',
    })
  })

  test('no such domain: held at once', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    stand.dns.set('d.test', 'MX', noDomain())
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'held',
      detail: '5.1.2 d.test does not exist',
      remote: 'd.test',
    })
  })

  test('SERVFAIL: deferred', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    stand.dns.set('d.test', 'MX', SERVFAIL)
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'due',
      detail: `4.4.3 d.test cannot be looked up: SERVFAIL (127.0.0.1 port ${stand.dns.port})`,
      remote: 'd.test',
    })
  })

  test('SERVFAIL for the address of the only exchanger: deferred', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    setDomain(stand.dns, 'd.test', [[10, 'a.test', [1]]])
    stand.dns.set('a.test', 'A', SERVFAIL)
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'due',
      detail: `4.4.3 a.test: its address cannot be looked up: SERVFAIL (127.0.0.1 port ${stand.dns.port})`,
      remote: 'a.test',
    })
  })

  test('silence: deferred', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { dnsTimeoutMs: 200 })
    stand.dns.set('d.test', 'MX', SILENCE)
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'due',
      detail: `4.4.3 d.test cannot be looked up: no answer within 200 ms (127.0.0.1 port ${stand.dns.port})`,
      remote: 'd.test',
    })
  })

  test('while one domain is silent others are not slowed, and a stop does not wait for it', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { dnsTimeoutMs: 600_000 })
    stand.dns.set('silent.test', 'MX', SILENCE)
    setDomain(stand.dns, 'd.test', [[10, 'a.test', [1]]])
    await stand.accept('mx:silent.test', ['a@remote.test'])
    for (let i = 0; i < 5; i++) assert.equal((await stand.send('mx:d.test')).state, 'gone')
    await stand.deliverer.drain(60_000)
    const [waiting] = await stand.entries()
    assert.deepEqual([waiting?.state, waiting?.leased, waiting?.attempts], ['due', false, 0])
  })

  test('a truncated answer is asked for again over TCP: delivered', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    setDomain(stand.dns, 'd.test', [[10, 'a.test', [1]]])
    stand.dns.set('d.test', 'MX', { isTruncated: true, answers: [mx('d.test', 10, 'a.test')] })
    assert.equal((await stand.send('mx:d.test')).state, 'gone')
    assert.deepEqual(
      stand.dns.asked.filter(({ type }) => type === 'MX').map(({ transport }) => transport),
      ['udp', 'tcp'],
    )
  })

  test('aliases in a loop: deferred', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    const loop = { answers: [alias('d.test', 'e.test'), alias('e.test', 'd.test')] }
    stand.dns.set('d.test', 'MX', loop)
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'due',
      detail: '4.4.3 d.test cannot be looked up: aliases in a loop',
      remote: 'd.test',
    })
  })

  test('as many exchangers as an answer holds: at most five of them are looked up', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    stand.dns.set('d.test', 'MX', manyMx(10_000))
    const { state, detail } = await stand.send('mx:d.test')
    assert.equal(state, 'held')
    assert.match(detail, /^5\.4\.4 (?:m\d+\.d\.test: there is no such host(?:; |$)){5}$/)
    assert.ok(stand.dns.asked.length <= 12, `${stand.dns.asked.length} questions`)
  })

  test('the first exchanger is down: the second takes it', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    setDomain(stand.dns, 'd.test', [
      [10, 'a.test', [9]],
      [20, 'b.test', [1]],
    ])
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'gone',
      detail: '250 2.0.0 taken',
      remote: stand.shown('b.test', 1),
    })
  })

  for (const { when, script } of [
    { when: 'refuses at the greeting', script: UNFRIENDLY },
    { when: 'is busy', script: (({ verb }) => (verb === 'connect' ? '421 busy' : undefined)) as Script },
    {
      when: 'refuses EHLO and HELO',
      script: (({ verb }) => (/^[eh][eh]lo$/.test(verb) ? '550 no' : undefined)) as Script,
    },
    {
      when: 'hangs up',
      script: (({ verb }) => (verb === 'connect' ? { after: 'drop' } : undefined)) as Script,
    },
  ])
    test(`the first exchanger ${when}: the second takes it`, async (t) => {
      const stand = await exchangerStandFor(t, { 1: FRIENDLY, 2: script })
      setDomain(stand.dns, 'd.test', [
        [10, 'a.test', [2]],
        [20, 'b.test', [1]],
      ])
      assert.deepEqual((await stand.send('mx:d.test')).remote, stand.shown('b.test', 1))
      assert.equal(stand.remotes.get(2)?.connections, 1)
    })

  test('no exchanger lets us in: deferred, and each says why', async (t) => {
    const stand = await exchangerStandFor(t, { 1: UNFRIENDLY })
    setDomain(stand.dns, 'd.test', [
      [10, 'a.test', [9]],
      [20, 'b.test', [1]],
    ])
    stand.dns.set('d.test', 'MX', {
      answers: [mx('d.test', 10, 'a.test'), mx('d.test', 20, 'b.test'), mx('d.test', 30, 'gone.test')],
    })
    const refused = `connect ECONNREFUSED 127.0.0.9:${stand.port} (while connecting)`
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'due',
      detail:
        `4.4.1 ${stand.shown('a.test', 9)}: ${refused}; ` +
        `${stand.shown('b.test', 1)}: 554 5.7.1 not you (on connecting); gone.test: there is no such host`,
      remote: 'gone.test',
    })
  })

  test('an exchanger that refuses the recipient has spoken: nobody else is asked', async (t) => {
    const script: Script = ({ verb }) => (verb === 'rcpt' ? '550 5.1.1 no such user' : undefined)
    const stand = await exchangerStandFor(t, { 1: FRIENDLY, 2: script })
    setDomain(stand.dns, 'd.test', [
      [10, 'a.test', [2]],
      [20, 'b.test', [1]],
    ])
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'held',
      detail: '550 5.1.1 no such user (in reply to RCPT)',
      remote: stand.shown('a.test', 2),
    })
    assert.equal(stand.remotes.get(1)?.connections, 0)
  })

  test('one domain that takes no mail holds it all, and needs no rest', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { site: { troublesBeforeRest: 2 } })
    stand.dns.set('d.test', 'MX', { answers: [mx('d.test', 0, '.')] })
    for (let i = 0; i < 5; i++) assert.equal((await stand.send('mx:d.test')).state, 'held')
    assert.deepEqual(
      stand.lines.filter(({ event }) => event === 'site-rests'),
      [],
    )
  })
})
