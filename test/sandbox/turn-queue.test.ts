/** The order in which calls enter an isolate. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Call, TurnQueue } from '../../sandbox/host/turn-queue.ts'

function turnOf(frame: number) {
  const route = { hook: 'rcpt', plugins: [1] } as const
  const call: Call = {
    id: frame,
    route,
    now: 0,
    seed: 0,
    watched: false,
    told: { event: '', subject: '', subjectJson: '', fields: '' },
    at: 0,
    reports: [],
    startedAt: 0,
    cpuMicros: 0,
    frame,
  }
  return { call, frame, answer: null }
}

test('turns come out in the order of their frames, once', () => {
  const queue = new TurnQueue()
  assert.equal(queue.isEmpty, true)
  for (const frame of [2, 5, 3]) queue.add(turnOf(frame))
  assert.equal(queue.isEmpty, false)
  assert.deepEqual(
    queue.take().map(({ frame }) => frame),
    [2, 3, 5],
  )
  assert.equal(queue.isEmpty, true)
  queue.add(turnOf(1))
  assert.deepEqual(
    queue.take().map(({ frame }) => frame),
    [1],
  )
})
