import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { wantedConnections } from '../../../core/delivery/site.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { standFor } from './delivery-stand.ts'
import { until } from './until.ts'

// Each has a store and remotes of its own, and most of the time is spent waiting.
describe('a site', { concurrency: 4 }, () => {
  test('connections are used again, and each for a bounded number of messages', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      site: { maxConnections: 1, firstConnections: 1, messagesPerConnection: 4 },
    })
    for (let i = 0; i < 10; i++) await stand.accept(remote.route, [`r${i}@remote.test`])
    await stand.settled()
    assert.equal(remote.accepted.length, 10)
    assert.equal(remote.connections, 3)
    assert.equal(remote.mostOpen <= 2, true)
  })

  test('an unused connection is kept for a while, then closed with QUIT', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, { site: { idleMs: 2_000 } })
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.settled()
    assert.equal(remote.open, 1)
    await until(() => remote.open === 0)
    assert.equal(remote.commands.at(-1), 'QUIT')
  })

  test('with a backlog a site opens more connections, up to its bound', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'dot' ? { delayMs: 50 } : undefined))
    const stand = await standFor(t, { site: { maxConnections: 5 } })
    await Promise.all(
      Array.from({ length: 120 }, (_, i) => stand.accept(remote.route, [`r${i}@remote.test`])),
    )
    await stand.settled()
    assert.equal(remote.accepted.length, 120)
    assert.equal(remote.mostOpen, 5)
  })

  test('several workers share the connections of a site', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'dot' ? { delayMs: 50 } : undefined))
    const stand = await standFor(t, { site: { maxConnections: 5 }, workers: 2 })
    await Promise.all(Array.from({ length: 60 }, (_, i) => stand.accept(remote.route, [`r${i}@remote.test`])))
    await stand.settled()
    assert.equal(remote.accepted.length, 60)
    assert.equal(remote.mostOpen, 3)
  })

  test('a kept connection the remote has closed costs no deferral', async (t) => {
    const remote = await remoteFor(t, ({ verb, transaction, connection }) =>
      verb === 'mail' && transaction === 2 && connection === 1 ? { after: 'drop' } : undefined,
    )
    const stand = await standFor(t, { site: { maxConnections: 1, firstConnections: 1 } })
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.settled()
    await stand.accept(remote.route, ['b@remote.test'])
    await stand.settled()
    assert.equal(remote.connections, 2)
    assert.deepEqual(stand.deliverer.counters, { delivered: 2, deferred: 0, held: 0, bounced: 0 })
  })

  test('a host that lets in few connections is served over those, without a deferral', async (t) => {
    let open = 0
    const remote = await remoteFor(t, ({ verb }) => {
      if (verb === 'dot') return { delayMs: 20 }
      if (verb !== 'connect') return undefined
      open += 1
      return open > 2 ? { reply: '421 4.7.0 too many connections', after: 'drop' } : undefined
    })
    const stand = await standFor(t)
    await Promise.all(Array.from({ length: 40 }, (_, i) => stand.accept(remote.route, [`r${i}@remote.test`])))
    await stand.settled()
    assert.equal(remote.accepted.length, 40)
    assert.ok(remote.connections > 2, 'nobody was turned away')
    assert.deepEqual(stand.deliverer.counters, { delivered: 40, deferred: 0, held: 0, bounced: 0 })
  })

  test('after five troubles in a row a site rests: what waits is put off without counting, then delivered', async (t) => {
    let isAway = true
    const remote = await remoteFor(t, ({ verb }) =>
      verb === 'connect' && isAway ? { reply: '554 5.3.2 not today', after: 'drop' } : undefined,
    )
    const stand = await standFor(t, { retryMs: [100], site: { restsMs: [4_000] } })
    const startedAt = Date.now()
    await Promise.all(Array.from({ length: 30 }, (_, i) => stand.accept(remote.route, [`r${i}@remote.test`])))
    await until(async () => (await stand.store.counts()).leased === 0)
    const entries = await stand.entries()
    const tried = entries.reduce((sum, { attempts }) => sum + attempts, 0)
    assert.ok(tried >= 5 && tried <= 7, `${tried} attempts`)
    const untried = entries.filter(({ attempts }) => attempts === 0)
    assert.ok(untried.length >= 23)
    for (const { dueAt, detail } of untried) {
      assert.ok(dueAt >= startedAt + 3_900, 'due before the end of the rest')
      assert.match(detail, /not today/)
    }
    assert.equal(stand.deliverer.hasRoomFor(remote.route, 100), false)
    const connectionsAtRest = remote.connections
    isAway = false
    await wait(500)
    assert.equal(remote.connections, connectionsAtRest, 'a resting site is left in peace')
    await stand.settled()
    assert.equal(remote.accepted.length, 30)
    assert.equal(stand.lines.filter(({ event }) => event === 'site-rests').length, 1)
  })

  test('a stalled site does not delay a quick one', async (t) => {
    const stalled = await remoteFor(t, ({ verb }) => (verb === 'mail' ? { after: 'stall' } : undefined))
    const quick = await remoteFor(t)
    const stand = await standFor(t, { site: { maxReady: 10, maxConnections: 3 }, pace: { claimLimit: 5 } })
    // More than the stalled site takes, so that its mail is also what has been due the longest.
    await Promise.all(Array.from({ length: 40 }, (_, i) => stand.add(stalled.route, [`s${i}@stalled.test`])))
    await until(() => !stand.deliverer.hasRoomFor(stalled.route, 100))
    const startedAt = performance.now()
    await Promise.all(
      Array.from({ length: 50 }, (_, i) =>
        i % 2 === 0
          ? stand.add(quick.route, [`q${i}@quick.test`])
          : stand.accept(quick.route, [`q${i}@quick.test`]),
      ),
    )
    await quick.hasAccepted(50)
    assert.ok(performance.now() - startedAt < 10_000)
    const { leased } = await stand.store.counts()
    assert.ok(leased <= 10 + 5 + 3, `a full site is not claimed for any more, yet ${leased} are leased`)
    assert.ok(stalled.mostOpen <= 3, 'a stalled site holds no more than its bound')
    assert.equal(stalled.messages.length, 0)
  })

  test('a second message gets a connection of its own while the first ones stall', async (t) => {
    let stalls = 0
    const remote = await remoteFor(t, ({ verb }) => {
      if (verb !== 'mail' || stalls === 2) return undefined
      stalls += 1
      return { after: 'stall' }
    })
    const stand = await standFor(t, { site: { growAfterMs: 200 } })
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.accept(remote.route, ['b@remote.test'])
    await until(() => stalls === 2)
    await stand.accept(remote.route, ['c@remote.test'])
    await remote.hasAccepted(1, 10_000)
    assert.deepEqual(remote.accepted[0]?.recipients, ['c@remote.test'])
  })
})

for (const [waiting, connections] of [
  [0, 0],
  [1, 1],
  [13, 6],
  [50, 14],
  [100, 18],
  [1_000, 20],
] as const) {
  test(`${waiting} waiting deliveries are worth ${connections} of 20 connections`, () => {
    assert.equal(wantedConnections(20, waiting), connections)
  })
}
