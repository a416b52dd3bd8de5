/** Suspended destinations in the local store. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Suspension } from './queue-store.ts'

export class LocalSuspensions {
  readonly #put: StatementSync
  readonly #remove: StatementSync
  readonly #all: StatementSync

  constructor(database: DatabaseSync) {
    this.#put = database.prepare(
      'INSERT OR REPLACE INTO suspension (route, reason, since, until) VALUES (?, ?, ?, ?)',
    )
    this.#remove = database.prepare('DELETE FROM suspension WHERE route = ?')
    this.#all = database.prepare('SELECT route, reason, since, until FROM suspension ORDER BY route')
  }

  suspend({ route, reason, since, until }: Suspension): void {
    this.#put.run(route, reason, since, until)
  }

  resume(route: string): boolean {
    return this.#remove.run(route).changes > 0
  }

  all(): Suspension[] {
    return this.#all.all().map(({ route, reason, since, until }) => ({
      route: String(route),
      reason: String(reason),
      since: Number(since),
      until: until === null ? null : Number(until),
    }))
  }
}
