import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DAMAGED } from '../../../core/queue/local-set-aside.ts'
import type { Delivery, QueueCounts } from '../../../core/queue/queue-store.ts'
import {
  claimAt,
  delivered,
  HEAD,
  LEASE,
  messageId,
  NOW,
  newMessage,
} from '../../conformance/queue-store/fixture.ts'
import { add, addCall, openService, run } from './batch.ts'
import { temporaryDirectory } from './store-under-test.ts'

const COUNTS = { name: 'counts', arguments: {} } as const

test('calls that arrive together share one commit', async (t) => {
  const service = openService(t, await temporaryDirectory(t))
  const before = service.commits
  const parts: ArrayBuffer[] = []
  const calls = Array.from({ length: 100 }, (_, i) => addCall(newMessage(i), LEASE, parts))
  assert.ok(run(service, calls, parts).every((outcome) => 'value' in outcome))
  assert.equal(service.commits - before, 1)
})

test('a batch with a failing call commits the others, each for itself', async (t) => {
  const service = openService(t, await temporaryDirectory(t))
  add(service, newMessage(1))
  const before = service.commits
  const parts: ArrayBuffer[] = []
  const calls = [2, 1, 3].map((number) => addCall(newMessage(number), null, parts))
  const outcomes = run(service, [...calls, COUNTS], parts)
  assert.deepEqual(outcomes[1], { fault: 'unavailable' })
  assert.equal((outcomes[3] as { value: QueueCounts }).value.messages, 3)
  assert.equal(service.commits - before, 3)
})

test('a full database refuses what needs room as full, and still settles', async (t) => {
  const service = openService(t, await temporaryDirectory(t))
  const [owed] = (add(service, newMessage(1), LEASE) as { value: Delivery[] }).value
  assert.ok(owed)
  // The pragma never goes below what is there: from now on the database cannot grow.
  service.queueDatabase.exec('PRAGMA max_page_count = 1')
  const large = {
    head: HEAD,
    content: { kind: 'inline', bytes: Buffer.alloc(400_000) },
    contentOffset: 0,
  } as const
  const parts: ArrayBuffer[] = []
  const outcomes = run(
    service,
    [
      addCall(newMessage(2, { stored: large }), null, parts),
      {
        name: 'settle',
        arguments: { lease: owed, settlements: [delivered('rcpt@example.test')], notices: [] },
      },
      addCall(newMessage(3, { stored: large }), null, parts),
      COUNTS,
    ],
    parts,
  )
  assert.deepEqual(outcomes.slice(0, 3), [{ fault: 'full' }, { value: true }, { fault: 'full' }])
  assert.equal((outcomes[3] as { value: QueueCounts }).value.messages, 0)
  service.queueDatabase.exec('PRAGMA max_page_count = 4294967294')
  assert.ok('value' in add(service, newMessage(2, { stored: large })))
})

const DAMAGE = [
  ['its origin is no JSON', 'UPDATE message SET origin = \'{"kind":\' WHERE number = 2'],
  ['its body is missing', 'DELETE FROM body WHERE message = 2'],
  ['its row is missing', 'DELETE FROM message WHERE number = 2'],
] as const

for (const [what, statement] of DAMAGE) {
  test(`a message of which ${what} is held and counted, and does not stop the others`, async (t) => {
    const service = openService(t, await temporaryDirectory(t))
    for (const number of [1, 2, 3]) add(service, newMessage(number))
    service.queueDatabase.exec(statement)
    const [claimed] = run(service, [{ name: 'claim', arguments: claimAt(NOW) }])
    const messages = (claimed as { value: Delivery[] }).value.map(({ message }) => message)
    assert.deepEqual(messages, [messageId(1), messageId(3)])
    const [listed, counted] = run(service, [
      { name: 'list', arguments: { filter: { state: 'held' }, limit: 10 } },
      COUNTS,
    ])
    const entries = (listed as { value: { address: string; detail: string }[] }).value
    assert.deepEqual(
      entries.map(({ address, detail }) => [address, detail]),
      [['rcpt@example.test', DAMAGED]],
    )
    const { damaged, held, due } = (counted as { value: QueueCounts }).value
    assert.deepEqual({ damaged, held, due }, { damaged: 1, held: 1, due: 2 })
  })
}

test('a spool file outside the spool folder is refused', async (t) => {
  const service = openService(t, await temporaryDirectory(t))
  const content = { kind: 'spool', path: '/etc/passwd', sizeBytes: 10 } as const
  assert.deepEqual(add(service, newMessage(1, { stored: { head: HEAD, content, contentOffset: 0 } })), {
    fault: 'unavailable',
  })
})

test('a new database has what cannot be changed later', async (t) => {
  const service = openService(t, await temporaryDirectory(t))
  const pragma = (name: string): unknown =>
    Object.values(service.queueDatabase.prepare(`PRAGMA ${name}`).get() ?? {})[0]
  assert.deepEqual(
    ['page_size', 'auto_vacuum', 'journal_mode', 'synchronous', 'wal_autocheckpoint', 'user_version'].map(
      pragma,
    ),
    [8192, 2, 'wal', 2, 0, 4],
  )
})
