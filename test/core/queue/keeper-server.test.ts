/** Several workers at one keeper, here in one process; keeper-process.test.ts has the processes. */
import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { FRAME, frameOctets } from '../../../core/queue/keeper-frames.ts'
import type { Answer } from '../../../core/queue/keeper-protocol.ts'
import { connectKeeper } from '../../../core/queue/keeper-socket.ts'
import type { StoreFault } from '../../../core/queue/queue-store.ts'
import {
  claimAt,
  deferred,
  HEAD,
  isFault,
  MINUTE,
  NOW,
  newMessage,
  only,
  to,
} from '../../conformance/queue-store/fixture.ts'
import { until } from '../../support/until.ts'
import type { RawPeer } from './keeper-process-under-test.ts'
import { keeperStand } from './keeper-server-stand.ts'
import { temporaryDirectory } from './store-under-test.ts'

const TIMEOUT = { timeout: 60_000 }

test('what arrives from several workers together shares a commit', TIMEOUT, async (t) => {
  const { service, connect } = await keeperStand(t)
  const workers = await Promise.all(['a', 'b', 'c', 'd'].map((owner) => connect(owner)))
  const before = service.commits
  for (let round = 0; round < 20; round++) {
    const adding = workers.map(({ queue }, index) => queue.add(newMessage(round * 4 + index), null))
    await Promise.all(adding)
  }
  const commits = service.commits - before
  assert.ok(commits < 60, `${commits} commits for 80 calls of four workers`)
  const [first] = workers
  assert.equal((await first?.queue.counts())?.messages, 80)
})

test('two workers never claim the same', TIMEOUT, async (t) => {
  const { connect } = await keeperStand(t)
  const [a, b] = [await connect('a'), await connect('b')]
  for (let number = 0; number < 50; number++) await a.queue.add(newMessage(number), null)
  const claims = await Promise.all([a, b, a, b].map(({ queue }) => queue.claim(claimAt(NOW, { limit: 20 }))))
  const fences = claims.flat().map(({ fence }) => fence)
  assert.equal(new Set(fences).size, 50)
  assert.equal(fences.length, 50)
})

test('work one worker made due is told to the others', TIMEOUT, async (t) => {
  const { connect } = await keeperStand(t)
  const told = { a: 0, b: 0 }
  const a = await connect('a', () => told.a++)
  const b = await connect('b', () => told.b++)
  const lease = { owner: 'a', until: NOW + MINUTE }
  const owed = only(await a.queue.add(newMessage(1), lease))
  await a.queue.settle(owed, [deferred('rcpt@example.test', NOW + MINUTE)], [])
  await b.queue.counts()
  assert.deepEqual(told, { a: 0, b: 0 })
  const ways: readonly (() => Promise<unknown>)[] = [
    () => a.queue.retryNow({}, NOW),
    () => a.queue.add(newMessage(2, { recipients: [to('x@y.test', 'discard:', 'held')] }), lease),
    () => a.queue.unhold({ state: 'held' }, NOW, MINUTE),
    () => a.queue.add(newMessage(3), null),
    async () => a.queue.release(await a.queue.claim(claimAt(NOW, { limit: 1 }))),
  ]
  const after = [1, 1, 2, 3, 4]
  for (const [index, way] of ways.entries()) {
    await way()
    await b.queue.counts()
    assert.deepEqual(told, { a: 0, b: after[index] }, `after step ${index}`)
  }
})

test('a worker that is gone leaves its leases, and whoever stays is told', TIMEOUT, async (t) => {
  const { connect, raw } = await keeperStand(t)
  let told = 0
  const b = await connect('b', () => told++)
  const dying = raw()
  dying.hello('a')
  await until(() => dying.heard.length === 1, 'the greeting')
  await b.queue.add(newMessage(1), { owner: 'a', until: NOW + MINUTE })
  await b.queue.add(newMessage(2), { owner: 'b', until: NOW + MINUTE })
  assert.deepEqual(await b.queue.claim(claimAt(NOW)), [])
  dying.socket.destroy()
  await until(() => told > 0, 'word of work')
  assert.equal(only(await b.queue.claim(claimAt(NOW))).message, newMessage(1).id)
})

test(
  'a worker that dies in the midst of a batch has what is whole done, and nothing of the rest',
  TIMEOUT,
  async (t) => {
    const { connect, raw } = await keeperStand(t)
    let told = 0
    const b = await connect('b', () => told++)
    const dying = raw()
    dying.hello('a')
    const call = (id: number, name: string, given: object): string =>
      JSON.stringify([{ id, store: 'state', call: { name, arguments: given } }])
    dying.say(FRAME.calls, call(1, 'set', { key: 'whole', value: 'x', expiresAt: NOW + MINUTE }))
    await until(() => dying.heard.length === 2, 'greeting and answer')
    const half = Buffer.alloc(40)
    half[0] = 0xf5
    half[1] = FRAME.calls
    half.writeUInt32LE(5_000, 4)
    dying.socket.write(half, () => dying.socket.destroy())
    await until(() => told > 0, 'word of its end')
    assert.equal(await b.state.get('whole', NOW), 'x')
  },
)

