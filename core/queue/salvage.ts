/**
 * Salvage of a store of which the database is damaged: its files are put aside as they are, and a new database is made
 * of every row that can still be read. What is not as it was stored stays on hold; nothing is thrown away.
 */
import {
  closeSync,
  copyFileSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { openDatabase, PAGE_BYTES } from '../state/database.ts'
import { STATE_MIGRATIONS } from '../state/local-state.ts'
import { StoreFault, storeFault } from '../state/store-fault.ts'
import { databaseDamage } from './database-damage.ts'
import { QUEUE_FILE, STATE_FILE } from './keeper-files.ts'
import { QUEUE_MIGRATIONS } from './local-schema.ts'
import { SalvagedRows } from './salvaged-rows.ts'
import { logState, mendLog } from './write-ahead-log.ts'

export interface Examination {
  /** What is wrong with the queue's database; empty when nothing is. */
  readonly queue: readonly string[]
  readonly state: readonly string[]
}

export interface Salvage {
  /** Folder the damaged files were put in. */
  readonly aside: string
  readonly messages: number
  readonly recipients: number
  /** Messages of which the body is lost: their recipients are held. */
  readonly withoutBody: number
  /** Queue ids of messages that are lost, or what else is known of them. */
  readonly lost: readonly string[]
  /** The counters of the state begin anew. */
  readonly isStateNew: boolean
}

const COMPANIONS = ['', '-wal', '-shm'] as const
const WORK_FILE = 'salvage.work.db'
const NEW_FILE = 'salvage.new.db'
/** What every database of ours begins with: the format, the page size, write-ahead log, fractions. */
const HEADER = Buffer.concat([
  Buffer.from('SQLite format 3\0', 'latin1'),
  Buffer.from([PAGE_BYTES >> 8, PAGE_BYTES & 0xff, 2, 2, 0, 64, 32, 32]),
])

/** Looks at the databases of a store nobody uses; changes nothing that matters. */
export function examine(directory: string): Examination {
  const queue = join(directory, QUEUE_FILE)
  const log = logState(`${queue}-wal`, PAGE_BYTES)
  // SQLite would forget the frames behind the damage for good.
  if (log.kind === 'damaged')
    return { queue: [brokenLog(log.forgotten)], state: damageOf(join(directory, STATE_FILE)) }
  return { queue: damageOf(queue), state: damageOf(join(directory, STATE_FILE)) }
}

/** @throws StoreFault `damaged` when the log holds transactions that SQLite would forget */
export function requireSoundLog(file: string): 'whole' | 'tail' {
  const { kind, forgotten } = logState(`${file}-wal`, PAGE_BYTES)
  if (kind === 'damaged') throw new StoreFault('damaged', brokenLog(forgotten))
  return kind
}

/**
 * Makes the store usable again. The caller holds its lock.
 *
 * @param label names the folder the damaged files go to
 * @throws StoreFault `full` when there is no room for the new database; everything is as it was then
 */
export function salvage(directory: string, label: string): Salvage {
  const { queue, state } = examine(directory)
  const aside = join(directory, `damaged-${label}`)
  mkdirSync(aside)
  let result = { messages: 0, recipients: 0, withoutBody: 0, lost: [] as readonly string[] }
  if (queue.length > 0) {
    result = rebuild(directory)
    putAside(directory, QUEUE_FILE, aside)
    renameSync(join(directory, NEW_FILE), join(directory, QUEUE_FILE))
  }
  if (state.length > 0) {
    putAside(directory, STATE_FILE, aside)
    openDatabase(join(directory, STATE_FILE), {
      durability: 'full',
      migrations: STATE_MIGRATIONS,
      cacheKiB: 1000,
    }).close()
  }
  for (const folder of [aside, directory]) syncFolder(folder)
  return { aside, ...result, isStateNew: state.length > 0 }
}

function rebuild(directory: string): Omit<Salvage, 'aside' | 'isStateNew'> {
  const work = join(directory, WORK_FILE)
  const fresh = join(directory, NEW_FILE)
  try {
    remove(fresh)
    copyToWork(join(directory, QUEUE_FILE), work)
    const target = openDatabase(fresh, { durability: 'full', migrations: QUEUE_MIGRATIONS, cacheKiB: 32_768 })
    const source = opened(work)
    try {
      return source === null
        ? { messages: 0, recipients: 0, withoutBody: 0, lost: ['everything'] }
        : new SalvagedRows(source, target).copy()
    } finally {
      source?.close()
      target.close()
    }
  } catch (error) {
    remove(fresh)
    throw storeFault(error)
  } finally {
    remove(work)
  }
}

/** The database with its log, made readable as far as that is known beforehand. */
function copyToWork(file: string, work: string): void {
  remove(work)
  copyFileSync(file, work)
  const descriptor = openSync(work, 'r+')
  writeSync(descriptor, HEADER, 0, HEADER.byteLength, 0)
  closeSync(descriptor)
  if (!existsSync(`${file}-wal`)) return
  copyFileSync(`${file}-wal`, `${work}-wal`)
  if (logState(`${work}-wal`, PAGE_BYTES).kind === 'damaged') mendLog(`${work}-wal`, PAGE_BYTES)
}

/** With the schema of this release where it can be brought there. Null: nothing can be read at all. */
function opened(work: string): DatabaseSync | null {
  try {
    return openDatabase(work, { durability: 'normal', migrations: QUEUE_MIGRATIONS, cacheKiB: 32_768 })
  } catch {
    return readable(work)
  }
}

function readable(work: string): DatabaseSync | null {
  const database = new DatabaseSync(work)
  try {
    database.exec('PRAGMA writable_schema = RESET')
    database.prepare('SELECT count(*) FROM sqlite_schema').get()
    return database
  } catch {
    // Its first page makes no sense: there is no way to the others.
    database.close()
    return null
  }
}

function damageOf(file: string): readonly string[] {
  if (!existsSync(file)) return []
  try {
    return databaseDamage(file, 'thorough')
  } catch (error) {
    return [(error as Error).message]
  }
}

function brokenLog(frames: number): string {
  return `the write-ahead log of ${QUEUE_FILE} is damaged before its end, ${frames} pages would be forgotten`
}

function putAside(directory: string, file: string, aside: string): void {
  for (const companion of COMPANIONS) {
    if (existsSync(join(directory, file + companion)))
      renameSync(join(directory, file + companion), join(aside, file + companion))
  }
}

function remove(file: string): void {
  for (const companion of COMPANIONS) rmSync(file + companion, { force: true })
}

function syncFolder(folder: string): void {
  const descriptor = openSync(folder, 'r')
  fsyncSync(descriptor)
  closeSync(descriptor)
}
