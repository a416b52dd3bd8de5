import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Patience } from '../../../core/smtp/patience.ts'

const MINUTE = 60_000

function started(
  contentMs: number,
  contentBytesPerSecond: number,
): { patience: Patience; wait: (ms: number) => void } {
  let now = 1_000
  const patience = new Patience(
    { idleMs: Infinity, contentMs, contentBytesPerSecond },
    () => now,
    () => {},
  )
  patience.contentBegins()
  return { patience, wait: (ms) => (now += ms) }
}

test('content has to come at a rate, from its second minute on', () => {
  const { patience, wait } = started(Infinity, 500)
  wait(MINUTE)
  assert.equal(patience.contentCame(1), false)
  wait(1)
  assert.equal(patience.contentCame(1), true)
  const quick = started(Infinity, 500)
  quick.wait(10 * MINUTE)
  assert.equal(quick.patience.contentCame(300_000), false)
})

test('content has a time it may take in all, ours not counted', () => {
  const { patience, wait } = started(10 * MINUTE, 0)
  wait(10 * MINUTE)
  assert.equal(patience.contentCame(1), false)
  wait(MINUTE)
  patience.held(MINUTE)
  assert.equal(patience.contentCame(1), false)
  wait(1)
  assert.equal(patience.contentCame(1), true)
})

test('silence is counted while the client owes us something, from the last time it did', async () => {
  const rung: number[] = []
  const patience = new Patience(
    { idleMs: 150, contentMs: Infinity, contentBytesPerSecond: 0 },
    () => performance.now(),
    () => rung.push(performance.now()),
  )
  const startedAt = performance.now()
  patience.clientOwes()
  const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
  await wait(75)
  patience.weOwe()
  await wait(200)
  assert.deepEqual(rung, [])
  patience.clientOwes()
  while (rung.length === 0 && performance.now() - startedAt < 10_000) await wait(10)
  assert.ok((rung[0] ?? 0) - startedAt >= 400)
  patience.stop()
})
