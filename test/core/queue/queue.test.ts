import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DSN_ENVELOPE, NO_DSN_RECIPIENT } from '../../../core/mail/dsn-parameters.ts'
import type { Clock } from '../../../core/observe/clock.ts'
import { Queue } from '../../../core/queue/queue.ts'
import { QUEUE_ID } from '../../../core/queue/queue-id.ts'
import type { Delivery, OwedRecipient } from '../../../core/queue/queue-store.ts'
import { DAY, MINUTE, NOW, newMessage, only, ROUTE, to } from '../../conformance/queue-store/fixture.ts'
import { openLocalStore } from './store-under-test.ts'

const RULES = { retryMs: [MINUTE, 5 * MINUTE, 60 * MINUTE], leaseMs: MINUTE }

class FakeClock implements Clock {
  time = NOW
  now(): number {
    return this.time
  }
  monotonic(): number {
    return this.time
  }
}

const NEVER_MOVED = { reroutes: 0, isRerouted: false, isReleased: false }

function owed(address: string, attempts: number): OwedRecipient {
  return { address, attempts, dsn: NO_DSN_RECIPIENT, isDelayTold: false, ...NEVER_MOVED }
}

const DELIVERY: Delivery = {
  message: 'q_000000000001',
  route: ROUTE,
  fence: 1,
  leaseUntil: NOW + MINUTE,
  recipients: [owed('a@x.test', 0), owed('b@x.test', 1), owed('c@x.test', 7)],
  reversePath: '',
  acceptedAt: NOW,
  expiresAt: NOW + 5 * DAY,
  sizeBytes: 10,
  origin: { kind: 'internal', what: 'test', tags: [] },
  dsn: NO_DSN_ENVELOPE,
}

// No store is asked by these.
function rules(clock: Clock): Queue {
  return new Queue(null as never, RULES, 'worker-1', clock, () => 0.5)
}

function deferred(address: string, counted = true) {
  return { address, kind: 'deferred', detail: '451 Later', counted } as const
}

test('each recipient waits by the attempts made for it; trouble of our own does not lengthen the wait', () => {
  const outcomes = [
    deferred('a@x.test'),
    deferred('b@x.test'),
    deferred('b@x.test', false),
    deferred('c@x.test'),
  ]
  const settlements = rules(new FakeClock()).settlements(DELIVERY, outcomes)
  const waits = settlements.map((settlement) =>
    settlement.result === 'deferred' ? settlement.dueAt - NOW : null,
  )
  assert.deepEqual(waits, [MINUTE, 5 * MINUTE, MINUTE, 60 * MINUTE])
  assert.equal(settlements[2]?.result === 'deferred' && settlements[2].counted, false)
})

test('what failed for good is held with what the remote said, what was delivered is delivered', () => {
  const settlements = rules(new FakeClock()).settlements(DELIVERY, [
    { address: 'a@x.test', kind: 'failed', detail: '550 5.1.1 No such user' },
    { address: 'b@x.test', kind: 'delivered', detail: '250 Ok' },
  ])
  assert.deepEqual(settlements, [
    { address: 'a@x.test', result: 'held', detail: '550 5.1.1 No such user' },
    { address: 'b@x.test', result: 'delivered', detail: '250 Ok' },
  ])
})

for (const [lifeMs, words] of [
  [5 * DAY, '5 days'],
  [DAY, '1 day'],
  [36 * 60 * MINUTE, '36 hours'],
  [90 * MINUTE, '90 minutes'],
  [1500, '2 seconds'],
] as const) {
  test(`a recipient deferred after its life of ${words} is held`, () => {
    const clock = new FakeClock()
    const delivery = { ...DELIVERY, expiresAt: NOW + lifeMs }
    clock.time = delivery.expiresAt - 1
    const [before] = rules(clock).settlements(delivery, [deferred('c@x.test')])
    assert.equal(before?.result === 'deferred' && before.dueAt, delivery.expiresAt)
    clock.time = delivery.expiresAt
    assert.deepEqual(rules(clock).settlements(delivery, [deferred('c@x.test')]), [
      { address: 'c@x.test', result: 'held', detail: `expired after ${words}: 451 Later` },
    ])
  })
}

test('a message goes its way: leased when accepted, renewed, deferred, claimed, delivered', async (t) => {
  const { store } = await openLocalStore(t)
  const clock = new FakeClock()
  const queue = new Queue(store, RULES, 'worker-1', clock, () => 0.5)
  const id = queue.newId()
  assert.match(id, QUEUE_ID)
  const first = only(await queue.accept(newMessage(0, { id, recipients: [to('a@x.test')] }), true))
  assert.equal(first.leaseUntil, NOW + MINUTE)
  clock.time = NOW + MINUTE / 2
  assert.deepEqual(await queue.renew([first]), [])
  clock.time = NOW + MINUTE
  assert.deepEqual(await queue.claim(10, []), [])
  assert.equal(await queue.settle(first, [deferred('a@x.test')]), true)
  clock.time += MINUTE
  assert.deepEqual(await queue.claim(10, [ROUTE]), [])
  const second = only(await queue.claim(10, []))
  assert.deepEqual(second.recipients, [owed('a@x.test', 1)])
  assert.equal(
    await queue.settle(second, [{ address: 'a@x.test', kind: 'delivered', detail: '250 Ok' }]),
    true,
  )
  assert.equal((await store.counts()).messages, 0)
})

test('a message accepted without a lease waits to be claimed', async (t) => {
  const { store } = await openLocalStore(t)
  const queue = new Queue(store, RULES, 'worker-1', new FakeClock())
  assert.deepEqual(await queue.accept(newMessage(1), false), [])
  assert.equal((await queue.claim(10, [])).length, 1)
})
