import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LocalUsage, USAGE_WINDOW_MS } from '../../../core/state/usage.ts'

test('amounts add up by key and by name', () => {
  const usage = new LocalUsage(() => 0)
  usage.add('a', { errors: 1 })
  usage.add('a', { errors: 2, bytes: 10 })
  usage.add('b', { errors: 5 })
  assert.deepEqual(
    [usage.of('a'), usage.of('b'), usage.of('c')],
    [{ errors: 3, bytes: 10 }, { errors: 5 }, {}],
  )
})

test('what was counted fades out within the ten minutes after its ten minutes', () => {
  let now = 0
  const usage = new LocalUsage(() => now)
  const at = (time: number): number => {
    now = time
    return usage.of('a')['errors'] ?? 0
  }
  usage.add('a', { errors: 100 })
  assert.equal(at(USAGE_WINDOW_MS - 1), 100)
  assert.equal(at(1.5 * USAGE_WINDOW_MS), 50)
  usage.add('a', { errors: 10 })
  assert.equal(at(1.5 * USAGE_WINDOW_MS), 60)
  assert.equal(at(2 * USAGE_WINDOW_MS - 1), 10)
  assert.equal(at(2.5 * USAGE_WINDOW_MS), 5)
  assert.equal(at(3 * USAGE_WINDOW_MS), 0)
})

test('so many keys are remembered and no more; the one without a count for longest goes first', () => {
  const usage = new LocalUsage(() => 0)
  usage.add('first', { errors: 1 })
  usage.add('second', { errors: 1 })
  usage.add('first', { errors: 1 })
  for (let i = 0; i < 49_999; i++) usage.add(`key ${i}`, { errors: 1 })
  assert.deepEqual([usage.of('first'), usage.of('second')], [{ errors: 2 }, {}])
})
