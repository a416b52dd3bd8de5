import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { QueueCall } from '../../../core/queue/keeper-protocol.ts'
import type { KeeperService } from '../../../core/queue/keeper-service.ts'
import { FROM_THE_START } from '../../../core/queue/local-listing.ts'
import type { Delivery, Settlement } from '../../../core/queue/queue-store.ts'
import {
  claimAt,
  deferred,
  delivered,
  held,
  LEASE,
  NOW,
  newMessage,
  OTHER_ROUTE,
  ROUTE,
  rerouted,
  to,
} from '../../conformance/queue-store/fixture.ts'
import { add, openService, run } from './batch.ts'
import { temporaryDirectory } from './store-under-test.ts'

const COUNTED = `SELECT
  (SELECT count(*) FROM message) AS messages,
  (SELECT ifnull(sum(size), 0) FROM message) AS bytes,
  (SELECT count(*) FROM recipient WHERE state = 'due') AS due,
  (SELECT count(*) FROM recipient WHERE state = 'held') AS held,
  (SELECT count(*) FROM recipient WHERE lease_owner IS NOT NULL) AS leased`

interface Life {
  readonly service: KeeperService
  /** Deliveries claimed and not yet settled. */
  readonly inHand: Delivery[]
  now: number
}

const settlement = fc.constantFrom('delivered', 'held', 'deferred', 'rerouted', 'none')

const steps = fc.oneof(
  fc.record({
    kind: fc.constant('add' as const),
    number: fc.nat(40),
    leased: fc.boolean(),
    hold: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('claim' as const),
    limit: fc.integer({ min: 1, max: 5 }),
    later: fc.boolean(),
  }),
  fc.record({
    kind: fc.constant('settle' as const),
    ends: fc.array(settlement, { minLength: 2, maxLength: 2 }),
  }),
  fc.record({ kind: fc.constantFrom('release' as const, 'reclaim' as const) }),
  fc.record({
    kind: fc.constant('command' as const),
    what: fc.constantFrom('hold', 'unhold', 'drop', 'retry-now'),
    route: fc.constantFrom(ROUTE, OTHER_ROUTE),
  }),
)
type Step = typeof steps extends fc.Arbitrary<infer S> ? S : never

test('counts are what a count of the tables gives, whatever happened', async (t) => {
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (life) => {
      const directory = await temporaryDirectory(t)
      const service = openService(t, directory)
      const state: Life = { service, inHand: [], now: NOW }
      for (const step of life) {
        live(state, step)
        const [counts] = run(service, [{ name: 'counts', arguments: {} }])
        const {
          damaged: _,
          poisoned: __,
          nextDueAt: ___,
          ...totals
        } = (counts as { value: Record<string, number> }).value
        assert.deepEqual(totals, { ...service.queueDatabase.prepare(COUNTED).get() })
        assert.deepEqual({ ...service.queueDatabase.prepare('SELECT * FROM tally').get() }, totals)
      }
      runs += 1
    }),
    { numRuns: 30 },
  )
  assert.equal(runs, 30)
})

function live(state: Life, step: Step): void {
  const { service, inHand } = state
  switch (step.kind) {
    case 'add': {
      const recipients = [
        to('a@x.test', ROUTE, step.hold ? 'why' : null),
        to('b@x.test'),
        to('a@x.test', OTHER_ROUTE),
      ]
      const outcome = add(service, newMessage(step.number, { recipients }), step.leased ? LEASE : null)
      if ('value' in outcome) inHand.push(...(outcome.value as Delivery[]))
      break
    }
    case 'claim': {
      if (step.later) state.now += 120_000
      const exceptRoutes = step.limit % 2 === 0 ? [ROUTE] : []
      const request = claimAt(state.now, { limit: step.limit, exceptRoutes })
      const [outcome] = run(service, [{ name: 'claim', arguments: request }])
      inHand.push(...(outcome as { value: Delivery[] }).value)
      break
    }
    case 'settle': {
      const lease = inHand.shift()
      if (lease === undefined) break
      const settlements = lease.recipients.flatMap(({ address }, i): Settlement[] => {
        const end = step.ends[i % 2]
        if (end === 'delivered') return [delivered(address)]
        if (end === 'held') return [held(address)]
        if (end === 'rerouted')
          return [rerouted(address, lease.route === ROUTE ? OTHER_ROUTE : ROUTE, state.now)]
        return end === 'deferred' ? [deferred(address, state.now + 1000)] : []
      })
      run(service, [{ name: 'settle', arguments: { lease, settlements, notices: [] } }])
      break
    }
    case 'release':
      run(service, [{ name: 'release', arguments: { leases: inHand.splice(0, 2) } }])
      break
    case 'reclaim':
      run(service, [{ name: 'reclaim', arguments: { owner: 'worker-1' } }])
      break
    case 'command':
      run(service, [commandCall(step.what, step.route, state.now)])
      break
  }
}

function commandCall(what: string, route: string, now: number): QueueCall {
  const rest = { filter: { route }, cursor: FROM_THE_START, limit: 4 }
  if (what === 'hold')
    return { name: 'command', arguments: { command: { kind: 'hold', reason: 'why' }, ...rest } }
  if (what === 'drop') return { name: 'command', arguments: { command: { kind: 'drop' }, ...rest } }
  if (what === 'unhold') {
    return {
      name: 'command',
      arguments: { command: { kind: 'unhold', now, expiresAt: now + 1000 }, ...rest },
    }
  }
  return { name: 'command', arguments: { command: { kind: 'retry-now', now }, ...rest } }
}
