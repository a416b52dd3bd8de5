/**
 * A copy of a store that is one moment's, made while a gateway uses it: each database as one reader sees it, then the
 * spool files its rows name. What was delivered while it was being made is not in it.
 */
import { constants } from 'node:fs'
import { copyFile, mkdir, open, readdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { syncDirectory } from './durable-directory.ts'
import { QUEUE_FILE, STATE_FILE } from './keeper-files.ts'
import { RETALLY } from './local-tally.ts'
import { SPOOL_FOLDER } from './spool.ts'

/** Written last: without it a backup is not complete. */
export const MANIFEST_FILE = 'backup.json'

export interface Backup {
  readonly messages: number
  readonly recipients: number
  readonly spoolFiles: number
  /** Delivered, or dropped, between the copy of the database and that of their files. */
  readonly gone: number
  /** Queue ids of messages of which the spool file is missing: damage, and in the backup as it is in the store. */
  readonly incomplete: readonly string[]
}

/** The folder cannot be used, or the store has no queue. */
export class BackupImpossible extends Error {}

const BUSY_TIMEOUT_MS = 30_000

/**
 * @param directory the store
 * @param target    a folder that is missing or empty
 * @param onProgress told now and then how many spool files are copied of how many
 * @throws BackupImpossible; errors of the file system and of SQLite
 */
export async function backUp(
  directory: string,
  target: string,
  onProgress: (done: number, all: number) => void,
): Promise<Backup> {
  await makeEmpty(target)
  for (const file of [QUEUE_FILE, STATE_FILE]) await copyDatabase(join(directory, file), join(target, file))
  const copy = new DatabaseSync(join(target, QUEUE_FILE))
  const live = new DatabaseSync(join(directory, QUEUE_FILE), { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  try {
    const result = await new Copying(copy, live, directory, target, onProgress).run()
    await writeManifest(target, result)
    return result
  } finally {
    live.close()
    copy.close()
  }
}

async function makeEmpty(target: string): Promise<void> {
  await mkdir(target, { recursive: true, mode: 0o700 })
  if ((await readdir(target)).length > 0) throw new BackupImpossible(`${target} is not empty`)
}

/** Without leases: whoever had them is not where the backup is. */
async function copyDatabase(from: string, to: string): Promise<void> {
  let database: DatabaseSync
  try {
    database = new DatabaseSync(from, { readOnly: true, timeout: BUSY_TIMEOUT_MS })
  } catch (error) {
    throw new BackupImpossible(`${from} cannot be opened`, { cause: error })
  }
  try {
    database.prepare('VACUUM INTO ?').run(to)
  } finally {
    database.close()
  }
  await synced(to)
}

class Copying {
  readonly #copy: DatabaseSync
  readonly #live: DatabaseSync
  readonly #from: string
  readonly #to: string
  readonly #onProgress: (done: number, all: number) => void

  constructor(
    copy: DatabaseSync,
    live: DatabaseSync,
    from: string,
    to: string,
    onProgress: (done: number, all: number) => void,
  ) {
    this.#copy = copy
    this.#live = live
    this.#from = join(from, SPOOL_FOLDER)
    this.#to = join(to, SPOOL_FOLDER)
    this.#onProgress = onProgress
  }

  async run(): Promise<Backup> {
    const spooled = this.#copy.prepare('SELECT number, id, spool FROM message WHERE spool IS NOT NULL').all()
    const folders = new Set<string>([this.#to])
    const incomplete: string[] = []
    let [copied, gone] = [0, 0]
    await mkdir(this.#to, { mode: 0o700 })
    for (const { number, id, spool } of spooled) {
      if (await this.#file(String(spool), folders)) copied += 1
      else if (this.#isOwed(String(id))) incomplete.push(String(id))
      else gone += this.#forget(Number(number))
      this.#onProgress(copied + gone + incomplete.length, spooled.length)
    }
    for (const folder of folders) await syncDirectory(folder)
    this.#tidy()
    const { messages, recipients } = this.#copy
      .prepare(
        'SELECT (SELECT count(*) FROM message) AS messages, (SELECT count(*) FROM recipient) AS recipients',
      )
      .get() as Record<'messages' | 'recipients', number>
    return { messages, recipients, spoolFiles: copied, gone, incomplete }
  }

  async #file(spool: string, folders: Set<string>): Promise<boolean> {
    const to = join(this.#to, spool)
    await mkdir(dirname(to), { recursive: true, mode: 0o700 })
    folders.add(dirname(to))
    try {
      await copyFile(join(this.#from, spool), to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
      throw error
    }
    await synced(to)
    return true
  }

  #isOwed(id: string): boolean {
    return this.#live.prepare('SELECT 1 FROM message WHERE id = ?').get(id) !== undefined
  }

  #forget(number: number): number {
    this.#copy.prepare('DELETE FROM recipient WHERE message = ?').run(number)
    this.#copy.prepare('DELETE FROM message WHERE number = ?').run(number)
    return 1
  }

  #tidy(): void {
    this.#copy.exec(`PRAGMA synchronous = FULL;
      UPDATE recipient SET lease_owner = NULL, ready_at = due_at WHERE lease_owner IS NOT NULL;
      ${RETALLY}`)
  }
}

async function writeManifest(target: string, backup: Backup): Promise<void> {
  const file = join(target, MANIFEST_FILE)
  const text = JSON.stringify({ madeAt: new Date().toISOString(), ...backup }, null, 2)
  await writeFile(`${file}.new`, `${text}\n`, { mode: 0o600 })
  await synced(`${file}.new`)
  await rename(`${file}.new`, file)
  await syncDirectory(target)
}

async function synced(path: string): Promise<void> {
  await using file = await open(path, 'r+')
  await file.sync()
}
