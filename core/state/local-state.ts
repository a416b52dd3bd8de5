/** The local state store: one table in state.db. Synchronous; every function expects an open transaction. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { StoreFault } from './store-fault.ts'

export const STATE_MIGRATIONS: readonly string[] = [
  `CREATE TABLE state (
     key TEXT PRIMARY KEY,
     value TEXT NOT NULL,
     expires_at INTEGER NOT NULL
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX state_expiry ON state (expires_at);`,
]

const GET = 'SELECT value FROM state WHERE key = ? AND expires_at > ?'

const SET = `INSERT INTO state (key, value, expires_at) VALUES (?, ?, ?)
  ON CONFLICT (key) DO UPDATE SET value = excluded.value, expires_at = excluded.expires_at`

// No row comes back when a living value is not a whole number: then nothing was changed.
const INCREMENT = `INSERT INTO state (key, value, expires_at) VALUES ($key, CAST($by AS TEXT), $expiresAt)
  ON CONFLICT (key) DO UPDATE SET
    value = CASE WHEN expires_at > $now THEN CAST(CAST(value AS INTEGER) + $by AS TEXT) ELSE excluded.value END,
    expires_at = CASE WHEN expires_at > $now THEN expires_at ELSE excluded.expires_at END
  WHERE expires_at <= $now OR value = CAST(CAST(value AS INTEGER) AS TEXT)
  RETURNING value`

const PURGE = `DELETE FROM state WHERE key IN
  (SELECT key FROM state WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)`

export class LocalState {
  readonly #get: StatementSync
  readonly #set: StatementSync
  readonly #increment: StatementSync
  readonly #delete: StatementSync
  readonly #purge: StatementSync

  constructor(database: DatabaseSync) {
    this.#get = database.prepare(GET)
    this.#set = database.prepare(SET)
    this.#increment = database.prepare(INCREMENT)
    this.#delete = database.prepare('DELETE FROM state WHERE key = ?')
    this.#purge = database.prepare(PURGE)
  }

  get(key: string, now: number): string | undefined {
    return this.#get.get(key, now)?.['value'] as string | undefined
  }

  set(key: string, value: string, expiresAt: number): void {
    this.#set.run(key, value, expiresAt)
  }

  increment(key: string, by: number, now: number, expiresAt: number): number {
    // A double would be written as "3.0" by CAST.
    const row = this.#increment.get({ key, by: BigInt(by), now, expiresAt })
    if (row === undefined) throw new StoreFault('unavailable', `the value of ${key} is not a whole number`)
    return Number(row['value'])
  }

  delete(key: string): void {
    this.#delete.run(key)
  }

  /** Deletes at most `limit` values whose time is over. Returns how many. */
  purge(now: number, limit: number): number {
    return Number(this.#purge.run(now, limit).changes)
  }
}
