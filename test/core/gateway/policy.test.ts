/** What answers at `deliver` come to, and what is told of outcomes. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SettledRecipient } from '../../../core/delivery/policy.ts'
import { GatewayPolicy, MAX_REROUTES, tellOutcomes } from '../../../core/gateway/policy.ts'
import { HookRunner } from '../../../core/hooks/runner.ts'
import type { Action } from '../../../core/mail/answer.ts'
import { NO_DSN_ENVELOPE, NO_DSN_RECIPIENT } from '../../../core/mail/dsn-parameters.ts'
import type { DeliverEvent, TellEvent } from '../../../core/mail/hook-events.ts'
import { DecisionRecords } from '../../../core/observe/decision-record.ts'
import { silentLog } from '../../../core/observe/log.ts'
import type { Delivery, OwedRecipient } from '../../../core/queue/queue-store.ts'
import { defer, fault, pass, reject, TestPanel, type TestPlugin } from '../smtp/panel.ts'

const NOW = 1_700_000_000_000
const ID = 'q_000000000001'
const HERE = 'smtp://192.0.2.25:25'
const THERE = 'smtp://192.0.2.26:25'
const clock = { now: () => NOW, monotonic: () => 0 }

function owed(address: string, changes: Partial<OwedRecipient> = {}): OwedRecipient {
  const facts = { attempts: 0, isDelayTold: false, reroutes: 0, isRerouted: false, isReleased: false }
  return { address, dsn: NO_DSN_RECIPIENT, ...facts, ...changes }
}

function delivery(...recipients: readonly OwedRecipient[]): Delivery {
  return {
    message: ID,
    route: HERE,
    fence: 7,
    leaseUntil: NOW + 60_000,
    recipients: recipients.length === 0 ? [owed('a@x.test')] : recipients,
    reversePath: 'from@example.test',
    acceptedAt: NOW - 90_000,
    expiresAt: NOW + 1_000_000,
    sizeBytes: 10,
    origin: { kind: 'internal', what: 'test', tags: [] },
    dsn: NO_DSN_ENVELOPE,
  }
}

function policyOf(...plugins: readonly TestPlugin[]) {
  const panel = new TestPanel(plugins)
  const records = new DecisionRecords(10, Infinity, clock)
  const hooks = new HookRunner(panel, clock.monotonic, silentLog)
  const policy = new GatewayPolicy({ hooks: () => hooks, records, clock, log: silentLog })
  return { panel, records, policy }
}

const saying = (name: string, answer: ReturnType<typeof pass>): TestPlugin => ({
  name,
  hooks: { deliver: () => answer },
})
const doing = (name: string, ...actions: readonly Action[]): TestPlugin => saying(name, pass(...actions))
const route = (destination: string, recipients: readonly string[] | null = null): Action => ({
  kind: 'route.set',
  destination,
  recipients,
})
const HOLD: Action = { kind: 'hold', text: 'look', recipients: null }

test('nobody is asked where nobody would answer', () => {
  assert.equal(policyOf().policy.isAsked(), false)
  assert.equal(policyOf(doing('a')).policy.isAsked(), true)
})

test('plugins are told what is about to leave', async () => {
  const { panel, policy } = policyOf(doing('a'))
  const about = delivery(owed('a@x.test', { attempts: 1 }), owed('b@x.test', { attempts: 4 }))
  assert.deepEqual(await policy.decide(about), { kind: 'go' })
  assert.deepEqual(panel.events[0]?.event as DeliverEvent, {
    queueId: ID,
    origin: { kind: 'internal', what: 'test', tags: [] },
    reversePath: 'from@example.test',
    recipients: [
      { address: 'a@x.test', attempts: 1 },
      { address: 'b@x.test', attempts: 4 },
    ],
    route: HERE,
    message: { sizeBytes: 10 },
    attempt: 5,
    ageSeconds: 90,
  })
})

test('a reject is a bounce and a defer a wait, each with a reference that finds the record', async () => {
  for (const [answer, kind, waitMs] of [
    [reject('5.7.1', 'No'), 'bounce', undefined],
    [defer('4.7.1', 'No'), 'wait', null],
  ] as const) {
    const { policy, records } = policyOf(saying('mine', answer))
    const ruling = await policy.decide(delivery())
    assert.ok(ruling.kind === kind && ruling.met.kind === 'policy')
    assert.deepEqual([ruling.met.status, ruling.met.plugin], [answer.refusal?.status, 'mine'])
    assert.equal(ruling.kind === 'wait' ? ruling.waitMs : undefined, waitMs)
    const reference = /^No \((r_[a-z]{8})\)$/.exec(ruling.met.text)?.[1] ?? ''
    // Known by the queue id too, though no session is.
    assert.deepEqual(records.find(reference)?.entries, records.find(ID)?.entries)
    assert.equal(records.find(ID)?.entries.length, 1)
  }
})

test('a wait has the time its plugin said', async () => {
  const refusal = {
    kind: 'defer',
    status: '4.7.0',
    text: 'No',
    code: '',
    facts: {},
    waitSeconds: 90,
  } as const
  const ruling = await policyOf(saying('a', { ...pass(), refusal })).policy.decide(delivery())
  assert.equal(ruling.kind === 'wait' && ruling.waitMs, 90_000)
})

for (const [onError, kind] of [
  ['defer', 'wait'],
  ['hold', 'hold'],
  ['skip', 'go'],
] as const) {
  test(`a plugin that fails with onError ${onError}: ${kind}`, async () => {
    const { policy } = policyOf({ name: 'broken', onError, hooks: { deliver: () => fault() } })
    const ruling = await policy.decide(delivery())
    assert.equal(ruling.kind, kind)
    if (ruling.kind === 'wait') assert.equal(ruling.waitMs, null)
    if (ruling.kind === 'hold') assert.deepEqual([...ruling.reasons.values()], ['broken: failed in deliver'])
  })
}

test('a hold counts before a refusal, and a refusal before another route', async () => {
  const held = await policyOf(doing('a', HOLD), saying('b', reject('5.7.1', 'No'))).policy.decide(delivery())
  assert.deepEqual(held, { kind: 'hold', reasons: new Map([['a@x.test', 'a: look']]) })
  const refused = await policyOf(doing('a', route(THERE)), saying('b', defer('4.7.1', 'No'))).policy.decide(
    delivery(),
  )
  assert.equal(refused.kind, 'wait')
})

test('whom an operator has released is not held again', async () => {
  const { policy, records } = policyOf(doing('a', HOLD))
  const released = owed('a@x.test', { isReleased: true })
  assert.deepEqual(await policy.decide(delivery(released)), { kind: 'go' })
  assert.deepEqual(
    records.find(ID)?.entries.map((entry) => ('event' in entry ? entry.event : entry.hook)),
    ['deliver', 'hold-ignored'],
  )
  const ruling = await policy.decide(delivery(released, owed('b@x.test')))
  assert.deepEqual(ruling, { kind: 'hold', reasons: new Map([['b@x.test', 'a: look']]) })
})

test('another route is for whom it was chosen; the first choice stands', async () => {
  const { policy } = policyOf(doing('a', route(THERE, ['b@x.test'])), doing('b', route('discard:')))
  const ruling = await policy.decide(delivery(owed('a@x.test'), owed('b@x.test')))
  assert.ok(ruling.kind === 'reroute')
  assert.deepEqual(
    [...ruling.routes],
    [
      ['a@x.test', 'discard:'],
      ['b@x.test', THERE],
    ],
  )
})

test('the route it has already is no other one, however it is written', async () => {
  const { policy } = policyOf(doing('a', route('SMTP://192.0.2.25')))
  assert.deepEqual(await policy.decide(delivery()), { kind: 'go' })
})

test('a route is changed once before an attempt, and not for ever', async () => {
  for (const [changes, kind] of [
    [{ isRerouted: true, reroutes: 1 }, 'go'],
    [{ reroutes: MAX_REROUTES - 1 }, 'reroute'],
    [{ reroutes: MAX_REROUTES }, 'go'],
  ] as const) {
    const { policy, records } = policyOf(doing('a', route(THERE)))
    assert.equal((await policy.decide(delivery(owed('a@x.test', changes)))).kind, kind)
    const kept = records.find(ID)?.entries.filter((entry) => 'event' in entry && entry.event === 'route-kept')
    assert.equal(kept?.length, kind === 'go' ? 1 : 0)
  }
})

test('a few hundred questions at once are asked a bounded number at a time', async () => {
  let [now, most] = [0, 0]
  const gate = Promise.withResolvers<ReturnType<typeof pass>>()
  const deliver = (): Promise<ReturnType<typeof pass>> => {
    most = Math.max(most, ++now)
    return gate.promise.finally(() => now--)
  }
  const { policy } = policyOf({ name: 'slow', hooks: { deliver } })
  const asked = Promise.all(Array.from({ length: 400 }, () => policy.decide(delivery())))
  await new Promise((resolve) => setImmediate(resolve))
  gate.resolve(pass())
  assert.equal((await asked).length, 400)
  assert.equal(most, 256)
})

function told(remote: string | null, recipients: readonly SettledRecipient[]): TellEvent[] {
  const events: TellEvent[] = []
  const teller = { isHeard: true, tell: (event: TellEvent) => void events.push(event) }
  tellOutcomes(teller, new DecisionRecords(10, Infinity, clock), clock).settled({
    delivery: delivery(),
    remote,
    recipients,
  })
  return events
}

const ended = (address: string, result: SettledRecipient['result'], expired = false): SettledRecipient => ({
  address,
  result,
  detail: `${address} ${result}`,
  expired,
})

test('recipients that came to the same end are told together', () => {
  const events = told('192.0.2.25:25', [
    ended('a', 'delivered'),
    ended('b', 'bounced'),
    ended('c', 'delivered'),
    ended('d', 'bounced', true),
    ended('e', 'deferred'),
    ended('f', 'held'),
  ])
  const about = {
    queueId: ID,
    origin: { kind: 'internal', what: 'test', tags: [] },
    reversePath: 'from@example.test',
    route: HERE,
    remote: '192.0.2.25:25',
    attempt: `${ID}/7`,
  }
  assert.deepEqual(events[0], {
    type: 'delivered',
    ...about,
    recipients: [
      { address: 'a', detail: 'a delivered' },
      { address: 'c', detail: 'c delivered' },
    ],
    expired: false,
  })
  assert.deepEqual(
    events
      .slice(1)
      .map((event) => 'queueId' in event && [event.type, event.expired, event.recipients[0]?.address]),
    [
      ['bounced', false, 'b'],
      ['bounced', true, 'd'],
      ['deferred', false, 'e'],
      ['held', false, 'f'],
    ],
  )
})

test('what was put off without an attempt, or goes another way, is no outcome', () => {
  assert.deepEqual(told(null, [ended('a', 'deferred'), ended('b', 'rerouted')]), [])
  assert.equal(told(null, [ended('a', 'deferred'), ended('b', 'held', true)]).length, 1)
})
