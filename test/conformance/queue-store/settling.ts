/** Settling: what became of each recipient, and when a message is gone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Delivery, QueueStore } from '../../../core/queue/queue-store.ts'
import {
  addressesOf,
  BODY,
  bounced,
  claimAt,
  deferred,
  delivered,
  HEAD,
  held,
  isFault,
  LEASE,
  messageId,
  NOW,
  newMessage,
  type OpenStore,
  OTHER_ROUTE,
  only,
  ROUTE,
  rerouted,
  sent,
  to,
} from './fixture.ts'

const THREE = { recipients: [to('a@x.test'), to('b@x.test'), to('c@x.test')] }

export function settlingConformance(open: OpenStore): void {
  endsMessages(open)
  settlesPartly(open)
  refusesStrangers(open)
  storesNotices(open)
  keepsDsn(open)
  reroutes(open)
  mergesRoutes(open)
}

function endsMessages(open: OpenStore): void {
  test('a message is gone when everyone has it', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    assert.equal(await store.settle(delivery, [delivered('rcpt@example.test')], []), true)
    assert.deepEqual(await store.list({}, 10), [])
    assert.deepEqual(await store.stored([messageId(1)]), [])
    const { messages, due, leased, bytes, nextDueAt } = await store.counts()
    assert.deepEqual(
      { messages, due, leased, bytes, nextDueAt },
      { messages: 0, due: 0, leased: 0, bytes: 0, nextDueAt: null },
    )
  })

  test('a message stays while one recipient of another route is owed it', async (t) => {
    const { store } = await open(t)
    const recipients = [to('a@x.test'), to('b@y.test', OTHER_ROUTE)]
    const [first, second] = await store.add(newMessage(1, { recipients }), LEASE)
    await store.settle(first as Delivery, [delivered('a@x.test')], [])
    assert.deepEqual(await states(store), { 'a@x.test': 'delivered', 'b@y.test': 'due' })
    assert.ok(await store.content(messageId(1)))
    await store.settle(second as Delivery, [delivered('b@y.test')], [])
    assert.equal((await store.counts()).messages, 0)
  })

  test('a message stays while one recipient is held', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1, THREE), LEASE))
    await store.settle(delivery, [delivered('a@x.test'), held('b@x.test'), delivered('c@x.test')], [])
    assert.deepEqual(await states(store), {
      'a@x.test': 'delivered',
      'b@x.test': 'held',
      'c@x.test': 'delivered',
    })
    const { messages, due, held: onHold, nextDueAt } = await store.counts()
    assert.deepEqual(
      { messages, due, onHold, nextDueAt },
      { messages: 1, due: 0, onHold: 1, nextDueAt: null },
    )
  })
}

function settlesPartly(open: OpenStore): void {
  test('each recipient is settled for itself', async (t) => {
    const { store, reopen } = await open(t)
    const delivery = only(await store.add(newMessage(1, THREE), LEASE))
    await store.settle(
      delivery,
      [delivered('a@x.test'), deferred('b@x.test', NOW + 50), held('c@x.test')],
      [],
    )
    const entries = await (await reopen()).list({}, 10)
    assert.deepEqual(
      entries.map(({ address, state, attempts, dueAt, detail, leased }) => [
        address,
        state,
        attempts,
        dueAt,
        detail,
        leased,
      ]),
      [
        ['a@x.test', 'delivered', 1, NOW, '250 2.0.0 Ok', false],
        ['b@x.test', 'due', 1, NOW + 50, '451 4.3.0 Later', false],
        ['c@x.test', 'held', 1, NOW, '550 5.1.1 No such user', false],
      ],
    )
  })

  test('what is held without an attempt has none more', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1, THREE), LEASE))
    await store.settle(delivery, [{ ...held('a@x.test'), counted: false }, held('b@x.test')], [])
    const entries = await store.list({ state: 'held' }, 10)
    assert.deepEqual(
      entries.map(({ address, attempts }) => [address, attempts]),
      [
        ['a@x.test', 0],
        ['b@x.test', 1],
      ],
    )
  })

  test('recipients no settlement names are due again at once', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1, THREE), LEASE))
    await store.settle(delivery, [delivered('b@x.test')], [])
    assert.equal((await store.counts()).leased, 0)
    assert.deepEqual(addressesOf(only(await store.claim(claimAt(NOW)))), ['a@x.test', 'c@x.test'])
  })

  test('the next moment something is due is the earliest of all', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1, THREE), LEASE))
    assert.equal((await store.counts()).nextDueAt, LEASE.until)
    await store.settle(
      delivery,
      [deferred('a@x.test', NOW + 30), deferred('b@x.test', NOW + 20), held('c@x.test')],
      [],
    )
    assert.equal((await store.counts()).nextDueAt, NOW + 20)
  })
}

function refusesStrangers(open: OpenStore): void {
  test('a second settlement of the same lease changes nothing', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    assert.equal(await store.settle(delivery, [deferred('rcpt@example.test', NOW + 50)], []), true)
    assert.equal(await store.settle(delivery, [delivered('rcpt@example.test')], []), false)
    assert.deepEqual(await states(store), { 'rcpt@example.test': 'due' })
  })

  test('a settlement for somebody who is not in the lease changes nothing at all', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1, THREE), LEASE))
    assert.equal(
      await store.settle(delivery, [delivered('a@x.test'), delivered('stranger@x.test')], []),
      false,
    )
    assert.deepEqual(await states(store), { 'a@x.test': 'due', 'b@x.test': 'due', 'c@x.test': 'due' })
    assert.equal((await store.counts()).leased, 3)
  })

  test('two settlements for one recipient are refused and lose nobody', async (t) => {
    const { store } = await open(t)
    const recipients = [to('a@x.test'), to('b@x.test')]
    const delivery = only(await store.add(newMessage(1, { recipients }), LEASE))
    await assert.rejects(store.settle(delivery, [delivered('a@x.test'), delivered('a@x.test')], []))
    assert.deepEqual(await states(store), { 'a@x.test': 'due', 'b@x.test': 'due' })
  })
}

/** A notice about the message of `newMessage(1)`. */
function notice(number: number) {
  const recipients = [to('sender@client.example', OTHER_ROUTE)]
  return newMessage(number, {
    reversePath: '',
    origin: { kind: 'internal', what: 'dsn', tags: [] },
    recipients,
  })
}

