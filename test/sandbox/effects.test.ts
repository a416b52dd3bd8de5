/** Quotas of tools: of one plugin in its turn, and over all its calls; each refusal has a name and is counted. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpRequest } from '../../core/https.ts'
import { Broker } from '../../sandbox/broker/broker.ts'
import { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import type { Call } from '../../sandbox/call.ts'
import { Effects } from '../../sandbox/effects.ts'
import { effectivePermissions } from '../../sandbox/permissions.ts'
import { PluginBounds } from '../../sandbox/plugin-bounds.ts'
import { testResolver } from '../../sandbox/test-network.ts'
import { brokerParts } from '../support/broker-parts.ts'
import { callOf } from '../support/call.ts'

const ORIGIN = 'https://api.example.test'

/** @param bounds of a generation before this one */
function stage(bounds?: PluginBounds) {
  const counters = new PluginCounters()
  const waits: (() => void)[] = []
  const requests: HttpRequest[] = []
  const clock = { ms: 0 }
  const kept = bounds ?? new PluginBounds(() => clock.ms)
  const broker = new Broker(
    brokerParts({
      resolver: testResolver({}, { [ORIGIN]: {} }),
      http: async (request) => {
        requests.push(request)
        return { status: 200, headers: {}, body: new Uint8Array(0) }
      },
      sleep: () => new Promise<void>((resolve) => waits.push(resolve)),
      counters,
      bounds: kept,
    }),
  )
  const effects = new Effects(broker, kept.all)
  const permissions = effectivePermissions({ http: [ORIGIN] }, null)
  const loaded = (name: string) => ({
    request: { name, file: '', code: '', api: '', prelude: '', config: null, memoryMb: 32, sliceMs: 100 },
    permissions,
  })
  /** What it comes to, and whether the call goes on. */
  const use = (call: Call, method: string, args: readonly unknown[], plugin = 'one') => {
    const chars = JSON.stringify(args).length
    let goesOn = true
    const settled = new Promise<unknown>((resolve) => {
      const asked = { call, loaded: loaded(plugin), method, args, chars }
      goesOn = effects.carryOut(asked, (_, json) => resolve(json === '' ? undefined : JSON.parse(json)))
    })
    return { settled, goesOn }
  }
  const refusals = () =>
    Object.fromEntries(
      counters.quotaRefusals.map(({ labels, value }) => [`${labels['plugin']} ${labels['quota']}`, value]),
    )
  return { use, waits, requests, clock, counters, refusals, bounds: kept }
}

const SILENT = { kind: 0, cpuMicros: 1, wallMicros: 1, body: undefined } as const

test('what one plugin has left under way is not counted for the next', async () => {
  const { use, waits, refusals } = stage()
  const asked = callOf([1, 2])
  for (let i = 0; i < 16; i++) use(asked, 'timer.sleep', [1])
  assert.deepEqual(await use(asked, 'timer.sleep', [1]).settled, {
    name: 'QuotaExceeded',
    message: 'more than 16 tools of one call at work at once',
  })
  assert.deepEqual(refusals(), { 'one effects.at-once': 1 })
  asked.take({ plugin: 1, ...SILENT }, 0)
  for (let i = 0; i < 16; i++) use(asked, 'timer.sleep', [1], 'two')
  assert.equal(waits.length, 32)
  // The late ends of the first do not make room for the second.
  for (const end of waits.splice(0, 16)) end()
  await new Promise((resolve) => setImmediate(resolve))
  await use(asked, 'timer.sleep', [1], 'two').settled
  assert.equal(refusals()['two effects.at-once'], 1)
})

test('a call has so many tools; whoever goes on has its call ended', async () => {
  const { use, refusals } = stage()
  const asked = callOf([1, 2])
  for (let i = 0; i < 64; i++) await use(asked, 'hash.sha256', ['x']).settled
  assert.deepEqual(refusals(), {})
  let tries = 0
  while (use(asked, 'hash.sha256', ['x']).goesOn && tries < 1_000) tries++
  assert.equal(tries, 128)
  assert.ok((refusals()['one effects.in-call'] ?? 0) > 100)
})

