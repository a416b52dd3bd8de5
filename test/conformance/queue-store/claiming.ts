/** Claims: leases, fencing numbers, what is due first. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  addressesOf,
  claimAt,
  deferred,
  delivered,
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

const RCPT = 'rcpt@example.test'

export function claimingConformance(open: OpenStore): void {
  takesTogether(open)
  takesWhatIsDue(open)
  leasesEnd(open)
  renewsAndReleases(open)
}

function takesTogether(open: OpenStore): void {
  test('a claim takes the recipients of one message by one route together', async (t) => {
    const { store } = await open(t)
    const recipients = [to('a@x.test'), to('b@y.test', OTHER_ROUTE), to('c@x.test')]
    await store.add(newMessage(1, { recipients }), null)
    const deliveries = await store.claim(claimAt(NOW))
    const found = new Map(deliveries.map((delivery) => [delivery.route, addressesOf(delivery)]))
    assert.deepEqual(
      found,
      new Map([
        [ROUTE, ['a@x.test', 'c@x.test']],
        [OTHER_ROUTE, ['b@y.test']],
      ]),
    )
    assert.notEqual(deliveries[0]?.fence, deliveries[1]?.fence)
  })

  test('the longest due comes first, and no more than was asked for', async (t) => {
    const { store } = await open(t)
    for (const [number, minutes] of [5, 2, 9, 1].entries()) {
      await store.add(newMessage(number, { acceptedAt: NOW + minutes * MINUTE }), null)
    }
    const now = NOW + 6 * MINUTE
    assert.deepEqual(messagesOf(await store.claim(claimAt(now, { limit: 2 }))), [messageId(3), messageId(1)])
    assert.deepEqual(messagesOf(await store.claim(claimAt(now))), [messageId(0)])
    assert.deepEqual(await store.claim(claimAt(now)), [])
  })

  test('routes that can take nothing are left out, whatever waits for them', async (t) => {
    const { store } = await open(t)
    for (let number = 0; number < 5; number++) await store.add(newMessage(number), null)
    const elsewhere = {
      acceptedAt: NOW + 1,
      recipients: [to('b@y.test', OTHER_ROUTE), to('c@z.test', 'discard:')],
    }
    await store.add(newMessage(7, elsewhere), null)
    await store.add(newMessage(8, { ...elsewhere, acceptedAt: NOW }), null)
    const claimed = await store.claim(claimAt(NOW + 1, { exceptRoutes: [ROUTE, 'discard:'] }))
    assert.deepEqual(messagesOf(claimed), [messageId(8), messageId(7)])
    assert.deepEqual(
      claimed.map(({ route }) => route),
      [OTHER_ROUTE, OTHER_ROUTE],
    )
    assert.equal((await store.claim(claimAt(NOW + 1))).length, 7)
  })
}

function takesWhatIsDue(open: OpenStore): void {
  for (const [what, now, count] of [
    ['is not due a millisecond before', NOW + MINUTE - 1, 0],
    ['is due at its moment', NOW + MINUTE, 1],
    ['is due after it', NOW + MINUTE + 1, 1],
  ] as const) {
    test(`a deferred recipient ${what}`, async (t) => {
      const { store } = await open(t)
      const delivery = only(await store.add(newMessage(1), LEASE))
      await store.settle(delivery, [deferred(RCPT, NOW + MINUTE)], [])
      assert.equal((await store.claim(claimAt(now))).length, count)
    })
  }

  test('only the recipients that are due are claimed, with the attempts made', async (t) => {
    const { store } = await open(t)
    const recipients = [to('a@x.test'), to('b@x.test'), to('c@x.test')]
    const delivery = only(await store.add(newMessage(1, { recipients }), LEASE))
    const later = [
      deferred('a@x.test', NOW + 10),
      deferred('b@x.test', NOW + 10, false),
      deferred('c@x.test', NOW + 99),
    ]
    await store.settle(delivery, later, [])
    const { recipients: owed } = only(await store.claim(claimAt(NOW + 10)))
    assert.deepEqual(
      owed.map(({ address, attempts }) => [address, attempts]),
      [
        ['a@x.test', 1],
        ['b@x.test', 0],
      ],
    )
  })
}

function leasesEnd(open: OpenStore): void {
  test('a lease that is over may be claimed by another, and the first owner has lost it', async (t) => {
    const { store } = await open(t)
    const first = only(await store.add(newMessage(1), LEASE))
    assert.deepEqual(await store.claim(claimAt(LEASE.until - 1)), [])
    const second = only(
      await store.claim(claimAt(LEASE.until, { lease: { owner: 'worker-2', until: NOW + 9 * MINUTE } })),
    )
    assert.ok(second.fence > first.fence)
    assert.equal(await store.settle(first, [delivered(RCPT)], []), false)
    assert.equal(await store.settle(second, [delivered(RCPT)], []), true)
  })

  test('who settles after the end of the lease is heard as long as nobody else has claimed', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), { owner: 'worker-1', until: NOW - 1 }))
    assert.equal(await store.settle(delivery, [delivered(RCPT)], []), true)
    assert.equal((await store.counts()).messages, 0)
  })

  test('fencing numbers grow, also over a restart', async (t) => {
    const { store, reopen } = await open(t)
    const first = only(await store.add(newMessage(1), LEASE))
    const second = only(await store.add(newMessage(2), LEASE))
    const reopened = await reopen()
    const [third] = await reopened.claim(claimAt(LEASE.until))
    assert.ok(first.fence < second.fence)
    assert.ok(third !== undefined && second.fence < third.fence)
  })

  test('reclaiming ends the leases of one owner, or of everyone', async (t) => {
    const { store, reopen } = await open(t)
    await store.add(newMessage(1), { owner: 'worker-1', until: NOW + MINUTE })
    await store.add(newMessage(2), { owner: 'worker-2', until: NOW + MINUTE })
    await store.add(newMessage(3), { owner: 'worker-2', until: NOW + MINUTE })
    assert.equal(await store.reclaim('worker-1'), 1)
    assert.deepEqual(messagesOf(await store.claim(claimAt(NOW + 1))), [messageId(1)])
    const reopened = await reopen()
    assert.equal(await reopened.reclaim(null), 3)
    assert.equal((await reopened.counts()).leased, 0)
    assert.equal((await reopened.claim(claimAt(NOW + 2))).length, 3)
  })
}

function renewsAndReleases(open: OpenStore): void {
  test('a renewed lease lasts, and what was lost meanwhile is said', async (t) => {
    const { store } = await open(t)
    const kept = only(await store.add(newMessage(1), { owner: 'worker-1', until: NOW + 2 * MINUTE }))
    const lost = only(await store.add(newMessage(2), LEASE))
    const taken = only(await store.claim(claimAt(LEASE.until)))
    assert.equal(taken.message, lost.message)
    assert.deepEqual(await store.renew([kept, lost], NOW + 10 * MINUTE), [lost])
    assert.deepEqual(messagesOf(await store.claim(claimAt(NOW + 9 * MINUTE))), [lost.message])
    assert.deepEqual(messagesOf(await store.claim(claimAt(NOW + 10 * MINUTE))).toSorted(), [
      kept.message,
      lost.message,
    ])
  })

  test('released work is due again at once, and its lease is worth nothing', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    await store.release([delivery])
    assert.equal((await store.counts()).leased, 0)
    assert.equal(await store.settle(delivery, [delivered(RCPT)], []), false)
    assert.deepEqual(await store.renew([delivery], NOW + MINUTE), [delivery])
    assert.equal(only(await store.claim(claimAt(NOW))).message, delivery.message)
  })

  test('releasing what was lost takes nothing from the new owner', async (t) => {
    const { store } = await open(t)
    const first = only(await store.add(newMessage(1), LEASE))
    const second = only(await store.claim(claimAt(LEASE.until)))
    await store.release([first])
    assert.deepEqual(await store.claim(claimAt(LEASE.until + 1)), [])
    assert.equal(await store.settle(second, [delivered(RCPT)], []), true)
  })
}

function messagesOf(deliveries: readonly { readonly message: string }[]): string[] {
  return deliveries.map(({ message }) => message)
}
