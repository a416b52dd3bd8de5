/** Loading again what had no processor, and not what used it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patiently } from '../../sandbox/host/patience.ts'

class Late extends Error {}

/** @param costsMicros of each attempt; the first `lateFor` of them are late */
function attempts(costsMicros: number, lateFor: number, error: Error = new Late()) {
  let made = 0
  const load = (): string => {
    made++
    if (made <= lateFor) throw error
    return 'loaded'
  }
  const run = (): string =>
    patiently(
      load,
      (thrown) => thrown instanceof Late,
      () => made * costsMicros,
    )
  return { run, made: () => made }
}

test('what was late without having had the processor is loaded again', () => {
  const { run, made } = attempts(40_000, 2)
  assert.equal(run(), 'loaded')
  assert.equal(made(), 3)
})

test('what was late with the processor of its own is not, nor what goes on being late', () => {
  for (const [costsMicros, most] of [
    [250_000, 1],
    [130_000, 2],
    [0, 3],
  ] as const) {
    const { run, made } = attempts(costsMicros, Number.POSITIVE_INFINITY)
    assert.throws(run, Late)
    assert.equal(made(), most)
  }
})

test('another fault is one at once', () => {
  const { run, made } = attempts(0, 1, new TypeError('its own'))
  assert.throws(run, TypeError)
  assert.equal(made(), 1)
})
