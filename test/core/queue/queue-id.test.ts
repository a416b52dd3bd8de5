import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createQueueIds, QUEUE_ID } from '../../../core/queue/queue-id.ts'

const NOW = 1_800_000_000_000

test('an id is q_ and twelve digits and consonants', () => {
  const newId = createQueueIds(Date.now)
  for (let i = 0; i < 1000; i++) assert.match(newId(), /^q_[0-9bcdfghjklmnpqrstvwxyz]{12}$/)
  assert.match(newId(), QUEUE_ID)
})

test('ids of one source sort in the order in which they were made, and none comes twice', () => {
  let now = NOW
  const newId = createQueueIds(() => now)
  const ids = Array.from({ length: 20_000 }, (_, i) => {
    if (i % 7000 === 6999) now += 1000
    return newId()
  })
  assert.equal(new Set(ids).size, ids.length)
  assert.deepEqual(ids.toSorted(), ids)
})

test('a clock put back gives no id a second time', () => {
  let now = NOW
  const newId = createQueueIds(
    () => now,
    () => 5,
  )
  const before = [newId(), newId()]
  now -= 3_600_000
  const after = [newId(), newId()]
  assert.deepEqual([...before, ...after].toSorted(), [...before, ...after])
  assert.equal(new Set([...before, ...after]).size, 4)
})

test('two sources in the same second start apart', () => {
  const first = createQueueIds(() => NOW)
  const second = createQueueIds(() => NOW)
  const ids = new Set(Array.from({ length: 100 }, () => [first(), second()]).flat())
  assert.equal(ids.size, 200)
})

test('the highest random number still leaves room to count', () => {
  const newId = createQueueIds(
    () => NOW,
    (below) => below - 1,
  )
  const ids = Array.from({ length: 1000 }, newId)
  assert.deepEqual(ids.toSorted(), ids)
  for (const id of ids) assert.match(id, QUEUE_ID)
})

test('a clock that was never set gives ids all the same', () => {
  const newId = createQueueIds(() => 0)
  const ids = Array.from({ length: 100 }, newId)
  assert.equal(new Set(ids).size, 100)
  for (const id of ids) assert.match(id, QUEUE_ID)
})
