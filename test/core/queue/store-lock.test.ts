import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { access, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { acquireStoreLock, type StoreLock, type StoreRefusal } from '../../../core/queue/store-lock.ts'
import { temporaryDirectory } from './store-under-test.ts'

/** Another process that tries to take the lock, and what came of it. */
async function otherProcess(
  t: TestContext,
  directory: string,
): Promise<[ChildProcess, { ok: boolean; pid?: number }]> {
  const child = fork(new URL('./lock-child.ts', import.meta.url), [directory])
  t.after(() => child.kill('SIGKILL'))
  const [said] = await once(child, 'message')
  return [child, said]
}

async function taken(directory: string): Promise<StoreLock> {
  const lock = await acquireStoreLock(directory)
  assert.ok(lock.ok, JSON.stringify(lock))
  return lock
}

async function refused(directory: string): Promise<StoreRefusal> {
  const refusal = await acquireStoreLock(directory)
  assert.ok(!refusal.ok)
  return refusal
}

test('a second process is told who holds the store', async (t) => {
  const directory = await temporaryDirectory(t)
  const [child] = await otherProcess(t, directory)
  const refusal = await refused(directory)
  assert.equal(refusal.pid, child.pid)
  assert.equal(refusal.what, `The store is in use by process ${child.pid}.`)
  assert.match(refusal.remedy, /store\.directory/)
})

test('a lock dies with its process, even by SIGKILL', async (t) => {
  const directory = await temporaryDirectory(t)
  const [child, said] = await otherProcess(t, directory)
  assert.equal(said.ok, true)
  child.kill('SIGKILL')
  await once(child, 'exit')
  await (await taken(directory)).release()
})

test('a second try in the same process is refused and does not loosen the lock', async (t) => {
  const directory = await temporaryDirectory(t)
  const lock = await taken(directory)
  t.after(() => lock.release())
  assert.equal((await refused(directory)).pid, process.pid)
  const [, said] = await otherProcess(t, directory)
  assert.deepEqual(said, { ok: false, pid: process.pid })
})

test('a released store can be taken, and its process id is gone with it', async (t) => {
  const directory = await temporaryDirectory(t)
  const lock = await taken(directory)
  assert.equal(await readFile(join(directory, 'gateway.pid'), 'utf8'), `${process.pid}\n`)
  await lock.release()
  await assert.rejects(access(join(directory, 'gateway.pid')))
  const again = await taken(directory)
  // A second release of the first lock must not take anything from the new holder.
  await lock.release()
  assert.equal((await refused(directory)).pid, process.pid)
  await again.release()
})

test('a missing folder is made, open to nobody else', async (t) => {
  const directory = join(await temporaryDirectory(t), 'var', 'store')
  const lock = await taken(directory)
  t.after(() => lock.release())
  assert.equal((await stat(directory)).mode & 0o777, 0o700)
  for (const file of ['lock.db', 'gateway.pid']) {
    assert.equal((await stat(join(directory, file))).mode & 0o777, 0o600, file)
  }
})

test('a path below a file is refused with a remedy, not a stack', async (t) => {
  const file = join(await temporaryDirectory(t), 'file')
  await writeFile(file, 'not a folder')
  for (const directory of [file, join(file, 'store'), join(file, 'a', 'b')]) {
    const refusal = await refused(directory)
    assert.equal(refusal.directory, directory)
    assert.equal(refusal.pid, null)
    assert.match(refusal.what, /cannot be used: ENOTDIR/)
    assert.match(refusal.remedy, /a part of the path is a file/)
  }
})

test('a lock file that is no database is refused', async (t) => {
  const directory = await temporaryDirectory(t)
  await writeFile(join(directory, 'lock.db'), 'x'.repeat(4096))
  const refusal = await refused(directory)
  assert.match(refusal.what, /cannot be used: .*not a database/)
})