test('counting uses up no tools, and has a bound of its own', async () => {
  const { use, counters, refusals } = stage()
  const asked = callOf([1, 2])
  const counts = Array.from({ length: 1_001 }, () => use(asked, 'metrics.count', ['seen', '', 1]))
  await Promise.all(counts.map(({ settled }) => settled))
  assert.equal(counters.counts[0]?.value, 1_000)
  assert.deepEqual(refusals(), { 'one metrics.in-call': 1 })
  assert.equal(typeof (await use(asked, 'hash.sha256', ['x']).settled), 'string')
})

test('a request may have a body of 256 KiB, other arguments less', async () => {
  const { use, requests, refusals } = stage()
  const sent = use(callOf([1, 2]), 'http.fetch', [
    `${ORIGIN}/`,
    { method: 'POST', body: { text: '"'.repeat(262_144) } },
  ])
  assert.equal(Reflect.get(Object(await sent.settled), 'status'), 200)
  assert.equal(requests[0]?.body?.sizeBytes, 262_144)
  await use(callOf([1, 2]), 'hash.sha256', ['x'.repeat(70_001)]).settled
  assert.deepEqual(refusals(), { 'one effects.request-size': 1 })
})

test('a plugin has so much at work in all its calls, others as much again', async () => {
  const { use, waits, refusals } = stage()
  for (let i = 0; i < 256; i++) use(callOf([1, 2]), 'timer.sleep', [1])
  await use(callOf([1, 2]), 'hash.sha256', ['x']).settled
  assert.deepEqual(refusals(), { 'one effects.plugin-at-once': 1 })
  assert.equal(typeof (await use(callOf([1, 2]), 'hash.sha256', ['x'], 'two').settled), 'string')
  waits[0]?.()
  await new Promise((resolve) => setImmediate(resolve))
  assert.equal(typeof (await use(callOf([1, 2]), 'hash.sha256', ['x']).settled), 'string')
})

test('a plugin uses so many tools in a second', async () => {
  const { use, clock, refusals } = stage()
  for (let i = 0; i < 2_000; i++) await use(callOf([1, 2]), 'hash.sha256', ['x']).settled
  assert.deepEqual(refusals(), {})
  await use(callOf([1, 2]), 'hash.sha256', ['x']).settled
  assert.deepEqual(refusals(), { 'one effects.in-second': 1 })
  clock.ms = 1_000
  assert.equal(typeof (await use(callOf([1, 2]), 'hash.sha256', ['x']).settled), 'string')
})

test('a generation goes on with what the one before has under way and has begun', async () => {
  const before = stage()
  for (let call = 0; call < 16; call++) {
    const asked = callOf([1])
    for (let i = 0; i < 16; i++) before.use(asked, 'timer.sleep', [1])
  }
  const { use, refusals } = stage(before.bounds)
  const refused = await use(callOf([1]), 'timer.sleep', [1]).settled
  assert.deepEqual(refused, {
    name: 'QuotaExceeded',
    message: 'more than 256 tools of one plugin at work at once',
  })
  assert.deepEqual(refusals(), { 'one effects.plugin-at-once': 1 })
  for (const end of before.waits) end()
  await new Promise((resolve) => setImmediate(resolve))
  await use(callOf([1]), 'hash.sha256', ['x']).settled
  assert.deepEqual(refusals(), { 'one effects.plugin-at-once': 1 })
})

test('what is bounded of one kind is bounded through generations, too', async () => {
  const never = new Promise<void>(() => {})
  const { bounds } = stage()
  for (let i = 0; i < 256; i++) bounds.sleeps.during('one', () => never).catch(() => {})
  const { use, refusals } = stage(bounds)
  await use(callOf([1]), 'timer.sleep', [1]).settled
  assert.deepEqual(refusals(), { 'one timer.sleeps': 1 })
})

test('pieces of a body are bounded by its size, not by the second: a fast machine defers no mail', async () => {
  const { use, refusals } = stage()
  for (let i = 0; i < 2_100; i++) await use(callOf([1, 2]), 'body.chunk', [0]).settled
  assert.equal(typeof (await use(callOf([1, 2]), 'hash.sha256', ['x']).settled), 'string')
  assert.deepEqual(refusals(), {})
  const asked = callOf([1, 2])
  for (let i = 0; i < 65; i++) await use(asked, 'body.chunk', [0]).settled
  assert.deepEqual(refusals(), { 'one effects.in-call': 1 })
})
