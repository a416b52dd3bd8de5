/** What operators decide beside hold, retry and drop: giving up, suspending, and looking at ages. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressesOf,
  claimAt,
  deferred,
  MINUTE,
  NOW,
  newMessage,
  type OpenStore,
  OTHER_ROUTE,
  only,
  ROUTE,
  to,
} from './fixture.ts'

export function givingUpConformance(open: OpenStore): void {
  test('who is given up is claimed at once and apart, held or not, whatever its route can take', async (t) => {
    const { store } = await open(t)
    await store.add(
      newMessage(1, { recipients: [to('a@one.test'), to('b@two.test'), to('c@one.test', ROUTE, 'held')] }),
      null,
    )
    assert.equal(await store.bounce({ to: '@one.test' }, 'the domain is gone', NOW), 2)
    const { due, held } = await store.counts()
    assert.deepEqual({ due, held }, { due: 3, held: 0 })
    const given = only(await store.claim(claimAt(NOW, { exceptRoutes: [ROUTE] })))
    assert.deepEqual([addressesOf(given), given.bounce], [['a@one.test', 'c@one.test'], 'the domain is gone'])
    const other = only(await store.claim(claimAt(NOW)))
    assert.deepEqual([addressesOf(other), other.bounce], [['b@two.test'], undefined])
    const settlements = addressesOf(given).map(
      (address) => ({ address, result: 'bounced', detail: 'given up' }) as const,
    )
    assert.equal(await store.settle(given, settlements, [newMessage(2)]), true)
    assert.deepEqual((await store.list({ state: 'bounced' }, 10)).length, 2)
  })

  test('who is being delivered is not given up, and who is held or released is not given up any more', async (t) => {
    const { store } = await open(t)
    await store.add(newMessage(1), null)
    const delivery = only(await store.claim(claimAt(NOW)))
    assert.equal(await store.bounce({}, 'no', NOW), 0)
    await store.settle(delivery, [deferred('rcpt@example.test', NOW)], [])
    assert.equal(await store.bounce({}, 'no', NOW), 1)
    assert.equal(await store.hold({}, 'wait a moment'), 1)
    await store.unhold({}, NOW, MINUTE)
    assert.equal(only(await store.claim(claimAt(NOW))).bounce, undefined)
  })
}

export function suspendingConformance(open: OpenStore): void {
  test('suspensions are kept, also over a restart, one for each route', async (t) => {
    const { store, reopen } = await open(t)
    const first = { route: ROUTE, reason: 'their storage is down', since: NOW, until: null }
    await store.suspend(first)
    await store.suspend({ ...first, route: OTHER_ROUTE, until: NOW + MINUTE })
    await store.suspend({ ...first, reason: 'still down' })
    const again = await reopen()
    assert.deepEqual(await again.suspensions(), [
      { ...first, route: OTHER_ROUTE, until: NOW + MINUTE },
      { ...first, reason: 'still down' },
    ])
    assert.equal(await again.resume(ROUTE), true)
    assert.equal(await again.resume(ROUTE), false)
    assert.equal((await again.suspensions()).length, 1)
  })

  test('ages are counted by domain, the most first, of what is owed and matches', async (t) => {
    const { store } = await open(t)
    const recipients = [to('a@one.test'), to('"x@y"@ONE.test'), to('b@two.test', ROUTE, 'held')]
    await store.add(newMessage(1, { acceptedAt: NOW - 6 * MINUTE, recipients }), null)
    await store.add(
      newMessage(2, {
        acceptedAt: NOW - 30 * 60 * MINUTE,
        recipients: [to('c@one.test'), to('d@done.test')],
      }),
      null,
    )
    const rows = await store.ages({}, NOW)
    assert.deepEqual(rows[0], { domain: 'one.test', counts: [0, 2, 0, 0, 0, 0, 0, 0, 0, 1] })
    assert.deepEqual(await store.ages({ state: 'held' }, NOW), [
      { domain: 'two.test', counts: [0, 1, 0, 0, 0, 0, 0, 0, 0, 0] },
    ])
    const old = await store.ages({ acceptedBefore: NOW - 60 * MINUTE }, NOW)
    assert.deepEqual(old.map(({ domain }) => domain).toSorted(), ['done.test', 'one.test'])
  })

  test('filters by reason and by age match nobody else', async (t) => {
    const { store } = await open(t)
    await store.add(
      newMessage(1, { acceptedAt: NOW - MINUTE, recipients: [to('a@one.test', ROUTE, 'Looks like SPAM_%')] }),
      null,
    )
    await store.add(
      newMessage(2, { acceptedAt: NOW, recipients: [to('b@one.test', ROUTE, 'too large')] }),
      null,
    )
    const listed = async (filter: object): Promise<readonly string[]> =>
      (await store.list(filter, 10)).map(({ address }) => address)
    assert.deepEqual(await listed({ reason: 'spam_%' }), ['a@one.test'])
    assert.deepEqual(await listed({ reason: '%' }), ['a@one.test'])
    assert.deepEqual(await listed({ acceptedBefore: NOW }), ['a@one.test'])
    assert.deepEqual(await listed({ acceptedSince: NOW }), ['b@one.test'])
    assert.deepEqual(await listed({ acceptedSince: NOW, reason: 'spam' }), [])
    assert.equal(await store.drop({ reason: 'large' }), 1)
    assert.equal((await store.counts()).messages, 1)
  })
}
