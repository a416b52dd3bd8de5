/** The lock of a store: one gateway a directory. It dies with its process, whatever way that ends. */
import { closeSync, openSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { makeDurableDirectory } from './durable-directory.ts'

const LOCK_FILE = 'lock.db'
/** Process id of the holder, for messages only. */
const PID_FILE = 'gateway.pid'

const SQLITE_BUSY = 5

export interface StoreLock {
  readonly ok: true
  release(): Promise<void>
}

/** Why the store cannot be used, for a person to read. */
export interface StoreRefusal {
  readonly ok: false
  readonly directory: string
  readonly what: string
  readonly remedy: string
  /** Process that holds the lock; null when it is not that, or not known. */
  readonly pid: number | null
}

// A connection that is collected as garbage would give up its lock.
const held = new Set<DatabaseSync>()

/** Makes the directory (mode 0700) when it is missing and takes its lock. Never waits for another holder. */
export async function acquireStoreLock(directory: string): Promise<StoreLock | StoreRefusal> {
  const file = join(directory, LOCK_FILE)
  try {
    await makeDurableDirectory(directory)
    createPrivate(file)
  } catch (error) {
    return unusable(directory, error)
  }
  let database: DatabaseSync | null = null
  try {
    database = new DatabaseSync(file, { timeout: 0 })
    database.exec('BEGIN EXCLUSIVE')
    await writeFile(join(directory, PID_FILE), `${process.pid}\n`, { mode: 0o600 })
  } catch (error) {
    database?.close()
    const isHeld = (error as { errcode?: unknown }).errcode === SQLITE_BUSY
    return isHeld ? heldByAnother(directory) : unusable(directory, error)
  }
  held.add(database)
  return { ok: true, release: () => release(database, directory) }
}

async function release(database: DatabaseSync, directory: string): Promise<void> {
  if (!held.delete(database)) return
  // Before the lock is given up: afterwards the file may be the next holder's.
  await rm(join(directory, PID_FILE), { force: true })
  database.close()
}

/**
 * Makes an empty file for nobody else's eyes. One that exists is not even opened: closing it would take away the lock
 * of this very process, which is how POSIX locks work.
 */
function createPrivate(file: string): void {
  try {
    closeSync(openSync(file, 'ax', 0o600))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}

async function heldByAnother(directory: string): Promise<StoreRefusal> {
  const pid = Number.parseInt(await readFile(join(directory, PID_FILE), 'utf8').catch(() => ''), 10)
  const holder = Number.isNaN(pid) ? 'another process' : `process ${pid}`
  return {
    ok: false,
    directory,
    what: `The store is in use by ${holder}.`,
    remedy: 'stop the gateway that runs there, or give this one a store.directory of its own',
    pid: Number.isNaN(pid) ? null : pid,
  }
}

const REMEDIES: Readonly<Record<string, string>> = {
  EACCES: 'give the user the gateway runs as the right to write there, or choose another store.directory',
  EPERM: 'give the user the gateway runs as the right to write there, or choose another store.directory',
  EROFS: 'the volume is mounted read-only: choose another store.directory',
  ENOTDIR: 'a part of the path is a file: choose another store.directory',
  EEXIST: 'there is a file of that name: choose another store.directory',
  ENOSPC: 'the volume is full: make room',
}

function unusable(directory: string, error: unknown): StoreRefusal {
  const { code, message } = error as NodeJS.ErrnoException
  const remedy = REMEDIES[code ?? ''] ?? 'choose another store.directory, or mend what the message says'
  return {
    ok: false,
    directory,
    what: `The store cannot be used: ${message}.`,
    remedy,
    pid: null,
  }
}