test('closing waits for the answers, and a later call is rejected', TIMEOUT, async (t) => {
  const { connect } = await keeperStand(t)
  const a = await connect('a')
  const adding = Array.from({ length: 50 }, (_, number) => a.queue.add(newMessage(number), null))
  await a.close()
  assert.equal((await Promise.all(adding)).length, 50)
  await assert.rejects(a.queue.counts(), isFault('unavailable'))
  const b = await connect('b')
  assert.equal((await b.queue.counts()).messages, 50)
})

test('a name that is in use is refused, and free again when its worker is gone', TIMEOUT, async (t) => {
  const { connect } = await keeperStand(t)
  const first = await connect('a')
  await assert.rejects(connect('a'), isFault('unavailable'))
  assert.equal((await first.queue.counts()).messages, 0)
  await first.close()
  await until(
    () =>
      connect('a').then(
        () => true,
        () => false,
      ),
    'the name',
  )
})

const HELLO = JSON.stringify({ owner: 'a' })
const GARBLED: Readonly<Record<string, (peer: RawPeer) => void>> = {
  'is not of this protocol': ({ socket }) => socket.write('EHLO client.example\r\n'),
  'has calls before the hello': (peer) => peer.say(FRAME.calls, '[]'),
  'has no name': (peer) => peer.say(FRAME.hello, '{}'),
  'has a list for a hello': (peer) => peer.say(FRAME.hello, '["a"]'),
  'says hello twice': (peer) => {
    peer.say(FRAME.hello, HELLO)
    peer.say(FRAME.hello, HELLO)
  },
  'is no JSON': (peer) => {
    peer.say(FRAME.hello, HELLO)
    peer.say(FRAME.calls, '[{"id":1,')
  },
  'has an unknown call': (peer) => {
    peer.say(FRAME.hello, HELLO)
    peer.say(FRAME.calls, '[{"id":1,"store":"queue","call":{"name":"constructor","arguments":{}}}]')
  },
  'has an unknown store': (peer) => {
    peer.say(FRAME.hello, HELLO)
    peer.say(FRAME.calls, '[{"id":1,"store":"__proto__","call":{"name":"get","arguments":{}}}]')
  },
  'has a call without arguments': (peer) => {
    peer.say(FRAME.hello, HELLO)
    peer.say(FRAME.calls, '[{"id":1,"store":"queue","call":{"name":"counts","arguments":null}}]')
  },
}

for (const [what, say] of Object.entries(GARBLED)) {
  test(`a peer that ${what} is told so and sent away, the others stay`, TIMEOUT, async (t) => {
    const { connect, raw, warnings } = await keeperStand(t)
    const other = await connect('other')
    const peer = raw()
    say(peer)
    await peer.closed()
    const refusals = peer.heard.filter(({ kind }) => kind === FRAME.refused)
    assert.equal(refusals.length, 1)
    await until(() => warnings.length > 0, 'the warning')
    assert.deepEqual(
      warnings.map(({ event }) => event),
      ['keeper-peer-faulty'],
    )
    assert.equal((await other.queue.counts()).messages, 0)
  })
}

test('a peer that goes on saying what makes no sense is not listened to', TIMEOUT, async (t) => {
  const { connect, raw, warnings } = await keeperStand(t)
  const other = await connect('other')
  const peer = raw()
  const again = setInterval(() => peer.socket.write('EHLO client.example\r\n'), 1)
  t.after(() => clearInterval(again))
  // The system may take away the refusal from one that is still talking.
  await peer.closed()
  await until(() => warnings.length > 0, 'the warning')
  assert.equal(warnings.length, 1)
  assert.equal((await other.queue.counts()).messages, 0)
})

test('a call whose arguments make no sense fails alone', TIMEOUT, async (t) => {
  const { raw } = await keeperStand(t)
  const peer = raw()
  peer.hello('a')
  const calls = [
    { name: 'claim', arguments: {} },
    { name: 'counts', arguments: {} },
    {
      name: 'add',
      arguments: { message: { stored: { head: { part: 7, offset: 0, length: 9 } } }, lease: null },
    },
    { name: 'acquire', arguments: { slots: 'all' } },
  ]
  const numbered = calls.map((call, id) => ({ id, store: id === 3 ? 'shared' : 'queue', call }))
  peer.say(FRAME.calls, JSON.stringify(numbered))
  const answers = (): Answer[] =>
    peer.heard
      .filter(({ kind }) => kind === FRAME.answers)
      .flatMap(({ text }) => JSON.parse(text) as Answer[])
  await until(() => answers().length === 4, 'four answers')
  const failed = answers().flatMap((answer) => ('fault' in answer ? [answer.id] : []))
  assert.deepEqual(
    failed.toSorted((one, other) => one - other),
    [0, 2, 3],
  )
})