function storesNotices(open: OpenStore): void {
  test('a notice is stored with the settlement it is about, and may be claimed at once', async (t) => {
    const { store, reopen } = await open(t)
    const delivery = only(await store.add(newMessage(1, THREE), LEASE))
    const settlements = [bounced('a@x.test'), deferred('b@x.test', NOW + 50), delivered('c@x.test')]
    assert.equal(await store.settle(delivery, settlements, [notice(2)]), true)
    const again = await reopen()
    assert.deepEqual(await states(again), {
      'a@x.test': 'bounced',
      'b@x.test': 'due',
      'c@x.test': 'delivered',
      'sender@client.example': 'due',
    })
    const claimed = only(await again.claim(claimAt(NOW)))
    assert.deepEqual([claimed.message, claimed.reversePath], [messageId(2), ''])
    assert.deepEqual(sent(await again.content(messageId(2))), Buffer.concat([HEAD, BODY]))
    const { messages, due, held: onHold } = await again.counts()
    assert.deepEqual({ messages, due, onHold }, { messages: 2, due: 2, onHold: 0 })
  })

  test('a message whose last recipient is given up is gone, and only the notice is left', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    await store.settle(delivery, [bounced('rcpt@example.test')], [notice(2), notice(3)])
    assert.deepEqual(await store.stored([1, 2, 3].map(messageId)), [messageId(2), messageId(3)])
    const { messages, due, leased } = await store.counts()
    assert.deepEqual({ messages, due, leased }, { messages: 2, due: 2, leased: 0 })
  })

  test('a lost lease stores no notice', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    await store.release([delivery])
    assert.equal(await store.settle(delivery, [bounced('rcpt@example.test')], [notice(2)]), false)
    assert.deepEqual(await states(store), { 'rcpt@example.test': 'due' })
    assert.deepEqual(await store.stored([messageId(2)]), [])
  })

  test('a notice that cannot be stored leaves its recipient owed', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    const taken = { ...notice(2), id: messageId(1) }
    await assert.rejects(store.settle(delivery, [held('rcpt@example.test')], [taken]), isFault('unavailable'))
    assert.deepEqual(await states(store), { 'rcpt@example.test': 'due' })
    assert.equal((await store.counts()).leased, 1)
    assert.equal(await store.settle(delivery, [bounced('rcpt@example.test')], [notice(2)]), true)
  })
}

function keepsDsn(open: OpenStore): void {
  test('what the sender wants to hear comes with every claim, and that a delay was told', async (t) => {
    const { store, reopen } = await open(t)
    const dsn = { ret: 'HDRS', envid: 'QQ 314' } as const
    const wanted = { notify: ['DELAY'], orcpt: { type: 'rfc822', address: 'Old@x.test' } } as const
    const recipients = [{ ...to('a@x.test'), dsn: wanted }, to('b@x.test')]
    const first = only(await store.add(newMessage(1, { dsn, recipients }), LEASE))
    const told = { ...deferred('a@x.test', NOW), isDelayTold: true }
    await store.settle(first, [told, deferred('b@x.test', NOW)], [])
    const second = only(await (await reopen()).claim(claimAt(NOW)))
    assert.deepEqual([first.dsn, second.dsn], [dsn, dsn])
    const facts = (delivery: Delivery) => delivery.recipients.map((r) => [r.dsn, r.isDelayTold])
    const none = { notify: null, orcpt: null }
    assert.deepEqual(facts(first), [
      [wanted, false],
      [none, false],
    ])
    assert.deepEqual(facts(second), [
      [wanted, true],
      [none, false],
    ])
  })
}

