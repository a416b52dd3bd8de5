/** What may be decided before an attempt, and what it means for the mail. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { GO, type Ruling } from '../../../core/delivery/policy.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { type Stand, standFor } from './delivery-stand.ts'
import { until } from './until.ts'

const says = (status: string) => ({ kind: 'policy', status, text: 'No (r_x)', plugin: 'mine' }) as const
const NEVER = new Promise<Ruling>(() => {})

async function facts(stand: Stand) {
  return (await stand.entries()).map(({ address, state, attempts, detail, route }) => ({
    address,
    state,
    attempts,
    detail,
    route,
  }))
}

// Each has a store and remotes of its own, and most of the time is spent waiting.
describe('before an attempt', { concurrency: 4 }, () => {
  test('what may go goes, and was asked about once', async (t) => {
    const remote = await remoteFor(t)
    const asked: string[] = []
    const stand = await standFor(t, {
      decide: async ({ message, recipients, route, origin, sizeBytes }) => {
        asked.push(message)
        assert.deepEqual([route, recipients.length, origin.kind], [remote.route, 2, 'internal'])
        assert.ok(sizeBytes > 0)
        return GO
      },
    })
    const id = await stand.accept(remote.route, ['a@r.test', 'b@r.test'])
    await stand.settled()
    assert.deepEqual(asked, [id])
    assert.equal(remote.accepted.length, 1)
    assert.deepEqual(
      stand.heard.map(({ recipients }) =>
        recipients.map(({ address, result, expired }) => [address, result, expired]),
      ),
      [
        [
          ['a@r.test', 'delivered', false],
          ['b@r.test', 'delivered', false],
        ],
      ],
    )
    assert.match(String(stand.heard[0]?.remote), /^127\.0\.0\.1:/)
  })

  test('a wait puts off for as long as it says, counts as no attempt, and opens no connection', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      retryMs: [1],
      decide: async () => ({ kind: 'wait', met: says('4.7.0'), waitMs: 3_600_000 }),
    })
    const before = Date.now()
    await stand.accept(remote.route, ['a@r.test'])
    await until(() => stand.heard.length === 1)
    const [entry] = await stand.entries()
    assert.deepEqual(
      [entry?.state, entry?.attempts, entry?.detail],
      ['due', 0, '4.7.0 No (r_x) (mine at deliver)'],
    )
    assert.ok((entry?.dueAt ?? 0) >= before + 3_600_000 && (entry?.dueAt ?? 0) < before + 3_660_000)
    assert.equal(remote.connections, 0)
    assert.deepEqual(stand.deliverer.counters, { delivered: 0, deferred: 1, held: 0, bounced: 0 })
  })

  test('a wait is not longer than the mail lives, and what expires that way is held where nobody is told', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      expireMs: 700,
      decide: async () => ({ kind: 'wait', met: says('4.7.0'), waitMs: 3_600_000 }),
    })
    await stand.accept(remote.route, ['a@r.test'])
    await stand.settled()
    const [entry] = await facts(stand)
    assert.equal(entry?.state, 'held')
    assert.match(entry.detail, /^expired after .*: 4\.7\.0 No/)
    assert.deepEqual(stand.heard.at(-1)?.recipients[0]?.expired, true)
  })

  test('without a time the queue says when, and asks again', async (t) => {
    const remote = await remoteFor(t)
    let asked = 0
    const stand = await standFor(t, {
      retryMs: [100],
      decide: async () => (++asked < 3 ? { kind: 'wait', met: says('4.3.0'), waitMs: null } : GO),
    })
    await stand.accept(remote.route, ['a@r.test'])
    await stand.settled()
    assert.equal(asked, 3)
    assert.equal(remote.accepted.length, 1)
    assert.equal(remote.connections, 1)
  })

  test('a bounce gives up all recipients and tells the sender once, in the words that were said', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      routeNotice: async () => ({
        recipients: [{ address: 'from@example.test', route: 'maildir:/nowhere', hold: 'look at it' }],
        tags: [],
        lifeSeconds: null,
      }),
      decide: async () => ({ kind: 'bounce', met: says('5.7.1') }),
    })
    await stand.accept(remote.route, ['a@r.test', 'b@r.test'])
    await stand.settled()
    const entries = await stand.entries()
    assert.equal(entries.length, 1)
    const notice = await stand.store.content(entries[0]?.message ?? '')
    assert.ok(notice.content.kind === 'inline')
    const text = Buffer.from(notice.content.bytes).toString('latin1')
    assert.equal(text.match(/^Final-Recipient: /gm)?.length, 2)
    assert.match(text, /^Status: 5\.7\.1\r$/m)
    assert.match(text, /No \(r_x\)/)
    assert.equal(remote.connections, 0)
    assert.deepEqual(
      stand.heard.map(({ recipients, remote: none }) => [
        none,
        ...recipients.map(({ result, expired }) => [result, expired]),
      ]),
      [[null, ['bounced', false], ['bounced', false]]],
    )
  })

  test('a hold keeps whom it names, and the others are asked about again', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      decide: async ({ recipients }) =>
        recipients.some(({ address }) => address === 'a@r.test')
          ? { kind: 'hold', reasons: new Map([['a@r.test', 'mine: look']]) }
          : GO,
    })
    await stand.accept(remote.route, ['a@r.test', 'b@r.test'])
    await stand.settled()
    assert.deepEqual(
      (await facts(stand)).map(({ address, state, attempts, detail }) => [address, state, attempts, detail]),
      [
        ['a@r.test', 'held', 0, 'mine: look'],
        ['b@r.test', 'delivered', 1, '250 2.0.0 taken'],
      ],
    )
    assert.deepEqual(remote.accepted[0]?.recipients, ['b@r.test'])
    assert.equal(stand.deliverer.counters.held, 1)
  })

  test('another route: the mail leaves by it at once, uncounted, for those it was changed for', async (t) => {
    const [first, second] = [await remoteFor(t), await remoteFor(t)]
    const asked: unknown[] = []
    const stand = await standFor(t, {
      decide: async ({ route, recipients }) => {
        asked.push(recipients.map(({ address, attempts, isRerouted }) => [address, attempts, isRerouted]))
        return route === first.route && recipients.some(({ address }) => address === 'a@r.test')
          ? { kind: 'reroute', routes: new Map([['a@r.test', second.route]]), reason: 'mine' }
          : GO
      },
    })
    await stand.accept(first.route, ['a@r.test', 'b@r.test'])
    await stand.settled()
    assert.deepEqual(
      [first, second].map(({ accepted }) => accepted.map(({ recipients }) => recipients)),
      [[['b@r.test']], [['a@r.test']]],
    )
    assert.equal(asked.length, 3)
    assert.deepEqual(asked[0], [
      ['a@r.test', 0, false],
      ['b@r.test', 0, false],
    ])
    assert.ok(asked.some((recipients) => JSON.stringify(recipients) === '[["a@r.test",0,true]]'))
  })

  test('a bug in what decides costs the mail nothing but time', async (t) => {
    const remote = await remoteFor(t)
    let asked = 0
    const stand = await standFor(t, {
      retryMs: [50],
      decide: () => (++asked === 1 ? Promise.reject(new Error('a bug')) : Promise.resolve(GO)),
    })
    await stand.accept(remote.route, ['a@r.test'])
    await stand.settled()
    assert.equal(remote.accepted.length, 1)
    assert.equal(stand.lines.filter(({ event }) => event === 'delivery-bug').length, 1)
  })
})

describe('a slow answer', { concurrency: 4 }, () => {
  test('stalls neither another route nor the neighbours on its own, and occupies no connection', async (t) => {
    const [slow, quick] = [await remoteFor(t), await remoteFor(t)]
    const stand = await standFor(t, {
      site: { maxReady: 50 },
      decide: ({ recipients }) => (recipients[0]?.address.startsWith('never') ? NEVER : Promise.resolve(GO)),
    })
    for (let i = 0; i < 10; i++) await stand.accept(slow.route, [`never${i}@r.test`])
    await Promise.all(Array.from({ length: 30 }, (_, i) => stand.accept(quick.route, [`q${i}@r.test`])))
    await Promise.all(Array.from({ length: 30 }, (_, i) => stand.accept(slow.route, [`s${i}@r.test`])))
    await quick.hasAccepted(30)
    await slow.hasAccepted(30)
    await until(() => stand.deliverer.inHand === 10)
    assert.equal((await stand.store.counts()).leased, 10)
  })

  test('a site does not take more for being asked about than may wait', async (t) => {
    const [slow, quick] = [await remoteFor(t), await remoteFor(t)]
    const gate = Promise.withResolvers<Ruling>()
    const stand = await standFor(t, {
      site: { maxReady: 20 },
      pace: { claimLimit: 5 },
      decide: ({ route }) => (route === slow.route ? gate.promise : Promise.resolve(GO)),
    })
    await Promise.all(Array.from({ length: 60 }, (_, i) => stand.add(slow.route, [`s${i}@r.test`])))
    await until(() => !stand.deliverer.hasRoomFor(slow.route, 100))
    await stand.add(quick.route, ['q@r.test'])
    await quick.hasAccepted(1)
    assert.ok((await stand.store.counts()).leased <= 20 + 5)
    gate.resolve(GO)
    await stand.settled()
    assert.equal(slow.accepted.length, 60)
  })

  test('keeps its lease', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      leaseMs: 900,
      decide: () => wait(2_500, GO),
    })
    await stand.accept(remote.route, ['a@r.test'])
    await stand.settled()
    assert.equal(remote.accepted.length, 1)
    assert.equal(stand.lines.filter(({ event }) => event === 'delivery-lease-lost').length, 0)
  })

  test('does not hold up a stop: the mail goes back untouched', async (t) => {
    const remote = await remoteFor(t)
    const gate = Promise.withResolvers<Ruling>()
    const stand = await standFor(t, { decide: () => gate.promise })
    for (let i = 0; i < 20; i++) await stand.accept(remote.route, [`a${i}@r.test`])
    const startedAt = performance.now()
    await stand.deliverer.drain(10_000)
    assert.ok(performance.now() - startedAt < 5_000)
    gate.resolve(GO)
    await wait(100)
    const { due, leased } = await stand.store.counts()
    assert.deepEqual([due, leased, remote.connections], [20, 0, 0])
    assert.ok((await facts(stand)).every(({ attempts }) => attempts === 0))
  })
})
