import assert from 'node:assert/strict'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { Checkpoint } from '../../../core/queue/checkpoint.ts'
import { openDatabase } from '../../../core/state/database.ts'
import { temporaryDirectory } from './store-under-test.ts'

interface Log {
  readonly log: number
  readonly checkpointed: number
}

interface Watched {
  readonly writer: DatabaseSync
  readonly checkpoint: Checkpoint
  readonly file: string
  readonly log: () => Log
  /** Writes about so many pages in one commit. */
  readonly write: (pages: number) => void
}

async function watch(t: TestContext): Promise<Watched> {
  const file = join(await temporaryDirectory(t), 'queue.db')
  const migrations = ['CREATE TABLE body (bytes BLOB)']
  const writer = openDatabase(file, { durability: 'normal', migrations, cacheKiB: 1000 })
  const checkpoint = new Checkpoint(file)
  t.after(() => {
    checkpoint.close()
    writer.close()
  })
  return {
    writer,
    checkpoint,
    file,
    log() {
      const { log, checkpointed } = writer.prepare('PRAGMA wal_checkpoint(NOOP)').get() ?? {}
      return { log: Number(log), checkpointed: Number(checkpointed) }
    },
    write(pages) {
      writer.prepare('INSERT INTO body VALUES (zeroblob(?))').run(pages * 8192)
    },
  }
}

test('a few pages are written to their places after some seconds, not at once', async (t) => {
  const { checkpoint, log, write } = await watch(t)
  checkpoint.step(0)
  write(20)
  checkpoint.step(2_000)
  checkpoint.step(2_900)
  assert.equal(log().checkpointed, 0)
  checkpoint.step(3_100)
  const { log: pages, checkpointed } = log()
  assert.ok(pages >= 20)
  assert.equal(checkpointed, pages)
})

test('many pages are written to their places at once', async (t) => {
  const { checkpoint, log, write } = await watch(t)
  checkpoint.step(0)
  write(4_100)
  checkpoint.step(10)
  const { log: pages, checkpointed } = log()
  assert.equal(checkpointed, pages)
})

test('a log that has grown large is begun anew', async (t) => {
  const { checkpoint, log, write } = await watch(t)
  write(8_100)
  checkpoint.step(0)
  write(1)
  assert.ok(log().log < 100)
})

test('a large log file is cut off when nothing is written any more', async (t) => {
  const { checkpoint, file, write } = await watch(t)
  write(4_100)
  for (let now = 0; now <= 4_900; now += 100) checkpoint.step(now)
  assert.ok((await stat(`${file}-wal`)).size > 32 * 1024 * 1024)
  checkpoint.step(5_000)
  assert.equal((await stat(`${file}-wal`)).size, 0)
})

test('free pages go back to the file system in steps when nothing is written any more', async (t) => {
  const { writer, checkpoint, write } = await watch(t)
  const free = (): number => Number(writer.prepare('PRAGMA freelist_count').get()?.['freelist_count'])
  write(4_500)
  writer.exec('DELETE FROM body')
  assert.ok(free() > 4_400)
  checkpoint.step(0)
  assert.ok(free() > 4_400)
  const before = free()
  checkpoint.step(5_000)
  assert.equal(free(), before - 256)
  for (let now = 5_100; now < 8_000; now += 100) checkpoint.step(now)
  assert.ok(free() <= 4_000 && free() > 3_700, `${free()} pages are left`)
})

test('a reader in the way does not stop commits and loses nothing', async (t) => {
  const { writer, checkpoint, file, log, write } = await watch(t)
  const reader = new DatabaseSync(file)
  t.after(() => reader.close())
  write(10)
  reader.exec('BEGIN')
  reader.prepare('SELECT count(*) FROM body').get()
  write(4_100)
  checkpoint.step(0)
  write(10)
  reader.exec('COMMIT')
  checkpoint.step(10_000)
  const { log: pages, checkpointed } = log()
  assert.equal(checkpointed, pages)
  assert.equal(writer.prepare('SELECT count(*) AS count FROM body').get()?.['count'], 3)
})
