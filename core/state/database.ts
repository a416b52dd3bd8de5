/** Opens a database of the local store: same pragmas everywhere, and the schema brought up to date. */
import { DatabaseSync } from 'node:sqlite'
import { StoreFault } from './store-fault.ts'

export interface DatabaseOptions {
  /** `full`: a commit survives a power cut. `normal`: the last second may not. */
  readonly durability: 'full' | 'normal'
  /** Statements that lead from version n to n + 1; the first makes version 1. Never edited once released. */
  readonly migrations: readonly string[]
  /** Page cache in KiB. */
  readonly cacheKiB: number
}

/** Longest wait for the other connection of ours, the one that makes checkpoints. */
const BUSY_TIMEOUT_MS = 10_000
/** The page size cannot be changed afterwards: a 4 KB body and its row fill one page of these. */
export const PAGE_BYTES = 8_192

/**
 * Opens `file`, makes it when it is missing. Automatic checkpoints are off: a thread of its own makes them, so that no
 * commit waits for one.
 *
 * @throws StoreFault when the file cannot be opened or a newer release wrote it
 */
export function openDatabase(file: string, options: DatabaseOptions): DatabaseSync {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    refuseNewer(database, file, options.migrations.length)
    // Both only work before the first table; in a database that has one they change nothing.
    database.exec(`PRAGMA page_size = ${PAGE_BYTES}; PRAGMA auto_vacuum = INCREMENTAL`)
    database.exec('PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0')
    database.exec(`PRAGMA synchronous = ${options.durability}; PRAGMA cache_size = ${-options.cacheKiB}`)
    // On macOS a plain fsync leaves the data in the drive's cache; elsewhere these two do nothing.
    database.exec('PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1')
    migrate(database, options.migrations)
    return database
  } catch (error) {
    database.close()
    throw error
  }
}

/** Version of the schema, 0 in a new file. */
function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version'] ?? 0)
}

/** Before anything else: a file of another release is not touched. */
function refuseNewer(database: DatabaseSync, file: string, known: number): void {
  const found = schemaVersion(database)
  if (found <= known) return
  const remedy = 'start the release that wrote it, or restore a backup made before'
  const what = `${file} has version ${found}, this release knows versions up to ${known}`
  throw new StoreFault('unavailable', `${what}: ${remedy}`)
}

function migrate(database: DatabaseSync, migrations: readonly string[]): void {
  const found = schemaVersion(database)
  for (const [index, statements] of migrations.entries()) {
    if (index < found) continue
    database.exec('BEGIN IMMEDIATE')
    try {
      database.exec(statements)
      database.exec(`PRAGMA user_version = ${index + 1}`)
      database.exec('COMMIT')
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK')
      throw error
    }
  }
}
