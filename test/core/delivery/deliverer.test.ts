import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { StoreFault } from '../../../core/queue/queue-store.ts'
import { remoteFor, type Script } from '../../support/fake-remote.ts'
import { OWNER, standFor, TEXT, withFaults } from './delivery-stand.ts'
import { until } from './until.ts'

// Each has a store and remotes of its own, and most of the time is spent waiting.
describe('the deliverer', { concurrency: 4 }, () => {
  test('mail handed over at acceptance is delivered without being read back, and is gone from the queue', async (t) => {
    let reads = 0
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      store: (store) =>
        withFaults(store, {
          content: (message) => {
            reads += 1
            return store.content(message)
          },
        }),
    })
    const id = await stand.accept(remote.route, ['a@remote.test', 'b@remote.test'])
    await stand.settled()
    assert.equal(remote.messages[0]?.content.toString(), `X-Head: 1\r\n${TEXT}`)
    assert.deepEqual(remote.messages[0]?.recipients, ['a@remote.test', 'b@remote.test'])
    assert.equal(remote.messages.length, 1)
    assert.equal(reads, 0)
    assert.equal((await stand.store.counts()).messages, 0)
    assert.deepEqual(stand.deliverer.counters, { delivered: 2, deferred: 0, held: 0, bounced: 0 })
    assert.deepEqual(stand.attempts, [
      {
        queueId: id,
        route: remote.route,
        remote: `127.0.0.1:${remote.port}`,
        recipients: [
          { address: 'a@remote.test', result: 'delivered', detail: '250 2.0.0 taken' },
          { address: 'b@remote.test', result: 'delivered', detail: '250 2.0.0 taken' },
        ],
        tls: null,
        wallMs: stand.attempts[0]?.wallMs,
      },
    ])
    const line = stand.lines.find(({ event }) => event === 'delivery-attempt')
    assert.equal(line?.['message'], id)
  })

  test('mail that waits in the queue is claimed when something kicks', async (t) => {
    const remote = await remoteFor(t)
    // It sleeps for an hour unless it is kicked.
    const stand = await standFor(t, { pace: { pollMs: 3_600_000 } })
    await wait(100)
    await stand.add(remote.route, ['a@remote.test'])
    await remote.hasAccepted(1)
    await stand.settled()
  })

  test('mail that was in the queue before the start is found, more than one claim of it', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, { pace: { claimLimit: 7, pollMs: 3_600_000 } })
    await Promise.all(Array.from({ length: 40 }, (_, i) => stand.add(remote.route, [`r${i}@remote.test`])))
    await stand.settled()
    assert.equal(remote.accepted.length, 40)
  })

  test('a settlement that fails twice is made in the end: delivered once, said once', async (t) => {
    let failures = 0
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      store: (store) =>
        withFaults(store, {
          settle: async (...given) => {
            if (failures < 2) {
              failures += 1
              throw new Error('the disk is away')
            }
            return await store.settle(...given)
          },
        }),
    })
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.settled()
    assert.equal(failures, 2)
    assert.equal(remote.messages.length, 1)
    assert.deepEqual(stand.deliverer.counters, { delivered: 1, deferred: 0, held: 0, bounced: 0 })
    const said = stand.lines.filter(({ event }) => event.startsWith('queue-store'))
    assert.deepEqual(
      said.map(({ event }) => event),
      ['queue-store-failed', 'queue-store-back'],
    )
  })

  test('a settlement that cannot be written although the store works: held, not sent again', async (t) => {
    let failures = 0
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      leaseMs: 2_000,
      store: (store) =>
        withFaults(store, {
          settle: async (delivery, settlements, notices) => {
            if (settlements.every(({ result }) => result === 'held'))
              return await store.settle(delivery, settlements, notices)
            failures += 1
            throw new StoreFault('unavailable', 'constraint failed')
          },
        }),
    })
    const id = await stand.accept(remote.route, ['a@remote.test', 'b@remote.test'])
    await stand.settled()
    assert.equal(remote.messages.length, 1)
    assert.ok(failures > 1 && failures < 20, `${failures} failures`)
    const held = 'the outcome of an attempt could not be written down: constraint failed'
    assert.deepEqual(
      (await stand.entries()).map(({ state, detail }) => [state, detail]),
      [
        ['held', held],
        ['held', held],
      ],
    )
    const [line, ...more] = stand.lines.filter(({ event }) => event === 'delivery-outcome-held')
    assert.equal(line?.['message'], id)
    assert.deepEqual(more, [])
  })

  test('a store that fails for longer is waited for: delivered once, nothing held', async (t) => {
    const remote = await remoteFor(t)
    const failing = { until: Number.POSITIVE_INFINITY, code: 'full' as 'full' | 'unavailable' }
    const stand = await standFor(t, {
      store: (store) =>
        withFaults(store, {
          settle: async (...given) => {
            // No room for an outcome, or for anything.
            const isHold = given[1].every(({ result }) => result === 'held')
            if (Date.now() < failing.until && !(isHold && failing.code === 'full'))
              throw new StoreFault(failing.code, 'away')
            return await store.settle(...given)
          },
        }),
    })
    for (const code of ['full', 'unavailable'] as const) {
      Object.assign(failing, { code, until: Date.now() + 6_000 })
      await stand.accept(remote.route, ['a@remote.test'])
      await stand.settled()
    }
    assert.equal(remote.messages.length, 2)
    assert.deepEqual(await stand.entries(), [])
  })

  test('claims that fail are made again, and it is said once', async (t) => {
    let failures = 0
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      store: (store) =>
        withFaults(store, {
          claim: async (request) => {
            if (failures < 3) {
              failures += 1
              throw new Error('locked')
            }
            return await store.claim(request)
          },
        }),
    })
    await stand.add(remote.route, ['a@remote.test'])
    await stand.settled()
    assert.equal(failures, 3)
    assert.equal(stand.lines.filter(({ event }) => event === 'queue-store-failed').length, 1)
  })

  test('content that cannot be read puts the mail off without counting', async (t) => {
    let isAway = true
    const remote = await remoteFor(t)
    const stand = await standFor(t, {
      store: (store) =>
        withFaults(store, {
          content: async (message) => {
            if (isAway) throw new Error('the spool is away')
            return await store.content(message)
          },
        }),
    })
    await stand.add(remote.route, ['a@remote.test'])
    await until(async () => (await stand.entries())[0]?.detail !== '')
    const [entry] = await stand.entries()
    assert.deepEqual([entry?.state, entry?.attempts], ['due', 0])
    isAway = false
    await stand.settled()
    assert.equal(remote.accepted.length, 1)
  })

  test('a lease is renewed as long as the attempt lasts', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'dot' ? { delayMs: 5_000 } : undefined))
    const stand = await standFor(t, { leaseMs: 2_000, pace: { pollMs: 100 } })
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.settled()
    assert.equal(remote.messages.length, 1, 'a lease that ran out was claimed again')
    assert.equal(stand.deliverer.counters.delivered, 1)
  })

  test('work whose lease is lost is broken off and not settled', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'rcpt' ? { after: 'stall' } : undefined))
    let settlements = 0
    const stand = await standFor(t, {
      leaseMs: 2_000,
      store: (store) =>
        withFaults(store, {
          settle: (...given) => {
            settlements += 1
            return store.settle(...given)
          },
        }),
    })
    await stand.accept(remote.route, ['a@remote.test'])
    await until(() => remote.commands.some((command) => command.startsWith('RCPT')))
    await stand.store.reclaim(OWNER)
    const now = Date.now()
    const lease = { owner: 'somebody else', until: now + 60_000 }
    const [claimed] = await stand.store.claim({ lease, now, limit: 1, exceptRoutes: [] })
    assert.ok(claimed !== undefined)
    await until(() => stand.lines.some(({ event }) => event === 'delivery-lease-lost'))
    await until(() => remote.open === 0)
    assert.equal(settlements, 0)
    assert.equal(stand.attempts.length, 0)
    assert.equal(await stand.store.settle(claimed, [], []), true, "the other's lease holds")
  })

  test('a full site says so, and what is offered all the same goes back to the queue and is delivered', async (t) => {
    let isSlow = true
    const remote = await remoteFor(t, ({ verb }) =>
      verb === 'dot' && isSlow ? { delayMs: 1_000 } : undefined,
    )
    const stand = await standFor(t, { site: { maxReady: 5, maxConnections: 2 } })
    assert.equal(stand.deliverer.hasRoomFor(remote.route, 100), true)
    for (let i = 0; i < 12; i++) await stand.accept(remote.route, [`r${i}@remote.test`])
    assert.equal(stand.deliverer.hasRoomFor(remote.route, 100), false)
    assert.ok((await stand.store.counts()).leased <= 7 + 1)
    isSlow = false
    await stand.settled()
    assert.equal(remote.messages.length, 12)
  })

  test('only so many octets wait in memory', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'dot' ? { delayMs: 300 } : undefined))
    const stand = await standFor(t, { pace: { maxBodyBytes: 5_000 } })
    const text = `Subject: x\r\n\r\n${'y'.repeat(3_000)}\r\n`
    assert.equal(stand.deliverer.hasRoomFor(remote.route, 5_000), true)
    assert.equal(stand.deliverer.hasRoomFor(remote.route, 5_001), false)
    await stand.accept(remote.route, ['a@remote.test'], text)
    assert.equal(stand.deliverer.hasRoomFor('discard:', 3_000), false)
    await stand.settled()
    assert.equal(stand.deliverer.hasRoomFor(remote.route, 5_000), true, 'memory was not given back')
  })

  test('a drain waits for the reply to a message under way and gives back what waits', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'dot' ? { delayMs: 3_000 } : undefined))
    const stand = await standFor(t, { site: { maxConnections: 1, firstConnections: 1 } })
    for (let i = 0; i < 4; i++) await stand.accept(remote.route, [`r${i}@remote.test`])
    await until(() => remote.messages.length === 1)
    await stand.deliverer.drain(20_000)
    assert.equal(remote.messages.length, 1)
    assert.equal(stand.deliverer.counters.delivered, 1)
    const entries = await stand.entries()
    assert.equal(entries.length, 3)
    assert.ok(entries.every(({ leased, attempts, state }) => !leased && attempts === 0 && state === 'due'))
    assert.equal(stand.deliverer.hasRoomFor(remote.route, 1), false)
    // What comes too late goes back as well.
    await stand.accept(remote.route, ['late@remote.test'])
    await until(async () => (await stand.store.counts()).leased === 0)
    await until(() => remote.open === 0)
  })

  for (const [what, script] of [
    ['a reply that does not come', ({ verb }) => (verb === 'dot' ? { after: 'stall' } : undefined)],
    ['a greeting that does not come', ({ verb }) => (verb === 'connect' ? { after: 'stall' } : undefined)],
  ] as const satisfies readonly (readonly [string, Script])[]) {
    test(`a drain breaks off ${what}: given back, not counted`, async (t) => {
      const remote = await remoteFor(t, script)
      const stand = await standFor(t)
      await stand.accept(remote.route, ['a@remote.test'])
      await until(() => remote.open === 1 && (what.includes('greeting') || remote.messages.length === 1))
      const startedAt = performance.now()
      await stand.deliverer.drain(300)
      assert.ok(performance.now() - startedAt < 8_000)
      const [entry] = await stand.entries()
      assert.deepEqual([entry?.state, entry?.leased, entry?.attempts], ['due', false, 0])
      await until(() => remote.open === 0)
    })
  }
})
