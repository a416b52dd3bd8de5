/** Reloads under load (F18): nothing is lost, nothing comes twice, nobody hears a permanent refusal. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { Gateway } from '../support/gateway.ts'
import { LedgerClient } from '../support/ledger-client.ts'
import { LedgerSink } from '../support/ledger-sink.ts'
import { until } from '../support/until.ts'

const RELOADS = 20
const RATE = 100

test(`reloaded ${RELOADS} times at ${RATE} mails/s: every acknowledged mail arrives once`, async (t) => {
  await using sink = await LedgerSink.start()
  await using gateway = await Gateway.start({ domains: { 'example.test': { deliver: sink.route } } })
  const client = new LedgerClient({ port: gateway.port, rate: RATE, connections: 4, sizeBytes: 4_000 })
  try {
    for (let reloads = 0; reloads < RELOADS; reloads++) {
      await wait(200)
      const outcome = await gateway.control.reload()
      assert.deepEqual(outcome.problems, [])
    }
  } finally {
    await client.stop()
  }
  await until(async () => (await gateway.control.queueList({}, 1)).length === 0, 'an empty queue', 30_000)
  const { acknowledged, lost, altered, uninvited, permanent, duplicates, unknown } = sink.balance(client.rows)
  t.diagnostic(`${acknowledged} acknowledged`)
  assert.ok(acknowledged > 10 * RELOADS, `${acknowledged} acknowledged`)
  assert.deepEqual(
    { lost, altered, uninvited, permanent },
    { lost: [], altered: [], uninvited: [], permanent: [] },
  )
  assert.deepEqual(
    { duplicates, unknown, brokenOff: client.brokenOff },
    { duplicates: 0, unknown: 0, brokenOff: 0 },
  )
  assert.equal((await gateway.worker()).generation, RELOADS + 1)
})
