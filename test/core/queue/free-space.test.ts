import assert from 'node:assert/strict'
import { tmpdir } from 'node:os'
import { test } from 'node:test'
import { FreeSpace } from '../../../core/queue/free-space.ts'

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a volume is short when less than the reserve is free, not when it is exactly free', async () => {
  let nowMs = 0
  let free = 0
  const measure = async () => ({ bavail: free, bsize: 4096 })
  const space = new FreeSpace({ directory: tmpdir(), reserveBytes: 40_960, monotonic: () => nowMs, measure })
  for (const [blocks, isShort] of [
    [9, true],
    [10, false],
    [11, false],
  ] as const) {
    free = blocks
    nowMs += 1000
    space.isShort()
    await tick()
    assert.equal(space.isShort(), isShort, `${blocks} blocks`)
  }
})

test('it is measured at most once a second, and only when somebody asks', async () => {
  let nowMs = 0
  let measured = 0
  const measure = async () => {
    measured += 1
    return { bavail: 100, bsize: 4096 }
  }
  const space = new FreeSpace({ directory: tmpdir(), reserveBytes: 1, monotonic: () => nowMs, measure })
  for (nowMs = 0; nowMs < 3000; nowMs += 100) {
    space.isShort()
    await tick()
  }
  assert.equal(measured, 2)
})

test('the first answer is already measured', () => {
  const options = { directory: tmpdir(), monotonic: () => 0 }
  assert.equal(new FreeSpace({ ...options, reserveBytes: 1 }).isShort(), false)
  assert.equal(new FreeSpace({ ...options, reserveBytes: Number.MAX_SAFE_INTEGER }).isShort(), true)
})

test('a volume that cannot be measured counts as having room', async () => {
  let nowMs = 0
  const measure = async () => Promise.reject(new Error('stale file handle'))
  const options = {
    directory: '/no/such/folder',
    reserveBytes: Number.MAX_SAFE_INTEGER,
    monotonic: () => nowMs,
    measure,
  }
  const space = new FreeSpace(options)
  assert.equal(space.isShort(), false)
  nowMs = 1000
  space.isShort()
  await tick()
  assert.equal(space.isShort(), false)
})

test('less than half of the reserve is scarce', async () => {
  let nowMs = 0
  let free = 0
  const measure = async () => ({ bavail: free, bsize: 4096 })
  const space = new FreeSpace({ directory: tmpdir(), reserveBytes: 40_960, monotonic: () => nowMs, measure })
  for (const [blocks, isScarce] of [
    [4, true],
    [5, false],
    [10, false],
  ] as const) {
    free = blocks
    nowMs += 1000
    space.isScarce()
    await tick()
    assert.equal(space.isScarce(), isScarce, `${blocks} blocks`)
  }
})