test('a worker that does not read is not read from, and holds up nobody', TIMEOUT, async (t) => {
  const { connect, raw } = await keeperStand(t)
  const other = await connect('other')
  const bytes = Buffer.alloc(60_000, 'x')
  const stored = { head: HEAD, content: { kind: 'inline', bytes }, contentOffset: 0 } as const
  await other.queue.add(newMessage(1, { stored }), null)
  const slow = raw()
  slow.hello('slow')
  await until(() => slow.heard.length === 1, 'the greeting')
  slow.socket.pause()
  const call = { name: 'content', arguments: { message: newMessage(1).id } }
  const COUNT = 8_000
  // Half a gigabyte of answers, asked for in frames a read or two take in.
  const padding = ' '.repeat(1_000)
  for (let id = 0; id < COUNT; id++)
    slow.say(FRAME.calls, JSON.stringify([{ id, store: 'queue', call }]) + padding)
  for (let turn = 0; turn < 20; turn++) assert.equal((await other.queue.counts()).messages, 1)
  assert.ok(slow.socket.writableLength > 0, 'everything was read from a worker that reads nothing')
  const usedBytes = process.memoryUsage().arrayBuffers
  assert.ok(usedBytes < 250_000_000, `${usedBytes} octets in buffers`)
  let answered = 0
  slow.heard.length = 0
  slow.socket.on('data', () => {
    for (const { text } of slow.heard.splice(0)) answered += (JSON.parse(text) as Answer[]).length
  })
  slow.socket.resume()
  await until(() => answered === COUNT, 'every answer')
})

for (const phase of ['before', 'after'] as const) {
  test(`a keeper that is garbled ${phase} it was ready is dead to its worker`, TIMEOUT, async (t) => {
    const socketPath = join(await temporaryDirectory(t), 'keeper.sock')
    const server = createServer((socket) => {
      socket.on('error', () => {})
      const garbled = Buffer.from('220 mx.example.test ESMTP\r\n')
      const answers = phase === 'after' ? [...frameOctets(FRAME.ready), garbled] : [garbled]
      socket.on('data', () => void socket.write(answers.shift() ?? garbled))
    })
    await new Promise<void>((resolve) => server.listen(socketPath, resolve))
    t.after(() => server.close())
    const deaths: StoreFault[] = []
    const onDeath = (fault: StoreFault): void => void deaths.push(fault)
    const connecting = connectKeeper({ socketPath, owner: 'a', onDeath, onWork: () => {} })
    if (phase === 'before') return assert.rejects(connecting, /garbled/)
    const { queue } = await connecting
    await assert.rejects(queue.counts(), isFault('unavailable'))
    assert.deepEqual(
      deaths.map(({ message }) => message),
      ['the keeper is garbled'],
    )
  })
}

test('where no keeper listens there is a fault', async (t) => {
  const socketPath = join(await temporaryDirectory(t), 'keeper.sock')
  const connecting = connectKeeper({ socketPath, owner: 'a', onDeath: () => {}, onWork: () => {} })
  await assert.rejects(connecting, isFault('unavailable'))
})

test('what workers hold at once counts together, and goes with its worker', TIMEOUT, async (t) => {
  const { connect } = await keeperStand(t)
  const [a, b] = [await connect('a'), await connect('b')]
  const slots = [
    { key: 'connections', limit: 4 },
    { key: 'connections:192.0.2.1', limit: 3 },
  ]
  const unlimited = [
    { key: 'connections', limit: 4 },
    { key: 'connections:192.0.2.1', limit: Infinity },
  ]
  assert.equal(await a.concurrency.acquire(slots), null)
  assert.equal(await a.concurrency.acquire(slots), null)
  assert.equal(await b.concurrency.acquire(slots), null)
  assert.equal(await b.concurrency.acquire(slots), 'connections:192.0.2.1')
  assert.equal(await b.concurrency.acquire(unlimited), null)
  assert.equal(await b.concurrency.acquire(unlimited), 'connections')
  b.concurrency.release(slots.map(({ key }) => key))
  assert.equal(await b.concurrency.acquire(slots), 'connections:192.0.2.1')
  assert.equal(await b.concurrency.acquire(unlimited), null)
  await a.close()
  await until(async () => (await b.concurrency.acquire(unlimited)) === null, 'the counts of the other')
  assert.equal(await b.concurrency.acquire(unlimited), null)
  assert.equal(await b.concurrency.acquire(unlimited), 'connections')
})

test('tallies are kept for all workers, and outlive the one that made them', TIMEOUT, async (t) => {
  const { connect } = await keeperStand(t)
  const [a, b] = [await connect('a'), await connect('b')]
  const keys = [
    { kind: 'network', key: '192.0.2.1' },
    { kind: 'name', key: 'bob' },
  ]
  assert.deepEqual(await a.tallies.add(keys), [1, 1])
  assert.deepEqual(await b.tallies.add(keys), [2, 2])
  await a.close()
  await b.tallies.clear(keys.slice(1))
  assert.deepEqual(await b.tallies.counts(keys), [2, 0])
})
