/** What a worker waits for from its store, and since when. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { KeeperClient } from '../../../core/queue/keeper-client.ts'
import type { Call, ToKeeper } from '../../../core/queue/keeper-protocol.ts'
import { KeeperQueueStore } from '../../../core/queue/keeper-queue-store.ts'
import { StoreFault } from '../../../core/queue/queue-store.ts'
import { openKeeper, temporaryDirectory } from './store-under-test.ts'

test('the backlog counts what was asked and not answered, from the moment the oldest was asked', async () => {
  const calls: Call[] = []
  const client = new KeeperClient({
    isFull: false,
    postMessage: (message: ToKeeper) => {
      if (message.kind === 'calls') calls.push(...(JSON.parse(message.batch.text) as Call[]))
    },
  })
  assert.deepEqual(client.backlog, { calls: 0, oldestMs: 0 })
  const store = new KeeperQueueStore(client, async () => {})
  const first = store.counts()
  await wait(60)
  const second = store.counts()
  await wait(5)
  assert.equal(client.backlog.calls, 2)
  assert.ok(client.backlog.oldestMs >= 55, `${client.backlog.oldestMs} ms`)
  // The first is answered: from now on the second is the oldest.
  client.answered([{ id: (calls[0] as Call).id, value: {} }], [])
  await first
  assert.equal(client.backlog.calls, 1)
  assert.ok(client.backlog.oldestMs < 55, `${client.backlog.oldestMs} ms`)
  client.end(new StoreFault('unavailable', 'over'))
  await assert.rejects(second)
  assert.deepEqual(client.backlog, { calls: 0, oldestMs: 0 })
})

test('a keeper in its thread has a backlog while it works, and none when it has answered', async (t) => {
  const keeper = await openKeeper(await temporaryDirectory(t))
  const counting = Array.from({ length: 20 }, () => keeper.queue.counts())
  assert.equal(keeper.backlog().calls, 20)
  await Promise.all(counting)
  assert.deepEqual(keeper.backlog(), { calls: 0, oldestMs: 0 })
  await keeper.close()
})
