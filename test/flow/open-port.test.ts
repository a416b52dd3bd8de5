/** What an open port meets, in small: bounds are ten times those that `npm run bench:open` is to keep. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { throughCrowd } from '../bench/open-port/crowd.ts'
import { timeDots } from '../bench/open-port/dots.ts'
import { holdIdle } from '../bench/open-port/idle.ts'
import { sendLarge } from '../bench/open-port/large.ts'
import { timeGateway } from '../bench/open-port/latency.ts'
import { percentile } from '../bench/open-port/row.ts'

const MIB = 1024 * 1024

for (const isLetIn of [false, true])
  test(`a slow drip and a flood from one address, ${isLetIn ? 'let in' : 'default limits'}: another is served`, async () => {
    const { sessionsMs, connections } = await throughCrowd({ slow: 60, flood: 10, sessions: 20, isLetIn })
    assert.equal(sessionsMs.length, 20)
    assert.ok(connections >= 60, `${connections} connections of the crowd`)
    assert.ok(percentile(sessionsMs, 0.95) < 10_000, `p95 ${percentile(sessionsMs, 0.95)} ms`)
  })

test('connections that say nothing cost little and hold up nobody', async () => {
  const { count, held, bytesEach, greetingsMs } = await holdIdle(500, 20)
  assert.equal(count, 500)
  assert.equal(held, count)
  assert.ok(bytesEach < 400 * 1_024, `${bytesEach} octets each`)
  assert.ok(percentile(greetingsMs, 0.95) < 10_000, `p95 ${percentile(greetingsMs, 0.95)} ms`)
})

test('large messages at once that a plugin reads to their end leave memory and loop in order', async () => {
  const { replies, mostBytes, beforeBytes, lateP99Ms } = await sendLarge(4, 10)
  for (const reply of replies) assert.match(reply, /^250 /)
  assert.ok(mostBytes - beforeBytes < 400 * MIB, `${(mostBytes - beforeBytes) / MIB} MiB more`)
  assert.ok(lateP99Ms > 0 && lateP99Ms < 500, `p99 ${lateP99Ms} ms`)
})

test('lines with a doubled dot are read about as fast as others', async () => {
  const { plainMs, dottedMs } = await timeDots(5)
  assert.ok(dottedMs < 10 * plainMs, `${dottedMs} ms against ${plainMs} ms`)
})

test('sessions that begin at fixed moments do not pile up', async () => {
  const times = await timeGateway(20, 3)
  assert.equal(times.length, 60)
  assert.ok(percentile(times, 0.99) < 10_000, `p99 ${percentile(times, 0.99)} ms`)
})