function reroutes(open: OpenStore): void {
  test('a changed route is no attempt, is claimed by its new name, and is told until an attempt counts', async (t) => {
    const { store, reopen } = await open(t)
    const first = only(await store.add(newMessage(1, THREE), LEASE))
    assert.deepEqual(first.recipients[0], { ...first.recipients[0], reroutes: 0, isRerouted: false })
    const settlements = [rerouted('a@x.test', OTHER_ROUTE, NOW + 5), delivered('b@x.test')]
    assert.equal(await store.settle(first, settlements, []), true)
    const again = await reopen()
    assert.deepEqual(addressesOf(only(await again.claim(claimAt(NOW)))), ['c@x.test'])
    const moved = only(await again.claim(claimAt(NOW + 5)))
    assert.deepEqual([moved.route, moved.message, moved.origin], [OTHER_ROUTE, messageId(1), first.origin])
    assert.deepEqual(facts(moved), [['a@x.test', 0, 1, true]])
    await again.settle(moved, [deferred('a@x.test', NOW + 6, false)], [])
    const waited = only(await again.claim(claimAt(NOW + 6)))
    assert.deepEqual(facts(waited), [['a@x.test', 0, 1, true]])
    await again.settle(waited, [deferred('a@x.test', NOW + 7)], [])
    assert.deepEqual(facts(only(await again.claim(claimAt(NOW + 7)))), [['a@x.test', 1, 1, false]])
  })
}

function mergesRoutes(open: OpenStore): void {
  for (const [what, hold] of [
    ['due', null],
    ['held', 'why'],
  ] as const) {
    test(`a changed route that leads to where the same address is ${what} leaves one of the two`, async (t) => {
      const { store } = await open(t)
      const recipients = [to('a@x.test'), to('a@x.test', OTHER_ROUTE, hold), to('b@x.test')]
      const deliveries = await store.add(newMessage(1, { recipients }), LEASE)
      const leaving = deliveries.find(({ route }) => route !== OTHER_ROUTE) as Delivery
      const settlements = [rerouted('a@x.test', OTHER_ROUTE), rerouted('b@x.test', OTHER_ROUTE)]
      assert.equal(await store.settle(leaving, settlements, []), true)
      const entries = await store.list({}, 10)
      assert.deepEqual(
        entries.map(({ address, route, state }) => [address, route, state]),
        [
          ['a@x.test', OTHER_ROUTE, what],
          ['b@x.test', OTHER_ROUTE, 'due'],
        ],
      )
      const { messages, due, held: onHold } = await store.counts()
      const isHeld = hold !== null
      assert.deepEqual([messages, due, onHold], [1, isHeld ? 1 : 2, isHeld ? 1 : 0])
    })
  }

  test('what was delivered there does not stand in the way of a changed route', async (t) => {
    const { store } = await open(t)
    const recipients = [to('a@x.test'), to('a@x.test', OTHER_ROUTE)]
    const [first, second] = await store.add(newMessage(1, { recipients }), LEASE)
    await store.settle(second as Delivery, [delivered('a@x.test')], [])
    await store.settle(first as Delivery, [rerouted('a@x.test', OTHER_ROUTE)], [])
    const moved = only(await store.claim(claimAt(NOW)))
    assert.deepEqual([moved.route, addressesOf(moved)], [OTHER_ROUTE, ['a@x.test']])
    assert.equal(await store.settle(moved, [delivered('a@x.test')], []), true)
    assert.equal((await store.counts()).messages, 0)
  })

  test('whoever has lost the lease changes no route', async (t) => {
    const { store } = await open(t)
    const delivery = only(await store.add(newMessage(1), LEASE))
    await store.release([delivery])
    assert.equal(await store.settle(delivery, [rerouted('rcpt@example.test', OTHER_ROUTE)], []), false)
    assert.equal(only(await store.claim(claimAt(NOW))).route, ROUTE)
  })

  test('that an operator let it go from hold comes with every claim', async (t) => {
    const { store } = await open(t)
    const recipients = [to('a@x.test', undefined, 'why'), to('b@x.test')]
    await store.add(newMessage(1, { recipients }), null)
    await store.unhold({ to: 'a@x.test' }, NOW, 1000)
    const { recipients: claimed } = only(await store.claim(claimAt(NOW)))
    assert.deepEqual(
      claimed.map(({ address, isReleased }) => [address, isReleased]),
      [
        ['a@x.test', true],
        ['b@x.test', false],
      ],
    )
  })
}

function facts({ recipients }: Delivery) {
  return recipients.map(({ address, attempts, reroutes: times, isRerouted }) => [
    address,
    attempts,
    times,
    isRerouted,
  ])
}

async function states(store: QueueStore): Promise<Record<string, string>> {
  return Object.fromEntries((await store.list({}, 100)).map(({ address, state }) => [address, state]))
}
