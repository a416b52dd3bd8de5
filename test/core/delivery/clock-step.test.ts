/** Somebody sets the clock: leases are moments on it, and no step of it may make one delivery two, or stop the rest. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { remoteFor } from '../../support/fake-remote.ts'
import { standFor } from './delivery-stand.ts'
import { until } from './until.ts'

const HOUR = 3_600_000
const LEASE_MS = 3_000
/** Longer than a lease. */
const UNDER_WAY_MS = 4_500

class SteppedClock {
  ahead = 0
  now(): number {
    return Date.now() + this.ahead
  }
  monotonic(): number {
    return performance.now()
  }
}

const steps: readonly { readonly name: string; readonly ahead: readonly number[] }[] = [
  { name: 'forward', ahead: [HOUR] },
  { name: 'back', ahead: [-HOUR] },
  { name: 'forward and back again', ahead: [HOUR, 0] },
  { name: 'back and forward again', ahead: [-HOUR, 0] },
]

describe('a clock that is set an hour', { concurrency: 4 }, () => {
  for (const { name, ahead } of steps) {
    test(`${name}: mail under way is delivered once, and what comes then at once`, async (t) => {
      const clock = new SteppedClock()
      const slow = await remoteFor(t, ({ verb }) => (verb === 'dot' ? { delayMs: UNDER_WAY_MS } : undefined))
      const quick = await remoteFor(t)
      const stand = await standFor(t, {
        clock,
        leaseMs: LEASE_MS,
        expireMs: 100 * HOUR,
        pace: { pollMs: 100 },
      })
      // One from the hand of a session, one claimed, and one that waits for a connection in the meantime.
      await stand.accept(slow.route, ['accepted@slow.test'])
      await stand.add(slow.route, ['claimed@slow.test'])
      await until(() => slow.messages.length === 2)
      await stand.accept(slow.route, ['waiting@slow.test'])
      for (const [index, step] of ahead.entries()) {
        clock.ahead = step
        stand.deliverer.kick()
        await stand.addChanged(quick.route, ['new@quick.test'], {})
        await quick.hasAccepted(index + 1, 3_000)
      }
      await stand.settled()
      assert.equal(slow.messages.length, 3)
      assert.deepEqual(
        new Set(slow.messages.map(({ recipients }) => recipients[0])),
        new Set(['accepted@slow.test', 'claimed@slow.test', 'waiting@slow.test']),
      )
      assert.equal(quick.messages.length, ahead.length)
      assert.equal(stand.deliverer.counters.delivered, 3 + ahead.length)
      assert.deepEqual(
        stand.lines.filter(({ level }) => level === 'warn' || level === 'error'),
        [],
      )
    })
  }
})
