/** Connections counted by somebody who may take time, or may not answer. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Concurrency, Slot } from '../../../core/state/concurrency.ts'
import { LocalConcurrency } from '../../../core/state/concurrency.ts'
import { StoreFault } from '../../../core/state/store-fault.ts'
import { until } from '../../support/until.ts'
import { TestServer } from './test-server.ts'

/** The counts of several workers, answering when they are told to. */
class SlowCounts implements Concurrency {
  readonly #counts = new LocalConcurrency()
  readonly #waiting: (() => void)[] = []
  asked = 0
  released = 0
  isHeld = false
  fault: StoreFault | null = null

  async acquire(slots: readonly Slot[]): Promise<string | null> {
    this.asked += 1
    if (this.isHeld) await new Promise<void>((resolve) => this.#waiting.push(resolve))
    if (this.fault !== null) throw this.fault
    return this.#counts.acquire(slots)
  }

  release(keys: readonly string[]): void {
    this.released += 1
    this.#counts.release(keys)
  }

  letAllGo(): void {
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

async function start(t: TestContext, counts: Concurrency, connections = 2): Promise<TestServer> {
  const server = await TestServer.start({ limits: { connections }, parts: { concurrency: counts } })
  t.after(() => server.stop())
  return server
}

const TIMEOUT = { timeout: 30_000 }

test('two servers share their limit, and what one gives back the other can have', TIMEOUT, async (t) => {
  const counts = new SlowCounts()
  const [one, other] = [await start(t, counts), await start(t, counts)]
  const first = await one.connect()
  assert.match(await first.reply(), /^220 /)
  assert.match(await (await other.connect()).reply(), /^220 /)
  assert.match(await (await one.connect()).reply(), /^421 4\.7\.0 Too many connections /)
  assert.match(await (await other.connect()).reply(), /^421 4\.7\.0 Too many connections /)
  await first.ask('QUIT')
  await until(() => counts.released === 1, 'the end of the first')
  assert.match(await (await other.connect()).reply(), /^220 /)
})

test('nobody is greeted before it is known', TIMEOUT, async (t) => {
  const counts = new SlowCounts()
  counts.isHeld = true
  const server = await start(t, counts)
  const client = await server.connect()
  let heard = ''
  const greeting = client.reply().then((reply) => {
    heard = reply
  })
  await until(() => counts.asked === 1, 'the question')
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(heard, '')
  counts.letAllGo()
  await greeting
  assert.match(heard, /^220 /)
})

test('a client that is gone before it is known holds nothing afterwards', TIMEOUT, async (t) => {
  const counts = new SlowCounts()
  const server = await start(t, counts, 1)
  counts.isHeld = true
  const client = await server.connect()
  await until(() => counts.asked === 1, 'the question')
  client.destroy()
  await until(() => server.logged('session-ended').length === 1, 'its end')
  assert.equal(counts.released, 0)
  counts.isHeld = false
  counts.letAllGo()
  await until(() => counts.released === 1, 'what it held')
  assert.match(await (await server.connect()).reply(), /^220 /)
})

test('counts that cannot be had let nobody in, for the moment', TIMEOUT, async (t) => {
  const counts = new SlowCounts()
  counts.fault = new StoreFault('unavailable', 'the keeper is gone')
  const server = await start(t, counts)
  const client = await server.connect()
  assert.match(await client.reply(), /^421 4\.3\.2 Try again later \(r_[a-z]{8}\)$/)
  assert.equal(await client.closed(), '')
  await until(() => server.logged('session-ended').length === 1, 'its end')
  assert.equal(counts.released, 0)
  assert.deepEqual(
    server.logged('local-trouble').map(({ hook, trouble }) => ({ hook, trouble })),
    [{ hook: 'connect', trouble: 'unavailable' }],
  )
  counts.fault = null
  assert.match(await (await server.connect()).reply(), /^220 /)
})
