/** What an operator does: listings, hold, release, retry, drop. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { QueueFilter, QueueStore } from '../../../core/queue/queue-store.ts'
import {
  claimAt,
  DAY,
  deferred,
  isFault,
  LEASE,
  MINUTE,
  messageId,
  NOW,
  newMessage,
  type OpenStore,
  OTHER_ROUTE,
  only,
  ROUTE,
  to,
} from './fixture.ts'

export function operatingConformance(open: OpenStore): void {
  lists(open)
  holdsAndReleases(open)
  retriesAndDrops(open)
}

/** Four recipients of three messages: one with the null reverse-path, one held, two routes. */
async function fill(store: QueueStore): Promise<void> {
  await store.add(newMessage(1, { recipients: [to('a@x.test'), to('B@y.test', OTHER_ROUTE)] }), null)
  await store.add(newMessage(2, { reversePath: '', recipients: [to('c@sub.x.test')] }), null)
  await store.add(
    newMessage(3, { reversePath: 'Other@client.example', recipients: [to('d@x.test', ROUTE, 'why')] }),
    null,
  )
}

const FILTERS: readonly (readonly [filter: QueueFilter, addresses: string])[] = [
  [{}, 'a@x.test B@y.test c@sub.x.test d@x.test'],
  [{ message: messageId(1) }, 'a@x.test B@y.test'],
  [{ message: messageId(99) }, ''],
  [{ state: 'due' }, 'a@x.test B@y.test c@sub.x.test'],
  [{ state: 'held' }, 'd@x.test'],
  [{ state: 'delivered' }, ''],
  [{ route: OTHER_ROUTE }, 'B@y.test'],
  [{ to: 'a@x.test' }, 'a@x.test'],
  [{ to: 'b@Y.test' }, 'B@y.test'],
  [{ to: '@x.test' }, 'a@x.test d@x.test'],
  [{ to: '@X.TEST' }, 'a@x.test d@x.test'],
  [{ to: '%' }, ''],
  [{ from: 'other@client.example' }, 'd@x.test'],
  [{ from: '@client.example' }, 'a@x.test B@y.test d@x.test'],
  [{ from: '' }, 'c@sub.x.test'],
  [{ from: '<>' }, 'c@sub.x.test'],
  [{ to: '@x.test', state: 'due', route: ROUTE, from: '@client.example' }, 'a@x.test'],
]

function lists(open: OpenStore): void {
  test('a filter means those who match all of it', async (t) => {
    const { store } = await open(t)
    await fill(store)
    for (const [filter, addresses] of FILTERS) {
      await t.test(`${JSON.stringify(filter)} means ${addresses === '' ? 'nobody' : addresses}`, async () => {
        const found = await store.list(filter, 100)
        assert.equal(found.map(({ address }) => address).join(' '), addresses)
      })
    }
  })

  test('a listing ends at its limit', async (t) => {
    const { store } = await open(t)
    await fill(store)
    assert.equal((await store.list({}, 3)).length, 3)
  })
}

function holdsAndReleases(open: OpenStore): void {
  test('held recipients are not delivered until they are released, with a new life', async (t) => {
    const { store } = await open(t)
    await fill(store)
    assert.equal(await store.hold({ to: '@x.test' }, 'let me look'), 1)
    assert.deepEqual(
      (await store.list({ state: 'held' }, 10)).map(({ address, detail }) => [address, detail]),
      [
        ['a@x.test', 'let me look'],
        ['d@x.test', 'why'],
      ],
    )
    assert.equal((await store.claim(claimAt(NOW + DAY))).length, 2)
    const now = NOW + 9 * DAY
    assert.equal(await store.unhold({ to: '@x.test' }, now, 2 * DAY), 2)
    const released = await store.claim(claimAt(now, { exceptRoutes: [OTHER_ROUTE] }))
    const lives = released.filter(({ message }) => message !== messageId(2)).map(({ expiresAt }) => expiresAt)
    assert.deepEqual(lives, [now + 2 * DAY, now + 2 * DAY])
    assert.equal((await store.counts()).held, 0)
  })

  test('what is being delivered is neither held nor dropped', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), LEASE)
    assert.equal(await store.hold({}, 'no'), 0)
    assert.equal(await store.drop({}), 0)
    assert.equal(await store.retryNow({}, NOW + 1), 0)
    assert.equal((await store.counts()).leased, 1)
  })

  test('a command reaches every recipient of a long queue once', async (t) => {
    const { store } = await open(t)
    const recipients = Array.from({ length: 7 }, (_, i) => to(`r${i}@x.test`))
    await Promise.all(Array.from({ length: 190 }, (_, i) => store.add(newMessage(i, { recipients }), null)))
    assert.equal(await store.hold({ to: '@x.test' }, 'all'), 1330)
    assert.equal((await store.counts()).held, 1330)
    assert.equal(await store.drop({ message: messageId(5) }), 7)
    assert.equal(await store.unhold({}, NOW, DAY), 1323)
    const { messages, due, held } = await store.counts()
    assert.deepEqual({ messages, due, held }, { messages: 189, due: 1323, held: 0 })
  })
}

function retriesAndDrops(open: OpenStore): void {
  test('a deferred recipient can be made due at once', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    await store.settle(delivery, [deferred('rcpt@example.test', NOW + DAY)], [])
    assert.deepEqual(await store.claim(claimAt(NOW + MINUTE)), [])
    assert.equal(await store.retryNow({ message: messageId(1) }, NOW + MINUTE), 1)
    assert.equal(only(await store.claim(claimAt(NOW + MINUTE))).recipients[0]?.attempts, 1)
  })

  test('dropped recipients are forgotten, and with the last one the message', async (t) => {
    const { store, spool, isSpooled } = await open(t)
    const content = await spool(messageId(1), Buffer.alloc(1000))
    const recipients = [to('a@x.test'), to('b@y.test', OTHER_ROUTE, 'held')]
    await store.add(
      newMessage(1, { stored: { head: Buffer.alloc(0), content, contentOffset: 0 }, recipients }),
      null,
    )
    assert.equal(await store.drop({ state: 'held' }), 1)
    assert.equal(await isSpooled(content), true)
    assert.equal(await store.drop({ to: 'a@x.test' }), 1)
    await assert.rejects(store.content(messageId(1)), isFault('unavailable'))
    const { messages, bytes, due, held } = await store.counts()
    assert.deepEqual({ messages, bytes, due, held }, { messages: 0, bytes: 0, due: 0, held: 0 })
  })

  test('a closed store refuses every call with a fault', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    await store.close()
    await assert.rejects(store.add(newMessage(2), null), isFault('unavailable'))
    await assert.rejects(store.counts(), isFault('unavailable'))
  })
}
