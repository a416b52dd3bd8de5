import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { openDatabase } from '../../../core/state/database.ts'

const FIRST = 'CREATE TABLE thing (name TEXT) STRICT; INSERT INTO thing VALUES ($$one$$)'.replaceAll(
  '$$',
  "'",
)
const SECOND = 'ALTER TABLE thing ADD COLUMN size INTEGER; UPDATE thing SET size = 1'

function databaseFile(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-test-'))
  t.after(() => rmSync(directory, { recursive: true }))
  return join(directory, 'test.db')
}

const open = (file: string, migrations: readonly string[]) =>
  openDatabase(file, { durability: 'normal', migrations, cacheKiB: 1000 })

test('a database is led from its version to the newest, each step once', (t) => {
  const file = databaseFile(t)
  open(file, [FIRST]).close()
  open(file, [FIRST, SECOND]).close()
  const database = open(file, [FIRST, SECOND])
  assert.deepEqual(
    database
      .prepare('SELECT name, size FROM thing')
      .all()
      .map((row) => ({ ...row })),
    [{ name: 'one', size: 1 }],
  )
  assert.equal(database.prepare('PRAGMA user_version').get()?.['user_version'], 2)
  database.close()
})

test('a step that fails leaves the version before it', (t) => {
  const file = databaseFile(t)
  assert.throws(() => open(file, [FIRST, `${SECOND}; INSERT INTO nowhere VALUES (1)`]), /nowhere/)
  const database = open(file, [FIRST])
  assert.equal(database.prepare('PRAGMA user_version').get()?.['user_version'], 1)
  assert.deepEqual({ ...database.prepare('SELECT * FROM thing').get() }, { name: 'one' })
  database.close()
})

test('a newer version is refused with what to do', (t) => {
  const file = databaseFile(t)
  open(file, [FIRST, SECOND]).close()
  assert.throws(() => open(file, [FIRST]), {
    name: 'StoreFault',
    code: 'unavailable',
    message: /test\.db has version 2, this release knows versions up to 1: start the release that wrote it/,
  })
})

test('a folder that does not exist is a fault of the file system', (t) => {
  assert.throws(() => open(join(databaseFile(t), 'no', 'such.db'), [FIRST]), /unable to open/)
})
