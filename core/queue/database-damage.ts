/** What SQLite finds wrong with a database, over a connection of its own. */
import { DatabaseSync } from 'node:sqlite'

/** More would not help anybody. */
const MAX_FINDINGS = 10
const BUSY_TIMEOUT_MS = 5_000

/**
 * Findings, none when all is well.
 *
 * @param depth `thorough` compares indexes with their tables as well
 * @throws an error of SQLite when the file cannot be read at all
 */
export function databaseDamage(file: string, depth: 'quick' | 'thorough'): readonly string[] {
  const database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
  try {
    const check = depth === 'quick' ? 'quick_check' : 'integrity_check'
    const rows = database.prepare(`PRAGMA ${check}(${MAX_FINDINGS})`).all()
    return rows.map((row) => String(Object.values(row)[0])).filter((finding) => finding !== 'ok')
  } finally {
    database.close()
  }
}
