/** What several workers say, made into one answer. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GatewayStatus } from '../../../core/admin/control.ts'
import { Metrics } from '../../../core/observe/metrics.ts'
import { type GatheredControl, gatheredControl } from '../../../core/process/gathered-control.ts'
import { SESSION, STATUS } from '../cli/fake-gateway.ts'

/** Workers that answer from a table, one row each. */
function workers(...answers: readonly Readonly<Record<string, unknown>>[]): GatheredControl {
  return gatheredControl({
    ask: async (method) => answers[0]?.[method],
    askAll: async (method) => answers.map((answer) => answer[method]),
  })
}

test('the status adds up what each worker counts, and keeps what all share', async () => {
  const one = STATUS.gateway as GatewayStatus
  const other: GatewayStatus = {
    ...one,
    state: 'draining',
    workers: [{ pid: 5, plughosts: [], generation: 1, uptimeMs: 7 }],
    plugins: one.plugins.map((plugin) => ({ ...plugin, calls: 3, refusals: 1, meanCpuMicros: 40 })),
  }
  const sum = await workers({ gatewayStatus: one }, { gatewayStatus: other }).gatewayStatus()
  assert.deepEqual(
    sum.workers.map(({ pid }) => pid),
    [4_711, 5],
  )
  assert.equal(sum.state, 'draining')
  assert.equal(sum.listeners[0]?.connections, 6)
  assert.equal(sum.counters.accepted, 14)
  assert.deepEqual(sum.queue, one.queue)
  const [plugin] = sum.plugins
  assert.equal(plugin?.calls, 12)
  assert.equal(plugin?.refusals, 3)
  assert.equal(plugin?.meanCpuMicros, 100)
})

test('a session is explained by the worker that knows most of it', async () => {
  const shorter = { ...SESSION, entries: SESSION.entries.slice(0, 1) }
  assert.equal(await workers({ explain: null }, { explain: null }).explain('s_x'), null)
  for (const answers of [
    [{ explain: null }, { explain: SESSION }],
    [{ explain: SESSION }, { explain: shorter }],
    [{ explain: shorter }, { explain: SESSION }],
  ])
    assert.deepEqual(await workers(...answers).explain(SESSION.id), SESSION)
})

test('metrics of the workers are added up; what is shared is told once', async () => {
  const measured = async (sent: number, queued: number): Promise<unknown> => {
    const metrics = new Metrics()
    metrics.counter({ name: 'sent_total', help: 'x', read: () => [{ value: sent }] })
    metrics.gauge({ name: 'queued', help: 'x', isShared: true, read: () => [{ value: queued }] })
    return await metrics.values()
  }
  const text = await workers(
    { metricValues: await measured(2, 9) },
    { metricValues: await measured(3, 9) },
  ).metrics()
  assert.match(text, /^sent_total 5$/m)
  assert.match(text, /^queued 9$/m)
  assert.match(text, /^postern_process_cpu_seconds_total /m)
})
