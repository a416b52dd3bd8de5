import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { StateStore } from '../../../core/state/state-store.ts'
import { MAX_KEY_BYTES, MAX_VALUE_BYTES } from '../../../core/state/state-store.ts'
import { openService, run } from '../queue/batch.ts'
import { openKeeper, temporaryDirectory } from '../queue/store-under-test.ts'

const NOW = 1_700_000_000_000
const LATER = NOW + 10_000

async function openState(t: TestContext): Promise<StateStore> {
  const keeper = await openKeeper(await temporaryDirectory(t))
  t.after(() => keeper.close())
  return keeper.state
}

test('a value comes back until its time is over', async (t) => {
  const state = await openState(t)
  await state.set('key', 'grüß \u0000 "quoted"', LATER)
  assert.equal(await state.get('key', NOW), 'grüß \u0000 "quoted"')
  assert.equal(await state.get('key', LATER - 1), 'grüß \u0000 "quoted"')
  assert.equal(await state.get('key', LATER), undefined)
  assert.equal(await state.get('other', NOW), undefined)
})

test('a value is replaced together with its time', async (t) => {
  const state = await openState(t)
  await state.set('key', 'one', NOW + 5)
  await state.set('key', 'two', LATER)
  assert.equal(await state.get('key', NOW + 6), 'two')
  await state.delete('key')
  assert.equal(await state.get('key', NOW), undefined)
})

test('a counter keeps the time it was made with, and starts again after it', async (t) => {
  const state = await openState(t)
  assert.equal(await state.increment('count', 2, NOW, LATER), 2)
  assert.equal(await state.increment('count', 3, NOW + 1, LATER + 99_999), 5)
  assert.equal(await state.increment('count', -1, LATER - 1, LATER + 99_999), 4)
  assert.equal(await state.increment('count', 7, LATER, LATER + 1000), 7)
  assert.equal(await state.get('count', LATER + 999), '7')
  assert.equal(await state.get('count', LATER + 1000), undefined)
})

test('increments made at once all count', async (t) => {
  const state = await openState(t)
  const seen = await Promise.all(Array.from({ length: 50 }, () => state.increment('count', 1, NOW, LATER)))
  assert.deepEqual(
    seen.toSorted((a, b) => a - b),
    Array.from({ length: 50 }, (_, i) => i + 1),
  )
})

test('a number that was set counts on; what is no whole number is a fault and stays', async (t) => {
  const state = await openState(t)
  await state.set('number', '41', LATER)
  assert.equal(await state.increment('number', 1, NOW, LATER), 42)
  for (const value of ['word', '1.5', '', '007']) {
    await state.set('text', value, LATER)
    await assert.rejects(state.increment('text', 1, NOW, LATER), { name: 'StoreFault', code: 'unavailable' })
    assert.equal(await state.get('text', NOW), value)
  }
  assert.equal(await state.increment('text', 1, LATER, LATER + 1), 1)
})

test('keys and values have a longest length in octets', async (t) => {
  const state = await openState(t)
  await state.set('k'.repeat(MAX_KEY_BYTES), 'v'.repeat(MAX_VALUE_BYTES), LATER)
  await assert.rejects(state.set('ü'.repeat(MAX_KEY_BYTES / 2 + 1), 'v', LATER), RangeError)
  await assert.rejects(state.set('k', 'v'.repeat(MAX_VALUE_BYTES + 1), LATER), RangeError)
  await assert.rejects(state.increment('k'.repeat(MAX_KEY_BYTES + 1), 1, NOW, LATER), RangeError)
  await assert.rejects(state.increment('k', 0.5, NOW, LATER), RangeError)
})

test('values survive a restart of the keeper', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await openKeeper(directory)
  await first.state.set('key', 'value', LATER)
  await first.close()
  const second = await openKeeper(directory)
  t.after(() => second.close())
  assert.equal(await second.state.get('key', NOW), 'value')
})

test('what is over is deleted in steps, and nothing else', async (t) => {
  const service = openService(t, await temporaryDirectory(t))
  const keys = Array.from({ length: 1200 }, (_, number) => `key${number}`)
  const set = keys.map((key, number) => {
    const expiresAt = number < 1100 ? NOW : LATER
    return { name: 'set', arguments: { key, value: 'v', expiresAt } } as const
  })
  run(service, set)
  const left = (): number => {
    const got = run(
      service,
      keys.map((key) => ({ name: 'get', arguments: { key, now: 0 } }) as const),
    )
    return got.filter((outcome) => 'value' in outcome && outcome.value !== null).length
  }
  assert.equal(service.purge(NOW), true)
  assert.equal(left(), 700)
  assert.equal(service.purge(NOW), true)
  assert.equal(service.purge(NOW), false)
  assert.equal(left(), 100)
})
