/**
 * SIGTERM under load is no fault at all: what was promised arrives, unaltered and once. Mail comes in at a steady rate
 * while the gateway is stopped and started again; a client that finds nobody was promised nothing.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { LedgerClient } from '../support/ledger-client.ts'
import { type Balance, LedgerSink } from '../support/ledger-sink.ts'
import { message } from '../support/message-bytes.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env['POSTERN_SEED'] ?? 2_026)
const STOPS = 10
const RATE = 200
const CONNECTIONS = 4
const SIZE_BYTES = 4_000
/** From a gateway that is ready to its stop. */
const LIFE_MS = { least: 500, most: 2_500 }
const STOP_MS = 10_000
/** From the last restart until the queue is empty. */
const DRAIN_MS = 30_000
/** Mail goes on coming for so long after the last restart. */
const AFTER_MS = 1_000
/** A tenth of what is sent in the shortest lives: that so many were acknowledged shows that the rest means something. */
const LEAST_ACKNOWLEDGED = 10 * STOPS

test(`stopped ${STOPS} times at ${RATE} mails/s: every acknowledged mail arrives once, unaltered`, async (t) => {
  await using sink = await LedgerSink.start()
  await using gateway = await Gateway.start({
    domains: { 'example.test': { deliver: sink.route } },
    plugins: [{ name: 'relay-control' }, { name: 'recipients' }, { name: 'routing' }],
  })
  const client = new LedgerClient({
    port: gateway.port,
    rate: RATE,
    connections: CONNECTIONS,
    sizeBytes: SIZE_BYTES,
  })
  const stopsMs: number[] = []
  try {
    const random = seededRandom(SEED)
    for (let stops = 0; stops < STOPS; stops++) {
      await wait(LIFE_MS.least + random() * (LIFE_MS.most - LIFE_MS.least))
      stopsMs.push(await stopped(gateway))
      await gateway.restart()
    }
    await wait(AFTER_MS)
  } finally {
    await client.stop()
  }
  await until(async () => (await gateway.control.queueList({}, 1)).length === 0, 'an empty queue', DRAIN_MS)
  const balance = sink.balance(client.rows)
  report(t, balance, client.brokenOff, stopsMs)
  assertKept(balance)
  assert.equal(client.brokenOff, 0, 'whoever was greeted is answered or told to go')
  assert.deepEqual(
    gateway.logged().filter(({ level }) => level === 'warn' || level === 'error'),
    [],
    'nothing to worry about in the log',
  )
})

/** Stops it as an administrator does; how long that took, milliseconds. */
async function stopped(gateway: Gateway): Promise<number> {
  const askedAt = performance.now()
  const { code, signal, stderr } = await gateway.stop('SIGTERM')
  const tookMs = performance.now() - askedAt
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
  assert.deepEqual(gateway.members(), [])
  assert.ok(tookMs < STOP_MS, `stopped after ${tookMs} ms`)
  return tookMs
}

function assertKept(balance: Balance): void {
  const { acknowledged, lost, altered, uninvited, permanent, duplicates, unknown } = balance
  assert.ok(acknowledged >= LEAST_ACKNOWLEDGED, `${acknowledged} acknowledged`)
  assert.deepEqual({ lost, altered, uninvited }, { lost: [], altered: [], uninvited: [] })
  assert.deepEqual(permanent, [], 'a stop is never permanent')
  assert.equal(duplicates, 0)
  assert.equal(unknown, 0, 'who has sent the final dot hears what became of it')
}

function report(t: TestContext, balance: Balance, brokenOff: number, stopsMs: readonly number[]): void {
  const { sent, acknowledged, refused, unknown, delivered, lost, altered, duplicates } = balance
  t.diagnostic(`seed ${SEED}, stops took ${stopsMs.map(Math.round).join(' ')} ms`)
  t.diagnostic(
    `sent ${sent}, acknowledged ${acknowledged}, refused ${refused}, unknown ${unknown}, broken off ${brokenOff}, ` +
      `delivered ${delivered}, lost ${lost.length}, altered ${altered.length}, duplicates ${duplicates}`,
  )
}

test('a final reply that is slow to come is waited for, and the mail is not sent again', async () => {
  const slow = await FakeRemote.start(({ verb }) => (verb === 'dot' ? { delayMs: 3_000 } : undefined))
  try {
    await using gateway = await Gateway.start({ outbound: { route: slow.route }, stopTimeout: '20s' })
    await gateway.send(['bob@elsewhere.example'], message('slow'))
    await slow.hasAccepted(1)
    const tookMs = await stopped(gateway)
    assert.ok(tookMs > 1_000, `it waited, ${tookMs} ms`)
    assert.deepEqual(gateway.logged('delivery-broken-off'), [])
    await gateway.restart()
    assert.deepEqual(await gateway.control.queueList({}, 1), [], 'it was written down as delivered')
    assert.equal(slow.accepted.length, 1)
  } finally {
    await slow.stop()
  }
})

test('a final reply that never comes is waited for up to stopTimeout, then the lease is given back', async () => {
  const silent = await FakeRemote.start(({ verb, connection }) =>
    verb === 'dot' && connection === 1 ? { after: 'stall' } : undefined,
  )
  try {
    await using gateway = await Gateway.start({ outbound: { route: silent.route }, stopTimeout: '3s' })
    await gateway.send(['bob@elsewhere.example'], message('silent'))
    await until(() => silent.messages.length === 1, 'the message to be sent')
    const tookMs = await stopped(gateway)
    assert.ok(tookMs > 2_500, `it waited, ${tookMs} ms`)
    assert.equal(gateway.logged('delivery-broken-off').length, 1)
    await gateway.restart()
    assert.deepEqual(gateway.logged('leases-reclaimed'), [], 'nobody left a lease behind')
    await until(() => silent.messages.length === 2, 'the message to be sent again')
    assert.ok(silent.messages[1]?.isAccepted)
  } finally {
    await silent.stop()
  }
})
