import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { QUEUE_MIGRATIONS } from '../../../core/queue/local-schema.ts'
import { openDatabase } from '../../../core/state/database.ts'
import { claimAt, NOW, newMessage, only } from '../../conformance/queue-store/fixture.ts'
import { openKeeper, temporaryDirectory } from './store-under-test.ts'

const ROWS = `
  INSERT INTO message (number, id, accepted_at, expires_at, reverse_path, size, origin, head, content_offset, spool,
      spool_size) VALUES
    (7, 'q_00000000000a', ${NOW}, ${NOW + 1000}, 'a@client.example', 6,
     '{"kind":"internal","what":"test"}', x'', 0, NULL, 0);
  INSERT INTO body VALUES (7, x'610d0a0d0a62');
  INSERT INTO recipient (message, position, address, route, state, due_at, ready_at, attempts, lease_owner, fence,
      detail) VALUES
    (7, 0, 'due@x.test', 'smtp://192.0.2.1:25', 'due', ${NOW}, ${NOW}, 3, NULL, 40, '451 later'),
    (7, 1, 'held@x.test', 'smtp://192.0.2.1:25', 'held', ${NOW}, ${NOW}, 1, NULL, 41, '550 no'),
    (7, 2, 'done@x.test', 'smtp://192.0.2.1:25', 'delivered', ${NOW}, ${NOW}, 1, NULL, 42, '250 ok');
  UPDATE tally SET messages = 1, bytes = 6, due = 1, held = 1`

for (let version = 1; version < QUEUE_MIGRATIONS.length; version++)
  test(`a database of version ${version} is brought to this one with everything that is owed`, async (t) => {
    const directory = await temporaryDirectory(t)
    const file = join(directory, 'queue.db')
    const old = openDatabase(file, {
      durability: 'full',
      migrations: QUEUE_MIGRATIONS.slice(0, version),
      cacheKiB: 1000,
    })
    old.exec(ROWS)
    old.close()
    const keeper = await openKeeper(directory)
    t.after(() => keeper.close())
    const entries = await keeper.queue.list({}, 10)
    assert.deepEqual(
      entries.map(({ address, state, attempts, detail }) => [address, state, attempts, detail]),
      [
        ['due@x.test', 'due', 3, '451 later'],
        ['held@x.test', 'held', 1, '550 no'],
        ['done@x.test', 'delivered', 1, '250 ok'],
      ],
    )
    // There were no tags.
    assert.deepEqual(entries[0]?.origin, { kind: 'internal', what: 'test', tags: [] })
    const claimed = only(await keeper.queue.claim(claimAt(NOW)))
    assert.deepEqual(claimed.dsn, { ret: null, envid: null })
    assert.deepEqual(claimed.recipients, [
      {
        address: 'due@x.test',
        attempts: 3,
        dsn: { notify: null, orcpt: null },
        isDelayTold: false,
        reroutes: 0,
        isRerouted: false,
        isReleased: false,
      },
    ])
    assert.ok(claimed.fence > 42)
    const settlement = { address: 'due@x.test', result: 'bounced', detail: 'expired' } as const
    assert.equal(await keeper.queue.settle(claimed, [settlement], [newMessage(1)]), true)
    const { messages, due, held } = await keeper.queue.counts()
    assert.deepEqual({ messages, due, held }, { messages: 2, due: 1, held: 1 })
  })
