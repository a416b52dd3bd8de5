/** F22: one of two workers is killed in the midst of deliveries: the other takes its mail over at once. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Gateway } from '../../support/gateway.ts'
import { LedgerClient } from '../../support/ledger-client.ts'
import { LedgerSink } from '../../support/ledger-sink.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { until } from '../../support/until.ts'

const SEED = Number(process.env['POSTERN_SEED'] ?? 2_026)
const KILLS = 6
const RATE = 100
const TAKEOVER_MS = 10_000
/** Connections of one worker to one destination: what may be under way when it dies. */
const IN_FLIGHT = 20

test(`F22: a worker killed ${KILLS} times, seed ${SEED}`, { timeout: 170_000 }, async (t) => {
  await using sink = await LedgerSink.start()
  await using gateway = await Gateway.start({
    workers: 2,
    domains: { 'example.test': { deliver: sink.route } },
  })
  const random = seededRandom(SEED)
  const client = new LedgerClient({ port: gateway.port, rate: RATE, connections: 4, sizeBytes: 4_000 })
  const takeovers: number[] = []
  try {
    for (let kills = 0; kills < KILLS; kills++) {
      await wait(500 + random() * 2_000)
      const { gateway: status } = await gateway.control.status()
      const workers = status?.workers ?? []
      const victim = workers[Math.floor(random() * workers.length)]
      assert.ok(victim)
      const promised = client.rows.slice()
      process.kill(victim.pid, 'SIGKILL')
      const killedAt = performance.now()
      await until(
        () => sink.balance(promised).lost.length === 0,
        'what was promised before the death',
        TAKEOVER_MS,
      )
      takeovers.push(performance.now() - killedAt)
      await until(async () => (await gateway.control.status()).gateway?.workers.length === 2, 'two workers')
    }
  } finally {
    await client.stop()
  }
  await until(async () => (await gateway.control.queueList({}, 1)).length === 0, 'an empty queue', 30_000)
  const { lost, altered, uninvited, permanent, duplicates, acknowledged } = sink.balance(client.rows)
  t.diagnostic(
    `takeovers ${takeovers.map(Math.round).join(' ')} ms, ${acknowledged} acknowledged, ${duplicates} twice`,
  )
  assert.deepEqual(
    { lost, altered, uninvited, permanent },
    { lost: [], altered: [], uninvited: [], permanent: [] },
  )
  assert.ok(duplicates <= KILLS * IN_FLIGHT, `${duplicates} duplicates`)
})
