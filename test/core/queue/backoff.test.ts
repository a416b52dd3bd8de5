import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_DELAY_MS, MIN_DELAY_MS, retryDelayMs } from '../../../core/queue/backoff.ts'

const RETRY_MS = [60_000, 300_000, 600_000, 14_400_000]

const CASES: readonly (readonly [attempts: number, random: number, delayMs: number])[] = [
  [1, 0.5, 60_000],
  [2, 0.5, 300_000],
  [3, 0.5, 600_000],
  [4, 0.5, 14_400_000],
  [5, 0.5, 14_400_000],
  [1_000, 0.5, 14_400_000],
  [1, 0, 54_000],
  [1, 0.999999, 66_000],
  [4, 0, 12_960_000],
  // An attempt that does not count waits as long as the first.
  [0, 0.5, 60_000],
]

for (const [attempts, random, delayMs] of CASES) {
  test(`after ${attempts} attempts at random ${random} the wait is ${delayMs} ms`, () => {
    assert.equal(retryDelayMs(RETRY_MS, attempts, random), delayMs)
  })
}

test('no list gives a wait out of bounds', () => {
  assert.equal(retryDelayMs([0], 1, 0), MIN_DELAY_MS)
  assert.equal(retryDelayMs([-5], 1, 0.5), MIN_DELAY_MS)
  assert.equal(retryDelayMs([Number.MAX_SAFE_INTEGER], 1, 0.5), MAX_DELAY_MS)
  assert.equal(retryDelayMs([Infinity], 1, 0.5), MAX_DELAY_MS)
  assert.equal(retryDelayMs([], 1, 0.5), MAX_DELAY_MS)
})

test('the wait is at most a tenth away from its step', () => {
  const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), random, (attempts, value) => {
      const step = RETRY_MS[Math.min(attempts, RETRY_MS.length) - 1] ?? 0
      const delayMs = retryDelayMs(RETRY_MS, attempts, value)
      assert.ok(Number.isInteger(delayMs))
      assert.ok(delayMs >= step * 0.9 && delayMs <= step * 1.1)
    }),
  )
})
