import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { access, mkdir, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { connectKeeper } from '../../../core/queue/keeper-socket.ts'
import type { StoreFault } from '../../../core/queue/queue-store.ts'
import { claimAt, isFault, LEASE, MINUTE, NOW, newMessage } from '../../conformance/queue-store/fixture.ts'
import { until } from '../../support/until.ts'
import { connected, forkKeeper } from './keeper-process-under-test.ts'
import { temporaryDirectory } from './store-under-test.ts'

const TIMEOUT = { timeout: 60_000 }

test(
  'a keeper that is killed is dead to its workers, and its successor has all it answered',
  TIMEOUT,
  async (t) => {
    const directory = await temporaryDirectory(t)
    const keeper = await forkKeeper(t, directory)
    const deaths: StoreFault[] = []
    const onDeath = (fault: StoreFault): void => void deaths.push(fault)
    const worker = await connectKeeper({ ...keeper, owner: LEASE.owner, onDeath, onWork: () => {} })
    const answered: string[] = []
    let number = 0
    const adding = async (): Promise<never> => {
      while (true) {
        const message = newMessage(number++)
        await worker.queue.add(message, LEASE)
        answered.push(message.id)
      }
    }
    const ended = Promise.allSettled(Array.from({ length: 20 }, adding))
    await until(() => answered.length > 200, 'two hundred messages')
    await keeper.kill()
    for (const { status } of await ended) assert.equal(status, 'rejected')
    await assert.rejects(worker.queue.counts(), isFault('unavailable'))
    assert.equal(deaths.length, 1)

    const successor = await forkKeeper(t, directory)
    const again = await connected(successor.socketPath, 'worker-2')
    assert.deepEqual((await again.queue.stored(answered)).toSorted(), answered.toSorted())
    assert.equal((await again.queue.counts()).leased, 0)
    assert.notDeepEqual(await again.queue.claim(claimAt(NOW)), [])
    await again.close()
    await successor.close()
  },
)

test('the leases of a worker that was killed are due at once', TIMEOUT, async (t) => {
  const { socketPath } = await forkKeeper(t, await temporaryDirectory(t))
  let toldAt = 0
  const survivor = await connected(socketPath, 'survivor', () => {
    toldAt ||= performance.now()
  })
  const dying = fork(new URL('./leasing-child.ts', import.meta.url), [socketPath, 'dying', '100'])
  t.after(() => dying.kill('SIGKILL'))
  await once(dying, 'message')
  assert.equal((await survivor.queue.counts()).leased, 100)
  const killedAt = performance.now()
  dying.kill('SIGKILL')
  await until(() => toldAt > 0, 'word of work')
  assert.equal((await survivor.queue.claim(claimAt(NOW))).length, 100)
  assert.ok(toldAt - killedAt < 5_000, `it took ${toldAt - killedAt} ms`)
  await survivor.close()
})

test('its socket is for nobody else, and its successor removes what a kill left', TIMEOUT, async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await forkKeeper(t, directory)
  assert.equal((await stat(first.socketPath)).mode & 0o777, 0o600)
  assert.equal((await stat(join(directory, 'queue.db'))).mode & 0o077, 0)
  await first.kill()
  const second = await forkKeeper(t, directory)
  await assert.rejects(access(first.socketPath), { code: 'ENOENT' })
  await (await connected(second.socketPath, 'a')).close()
  await second.close()
  await assert.rejects(access(second.socketPath), { code: 'ENOENT' })
})

test(
  'a store with a long path has its socket elsewhere, in a private folder that goes with it',
  TIMEOUT,
  async (t) => {
    const directory = join(await temporaryDirectory(t), 'x'.repeat(120))
    await mkdir(directory, { mode: 0o700 })
    const keeper = await forkKeeper(t, directory)
    const folder = dirname(keeper.socketPath)
    assert.notEqual(folder, directory)
    assert.equal((await stat(folder)).mode & 0o077, 0)
    await (await connected(keeper.socketPath, 'a')).close()
    await keeper.close()
    await assert.rejects(access(folder), { code: 'ENOENT' })
  },
)

test('files of messages that were never stored are gone before workers connect', TIMEOUT, async (t) => {
  const directory = await temporaryDirectory(t)
  const orphan = join(directory, 'spool', '00', 'q_000000000000.eml')
  await mkdir(dirname(orphan), { recursive: true })
  await writeFile(orphan, 'half a message')
  const keeper = await forkKeeper(t, directory)
  await assert.rejects(access(orphan), { code: 'ENOENT' })
  await keeper.close()
})

test('a store of a newer release is refused', TIMEOUT, async (t) => {
  const directory = await temporaryDirectory(t)
  const newer = new DatabaseSync(join(directory, 'queue.db'))
  newer.exec('PRAGMA user_version = 7')
  newer.close()
  await assert.rejects(forkKeeper(t, directory), /queue\.db has version 7/)
})

test('signals do not end it, the end of its supervisor does', TIMEOUT, async (t) => {
  const keeper = await forkKeeper(t, await temporaryDirectory(t))
  const worker = await connectKeeper({ ...keeper, owner: 'a', onDeath: () => {}, onWork: () => {} })
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) keeper.child.kill(signal)
  await wait(200)
  await worker.state.set('key', 'value', NOW + MINUTE)
  assert.equal(keeper.child.exitCode ?? keeper.child.signalCode, null)
  const exited = once(keeper.child, 'exit')
  keeper.child.disconnect()
  assert.deepEqual(await exited, [0, null])
})
