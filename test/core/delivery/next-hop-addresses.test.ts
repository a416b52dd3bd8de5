/** Which addresses of a next hop are used: not those inside, not ourselves, and none that is dead for long. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { address, noDomain, SERVFAIL } from '../../support/dns-server.ts'
import type { Script } from '../../support/fake-remote.ts'
import { exchangerStandFor, setDomain } from './exchanger-stand.ts'

const FRIENDLY: Script = () => undefined
const OURSELVES = 'that is this server itself, and mail would go in circles'

// Each has a store and servers of its own, and most of the time is spent waiting.
describe('addresses of next hops', { concurrency: 4 }, () => {
  test('an exchanger with nothing but private addresses: held, and which they are', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { allowedNetworks: [] })
    setDomain(stand.dns, 'd.test', [[10, 'a.test', [1]]])
    stand.dns.set('a.test', 'AAAA', { answers: [address('a.test', 'fd00::7')] })
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'held',
      detail:
        `5.4.4 a.test[fd00::7]:${stand.port}: a private address; ` +
        `${stand.shown('a.test', 1)}: a loopback address`,
      remote: stand.shown('a.test', 1),
    })
    assert.equal(stand.remotes.get(1)?.connections, 0)
  })

  test('of an exchanger with a private address and one that may be used, the latter is', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    setDomain(stand.dns, 'd.test', [[10, 'a.test', [1]]])
    stand.dns.set('a.test', 'AAAA', { answers: [address('a.test', 'fd00::7')] })
    assert.equal((await stand.send('mx:d.test')).remote, stand.shown('a.test', 1))
  })

  test('an address literal is sent to, if it may be', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { allowedNetworks: ['127.0.0.0/8'] })
    assert.equal((await stand.send('mx:[127.0.0.1]')).remote, stand.shown('', 1))
    assert.deepEqual(await stand.send('mx:[IPv6:::1]'), {
      state: 'held',
      detail: `5.4.4 [::1]:${stand.port}: a loopback address`,
      remote: `[::1]:${stand.port}`,
    })
    assert.equal(stand.dns.asked.length, 0)
  })

  test('an address literal where we listen: held', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { ourAddresses: ['127.0.0.1'] })
    const { state, detail } = await stand.send('mx:[127.0.0.1]')
    assert.deepEqual([state, detail], ['held', `5.4.6 [127.0.0.1]: ${OURSELVES}`])
  })

  test('we are the best exchanger by our name: held, for it would come back (RFC 5321 §5.1)', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    setDomain(stand.dns, 'd.test', [
      [10, 'MX.postern.test', [1]],
      [10, 'b.test', [1]],
      [20, 'c.test', [1]],
    ])
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'held',
      detail: `5.4.6 mx.postern.test: ${OURSELVES}`,
      remote: 'mx.postern.test',
    })
    assert.equal(stand.remotes.get(1)?.connections, 0)
  })

  test('we are the best exchanger by our address: held, and equals of ours are not asked', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { ourAddresses: ['127.0.0.8'] })
    setDomain(stand.dns, 'd.test', [
      [10, 'a.test', [8]],
      [10, 'b.test', [1]],
      [20, 'c.test', [1]],
    ])
    const { state, detail } = await stand.send('mx:d.test')
    assert.deepEqual([state, detail], ['held', `5.4.6 a.test: ${OURSELVES}`])
    assert.equal(stand.remotes.get(1)?.connections, 0)
  })

  for (const { who, us, ourAddresses } of [
    { who: 'our name', us: 'mx.postern.test', ourAddresses: [] },
    { who: 'our address', us: 'us.test', ourAddresses: ['127.0.0.8'] },
  ]) {
    const exchangers = [
      [10, 'a.test', [9]],
      [20, us, [8]],
      [30, 'c.test', [1]],
    ] as const

    test(`a backup, known by ${who}, waits for who is preferred to it: deferred`, async (t) => {
      const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { ourAddresses })
      setDomain(stand.dns, 'd.test', exchangers)
      const { state, detail } = await stand.send('mx:d.test')
      assert.equal(state, 'due')
      assert.match(detail, /^4\.4\.1 a\.test\[127\.0\.0\.9\]:\d+: connect ECONNREFUSED /)
      assert.equal(stand.remotes.get(1)?.connections, 0)
    })
  }

  test('an IPv6 address where nobody answers costs a quarter of a second (RFC 8305)', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY })
    setDomain(stand.dns, 'd.test', [[10, 'a.test', [1]]])
    // Of the documentation: on some machines there is no way to it, on others only silence.
    stand.dns.set('a.test', 'AAAA', { answers: [address('a.test', '2001:db8::25')] })
    assert.equal((await stand.send('mx:d.test')).remote, stand.shown('a.test', 1))
    assert.ok((stand.attempts[0]?.wallMs ?? Infinity) < 10_000)
  })

  test('with family ipv6 a host that has IPv4 only is deferred: that may be ours to mend', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { family: 'ipv6' })
    setDomain(stand.dns, 'd.test', [[10, 'a.test', [1]]])
    assert.deepEqual(await stand.send('mx:d.test'), {
      state: 'due',
      detail: '4.4.4 a.test: it has no address that outbound.family: ipv6 allows',
      remote: 'a.test',
    })
    assert.equal(stand.dns.count('a.test', 'A'), 0)
    const { state, detail } = await stand.send('mx:[127.0.0.1]')
    assert.deepEqual(
      [state, detail],
      ['due', '4.4.4 [127.0.0.1] is no address that outbound.family: ipv6 allows'],
    )
  })

  test('a next hop by name is looked up, and may be inside', async (t) => {
    const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { allowedNetworks: [] })
    stand.dns.set('hub.test', 'A', { answers: [address('hub.test', '127.0.0.1')] })
    assert.deepEqual(await stand.send(`smtp://hub.test:${stand.port}`), {
      state: 'gone',
      detail: '250 2.0.0 taken',
      remote: stand.shown('hub.test', 1),
    })
    assert.equal(stand.dns.count('hub.test', 'MX'), 0)
  })

  for (const { what, reaction, detail } of [
    { what: 'does not exist', reaction: noDomain(), detail: /^4\.4\.4 hub\.test: there is no such host$/ },
    { what: 'cannot be looked up', reaction: SERVFAIL, detail: /^4\.4\.3 hub\.test: .*SERVFAIL/ },
    {
      what: 'is ourselves',
      reaction: { answers: [address('hub.test', '127.0.0.8')] },
      detail: /^4\.4\.4 hub\.test\[127\.0\.0\.8\]:\d+: an address of our own$/,
    },
  ])
    test(`a next hop by name that ${what}: deferred, for the configuration is to blame`, async (t) => {
      const stand = await exchangerStandFor(t, { 1: FRIENDLY }, { ourAddresses: ['127.0.0.8'] })
      stand.dns.set('hub.test', 'A', reaction)
      const fate = await stand.send(`smtp://hub.test:${stand.port}`)
      assert.equal(fate.state, 'due')
      assert.match(fate.detail, detail)
    })
})
