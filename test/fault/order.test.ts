/**
 * The order of writes and syncs under load (F3, I9), seen from the kernel: what a 250 promises is synced before it is
 * said, and an outcome is synced before the next transaction begins on that connection. It stands for a power cut,
 * which no test can make.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { LedgerClient } from '../support/ledger-client.ts'
import { needing } from '../support/peer-programs.ts'
import { type SystemCall, traced } from '../support/system-calls.ts'
import { until } from '../support/until.ts'

const MAILS = 50
const DATABASE_WRITES = new Set(['write', 'pwrite64', 'pwritev', 'writev'])
const SYNCS = new Set(['fsync', 'fdatasync'])

test(
  `${MAILS} mails: every promise and every outcome is synced before anybody hears of it`,
  needing('strace'),
  async (t) => {
    // Each fifth recipient is refused for good, so that notices are stored too.
    let count = 0
    const remote = await FakeRemote.start(({ verb }) =>
      verb === 'dot' && ++count % 5 === 0 ? '554 5.6.0 no' : undefined,
    )
    try {
      await using gateway = await Gateway.start({
        domains: {
          'example.test': { deliver: remote.route },
          'client.example': { deliver: 'maildir:./notices' },
        },
      })
      const calls = await traced(await gateway.workerPid(), async () => {
        const client = new LedgerClient({ port: gateway.port, rate: 50, connections: 4, sizeBytes: 2_000 })
        await until(() => client.rows.length >= MAILS, 'the mails to be sent', 60_000)
        await client.stop()
        await until(
          async () => (await gateway.control.queueList({}, 1)).length === 0,
          'an empty queue',
          60_000,
        )
      })
      const promises = assertPromises(calls)
      const outcomes = assertOutcomes(calls)
      t.diagnostic(`${promises} promises, ${outcomes} outcomes, ${gateway.kept('notices').length} notices`)
      assert.ok(promises >= MAILS && outcomes >= MAILS / 2)
      assert.ok(gateway.kept('notices').length >= MAILS / 10)
    } finally {
      await remote.stop()
    }
  },
)

function syncedBetween(calls: readonly SystemCall[], from: number, until: number, target: RegExp): boolean {
  return calls.some(
    ({ name, target: file, begunAt, endedAt, result }) =>
      SYNCS.has(name) && target.test(file) && begunAt > from && endedAt < until && result === 0,
  )
}

/** Each 250 behind a final dot, and the last write of its envelope before. */
function assertPromises(calls: readonly SystemCall[]): number {
  const replies = calls.filter(
    ({ target, text }) => !target.startsWith('/') && text.includes('"250 2.0.0 Queued as'),
  )
  for (const reply of replies) {
    const id = /q_\w{12}/.exec(reply.text)?.[0] ?? assert.fail(reply.text)
    const written = calls.find(
      ({ name, target, text }) =>
        DATABASE_WRITES.has(name) && target.endsWith('queue.db-wal') && text.includes(id),
    )
    assert.ok(written !== undefined, `${id} was written`)
    assert.ok(
      syncedBetween(calls, written.endedAt, reply.begunAt, /queue\.db-wal$/),
      `${id} was synced before its 250`,
    )
  }
  return replies.length
}

/** Between the end of a message and the next MAIL on the same connection its outcome was written and synced. */
function assertOutcomes(calls: readonly SystemCall[]): number {
  const said = calls.filter(({ target }) => target.startsWith('TCP'))
  const lastDot = new Map<string, SystemCall>()
  let outcomes = 0
  for (const call of said) {
    // What we say as a client; as a server we never say MAIL.
    if (/MAIL FROM:</.test(call.text)) {
      const dot = lastDot.get(call.target)
      if (dot === undefined) continue
      lastDot.delete(call.target)
      outcomes += 1
      const written = calls.find(
        ({ name, target, begunAt }) =>
          DATABASE_WRITES.has(name) && target.endsWith('queue.db-wal') && begunAt > dot.endedAt,
      )
      assert.ok(written !== undefined && written.endedAt < call.begunAt, 'the outcome was written')
      assert.ok(
        syncedBetween(calls, written.endedAt, call.begunAt, /queue\.db-wal$/),
        'the outcome was synced',
      )
    } else if (/\\r\\n\.\\r\\n"/.test(call.text) || /"\.\\r\\n"/.test(call.text))
      lastDot.set(call.target, call)
  }
  return outcomes
}
