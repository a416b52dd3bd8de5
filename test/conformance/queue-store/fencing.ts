/** Leases: who lost one changes nothing any more, and work that ends its owners is held. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  BODY,
  claimAt,
  deferred,
  delivered,
  HEAD,
  MINUTE,
  messageId,
  NOW,
  newMessage,
  type OpenStore,
  only,
  ROUTE,
  to,
} from './fixture.ts'

export function fencingConformance(open: OpenStore): void {
  test('a lease that was lost settles, renews, begins and releases nothing', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    const first = only(await store.claim(claimAt(NOW)))
    // Its time is over, and another worker has claimed the work.
    const later = NOW + 2 * MINUTE
    const second = only(
      await store.claim(claimAt(later, { lease: { owner: 'worker-2', until: later + MINUTE } })),
    )
    assert.ok(second.fence > first.fence)
    assert.equal(await store.settle(first, [delivered('rcpt@example.test')], []), false)
    assert.deepEqual(await store.renew([first], later + 5 * MINUTE), [first])
    assert.equal(await store.begin(first), false)
    await store.release([first])
    assert.deepEqual(await store.claim(claimAt(later)), [], 'it is the second one’s still')
    assert.equal(await store.settle(second, [delivered('rcpt@example.test')], []), true)
    assert.equal(await store.settle(second, [delivered('rcpt@example.test')], []), false, 'once')
  })
}

export function poisonConformance(open: OpenStore): void {
  test('what ends its owner in the fifth attempt is held and counted, with the reason', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1, { recipients: [to('rcpt@example.test'), to('two@example.test')] }), null)
    for (let death = 1; death <= 5; death++) {
      const delivery = only(await store.claim(claimAt(NOW)))
      assert.equal(delivery.isSuspect === true, death > 1)
      if (death > 1) assert.equal(await store.begin(delivery), true)
      assert.equal(await store.reclaim('worker-1'), 2)
    }
    assert.deepEqual(await store.claim(claimAt(NOW)), [])
    const entries = await store.list({}, 10)
    assert.deepEqual(
      entries.map(({ address, state, leased }) => [address, state, leased]),
      [
        ['rcpt@example.test', 'held', false],
        ['two@example.test', 'held', false],
      ],
    )
    assert.match(entries[0]?.detail ?? '', /^poison: 5 times /)
    const { due, held, leased, poisoned } = await store.counts()
    assert.deepEqual({ due, held, leased, poisoned }, { due: 0, held: 2, leased: 0, poisoned: 2 })
    // An operator may try once more.
    await store.unhold({}, NOW, MINUTE)
    assert.equal(only(await store.claim(claimAt(NOW))).isSuspect, undefined)
  })

  test('what only waited with those that died is not held, however often', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    for (let death = 1; death <= 8; death++) {
      only(await store.claim(claimAt(NOW)))
      await store.reclaim(null)
    }
    assert.equal(only(await store.claim(claimAt(NOW))).isSuspect, true)
  })

  test('leases that ended by themselves count like those of the dead', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    let now = NOW
    for (let hanging = 1; hanging <= 5; hanging++) {
      await store.begin(only(await store.claim(claimAt(now))))
      now += 2 * MINUTE
    }
    assert.deepEqual(await store.claim(claimAt(now)), [])
    assert.match((await store.list({}, 1))[0]?.detail ?? '', /^poison: /)
    assert.equal((await store.counts()).leased, 0)
  })
}

export function reprieveConformance(open: OpenStore): void {
  test('an outcome, or work given back, begins the count anew; the last reply stays in the reason', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    const die = async (): Promise<void> => {
      await store.begin(only(await store.claim(claimAt(NOW))))
      await store.reclaim(null)
    }
    for (let death = 1; death <= 4; death++) await die()
    const fine = only(await store.claim(claimAt(NOW)))
    await store.settle(fine, [deferred('rcpt@example.test', NOW)], [])
    for (let death = 1; death <= 4; death++) await die()
    const given = only(await store.claim(claimAt(NOW)))
    await store.begin(given)
    await store.release([given])
    assert.equal(only(await store.claim(claimAt(NOW))).isSuspect, true, 'giving it back is no death')
    await store.reclaim(null)
    await die()
    assert.match((await store.list({}, 1))[0]?.detail ?? '', /^poison: .*; before: 451 4\.3\.0 Later$/)
  })
}

export function settingAsideConformance(open: OpenStore): void {
  test('a message that turns out to be damaged is held for all it is still due to, leases too', async (t) => {
    const { store } = await open(t)
    const recipients = [
      to('a@example.test'),
      to('b@example.test', 'smtp://192.0.2.9:25'),
      to('c@example.test', ROUTE, 'held before'),
    ]
    await store.add(
      newMessage(1, {
        recipients,
        stored: { head: HEAD, content: { kind: 'inline', bytes: BODY }, contentOffset: 0 },
      }),
      null,
    )
    await store.add(newMessage(2), null)
    const [delivery] = await store.claim(claimAt(NOW, { limit: 1 }))
    assert.ok(delivery)
    assert.equal(await store.setAside(messageId(1), 'damaged: a test'), 2)
    assert.equal(await store.settle(delivery, [delivered('a@example.test')], []), false)
    assert.equal(only(await store.claim(claimAt(NOW))).message, messageId(2))
    const { damaged, held, leased } = await store.counts()
    assert.deepEqual({ damaged, held, leased }, { damaged: 2, held: 3, leased: 1 })
    assert.equal(await store.setAside('q_nosuchmessage', 'damaged'), 0)
  })
}
