/**
 * The promise of the 250 under SIGKILL: mail comes in at a steady rate while processes are killed at seeded times and
 * started again. Every acknowledged mail arrives, unaltered, and few arrive twice.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Gateway } from '../support/gateway.ts'
import { LedgerClient } from '../support/ledger-client.ts'
import { type Balance, LedgerSink } from '../support/ledger-sink.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { until } from '../support/until.ts'

const SEED = Number(process.env['POSTERN_SEED'] ?? 2_026)
const KILLS = 5
const RATE = 200
const CONNECTIONS = 4
const SIZE_BYTES = 4_000
/** From a gateway that is ready to its death. */
const LIFE_MS = { least: 500, most: 3_500 }
/** From the last restart until every promised mail is at the sink. */
const DRAIN_MS = 30_000
/** Mail goes on coming for so long after the last restart. */
const AFTER_MS = 1_000
const DUPLICATES_PER_KILL = 4
/** A tenth of what is sent in the shortest lives: that so many were acknowledged shows that the rest means something. */
const LEAST_ACKNOWLEDGED = 50 * KILLS

interface Killing {
  readonly name: string
  /** Ends processes and returns when the gateway takes mail again. */
  readonly kill: (gateway: Gateway) => Promise<void>
}

const killings: readonly Killing[] = [
  {
    name: 'the whole process tree',
    kill: async (gateway) => {
      await gateway.kill()
      await gateway.restart()
    },
  },
  {
    name: 'the worker',
    kill: async (gateway) => {
      const { workerRestarts } = await gateway.control.status()
      process.kill(await gateway.workerPid(), 'SIGKILL')
      await until(async () => {
        // While it dies it can still be asked, and does not answer.
        const now = await gateway.control.status().catch(() => null)
        return now !== null && now.workerRestarts > workerRestarts && now.gateway !== null
      }, 'the next worker')
    },
  },
]

for (const { name, kill } of killings) {
  test(`${name} killed ${KILLS} times at ${RATE} mails/s: no acknowledged mail is lost or altered`, async (t) => {
    await using sink = await LedgerSink.start()
    await using gateway = await Gateway.start({
      domains: { 'example.test': { deliver: sink.route } },
      plugins: [{ name: 'relay-control' }, { name: 'recipients' }, { name: 'routing' }],
    })
    const startedAt = performance.now()
    const client = new LedgerClient({
      port: gateway.port,
      rate: RATE,
      connections: CONNECTIONS,
      sizeBytes: SIZE_BYTES,
    })
    const outagesMs: number[] = []
    let restartedAt = 0
    try {
      const random = seededRandom(SEED)
      for (let kills = 0; kills < KILLS; kills++) {
        await wait(LIFE_MS.least + random() * (LIFE_MS.most - LIFE_MS.least))
        const killedAt = performance.now()
        await kill(gateway)
        outagesMs.push(performance.now() - killedAt)
      }
      restartedAt = performance.now()
      await wait(AFTER_MS)
    } finally {
      await client.stop()
    }
    const sendingMs = performance.now() - startedAt
    const isDrained = (): boolean => sink.balance(client.rows).lost.length === 0
    await until(isDrained, 'every acknowledged mail at the sink', DRAIN_MS - AFTER_MS).catch(() => {})
    const drainMs = performance.now() - restartedAt
    await until(async () => (await gateway.control.queueList({}, 1)).length === 0, 'an empty queue', DRAIN_MS)
    const balance = sink.balance(client.rows)
    report(t, balance, { sendingMs, drainMs, outagesMs })
    assertKept(balance)
    assert.deepEqual(gateway.logged('bug'), [])
  })
}

function assertKept({ acknowledged, lost, altered, uninvited, permanent, duplicates }: Balance): void {
  assert.ok(acknowledged >= LEAST_ACKNOWLEDGED, `${acknowledged} acknowledged`)
  assert.deepEqual({ lost, altered, uninvited }, { lost: [], altered: [], uninvited: [] })
  assert.deepEqual(permanent, [], 'trouble of our own is never permanent')
  assert.ok(duplicates <= DUPLICATES_PER_KILL * KILLS, `${duplicates} duplicates`)
}

interface Times {
  readonly sendingMs: number
  /** From the last restart until everything promised so far was at the sink. */
  readonly drainMs: number
  readonly outagesMs: readonly number[]
}

function report(t: TestContext, balance: Balance, { sendingMs, drainMs, outagesMs }: Times): void {
  const { sent, acknowledged, refused, unknown, delivered, lost, duplicates } = balance
  const upMs = sendingMs - outagesMs.reduce((sum, ms) => sum + ms, 0)
  t.diagnostic(
    `seed ${SEED}, ${(sendingMs / 1000).toFixed(1)} s, outages ${outagesMs.map(Math.round).join(' ')} ms, ` +
      `all promised mail at the sink ${Math.round(drainMs)} ms after the last restart`,
  )
  t.diagnostic(
    `sent ${sent}, acknowledged ${acknowledged} (${Math.round((acknowledged / upMs) * 1000)}/s while up), ` +
      `refused ${refused}, unknown ${unknown}, delivered ${delivered}, lost ${lost.length}, ` +
      `duplicates ${duplicates} (${(duplicates / KILLS).toFixed(1)} per kill)`,
  )
}
