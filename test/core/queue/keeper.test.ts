import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { startKeeper } from '../../../core/queue/keeper.ts'
import { KeeperClient } from '../../../core/queue/keeper-client.ts'
import type { Batch, Call, ToKeeper } from '../../../core/queue/keeper-protocol.ts'
import { KeeperQueueStore } from '../../../core/queue/keeper-queue-store.ts'
import { StoreFault } from '../../../core/queue/queue-store.ts'
import { BODY, HEAD, isFault, newMessage } from '../../conformance/queue-store/fixture.ts'
import { KEEPER_ENTRY, openKeeper, temporaryDirectory } from './store-under-test.ts'

function recordingClient(isFull = (): boolean => false): { client: KeeperClient; batches: Batch[] } {
  const batches: Batch[] = []
  const postMessage = (message: ToKeeper): void => {
    if (message.kind === 'calls') batches.push(message.batch)
  }
  const port = {
    postMessage,
    get isFull() {
      return isFull()
    },
  }
  return { client: new KeeperClient(port), batches }
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('the calls of one turn are one message, their octets one buffer', async () => {
  const { client, batches } = recordingClient()
  const store = new KeeperQueueStore(client, async () => {})
  const ended = Promise.allSettled([
    store.add(newMessage(1), null),
    Promise.resolve().then(() => store.add(newMessage(2), null)),
    store.counts(),
  ])
  await nextTurn()
  assert.equal(batches.length, 1)
  const calls = JSON.parse(batches[0]?.text ?? '') as Call[]
  assert.deepEqual(calls.map(({ call }) => call.name).toSorted(), ['add', 'add', 'counts'])
  assert.equal(batches[0]?.parts.length, 1)
  assert.equal(batches[0]?.parts[0]?.byteLength, 2 * (HEAD.byteLength + BODY.byteLength))
  client.end(new StoreFault('unavailable', 'over'))
  await ended
})

test('a turn with much to say says it in several messages', async () => {
  const { client, batches } = recordingClient()
  const store = new KeeperQueueStore(client, async () => {})
  const content = { kind: 'inline', bytes: Buffer.alloc(1024 * 1024) } as const
  const stored = { head: HEAD, content, contentOffset: 0 }
  const adding = Array.from({ length: 9 }, (_, number) => store.add(newMessage(number, { stored }), null))
  const counting = Array.from({ length: 1_001 }, () => store.counts())
  const ended = Promise.allSettled([...adding, ...counting])
  await nextTurn()
  const sent = batches.map(({ text, parts }) => [
    (JSON.parse(text) as Call[]).length,
    parts.reduce((sum, { byteLength }) => sum + byteLength, 0) > 4 * 1024 * 1024,
  ])
  assert.deepEqual(sent, [
    [4, true],
    [4, true],
    [1_000, false],
    [2, false],
  ])
  client.end(new StoreFault('unavailable', 'over'))
  await ended
})

test('while too much waits to be sent calls are rejected, and their octets forgotten', async () => {
  let isFull = true
  const { client, batches } = recordingClient(() => isFull)
  const store = new KeeperQueueStore(client, async () => {})
  await assert.rejects(store.add(newMessage(1), null), isFault('unavailable'))
  isFull = false
  const adding = assert.rejects(store.add(newMessage(2), null), isFault('unavailable'))
  await nextTurn()
  assert.equal(batches[0]?.parts[0]?.byteLength, HEAD.byteLength + BODY.byteLength)
  client.end(new StoreFault('unavailable', 'over'))
  await adding
})

test('an end of the keeper rejects whoever waits, and whoever comes later', async () => {
  const { client } = recordingClient()
  const store = new KeeperQueueStore(client, async () => {})
  const waiting = store.counts()
  client.end(new StoreFault('unavailable', 'gone'))
  await assert.rejects(waiting, isFault('unavailable'))
  await assert.rejects(store.add(newMessage(1), null), isFault('unavailable'))
})

for (const way of ['throws', 'exits']) {
  test(`a keeper that ${way} rejects what waits and is said to be dead once`, async (t) => {
    const deaths: StoreFault[] = []
    const keeper = await startKeeper({
      directory: await temporaryDirectory(t),
      entry: new URL(`./dying-keeper.ts?${way}`, import.meta.url),
      onDeath: (fault) => deaths.push(fault),
    })
    const both = await Promise.allSettled([keeper.queue.counts(), keeper.state.get('key', 0)])
    assert.deepEqual(
      both.map(({ status }) => status),
      ['rejected', 'rejected'],
    )
    await assert.rejects(keeper.queue.counts(), isFault('unavailable'))
    await keeper.close()
    assert.equal(deaths.length, 1)
  })
}

test('closing finishes what was asked for before', async (t) => {
  const directory = await temporaryDirectory(t)
  const keeper = await openKeeper(directory)
  const adding = keeper.queue.add(newMessage(1), null)
  await Promise.all([keeper.close(), keeper.close(), adding])
  const again = await openKeeper(directory)
  t.after(() => again.close())
  assert.equal((await again.queue.counts()).messages, 1)
})

test('a store of a newer release is refused and left as it is', async (t) => {
  const directory = await temporaryDirectory(t)
  const file = join(directory, 'queue.db')
  const newer = new DatabaseSync(file)
  newer.exec('CREATE TABLE of_the_future (x); PRAGMA user_version = 7')
  newer.close()
  const before = await readFile(file)
  await assert.rejects(
    startKeeper({ directory, entry: KEEPER_ENTRY, onDeath: () => assert.fail('it never lived') }),
    (error: unknown) => {
      isFault('unavailable')(error)
      assert.match(
        String(error),
        /queue\.db has version 7, this release knows versions up to 4: start the release/,
      )
      return true
    },
  )
  assert.deepEqual(await readFile(file), before)
})

test('a file that is no database is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'queue.db'), 'x'.repeat(5000))
  const starting = startKeeper({
    directory,
    entry: KEEPER_ENTRY,
    onDeath: () => assert.fail('it never lived'),
  })
  await assert.rejects(starting, isFault('damaged'))
})
