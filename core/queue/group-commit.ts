/** Group commit: many operations share one transaction, and one that fails does not take the others with it. */
import type { DatabaseSync } from 'node:sqlite'
import { StoreFault, storeFault } from '../state/store-fault.ts'

export type Result =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly fault: StoreFault }

export interface Transactional<Operation> {
  /** Does one operation in the open transaction. A StoreFault means that nothing was changed. */
  apply(operation: Operation): unknown
  /** The last moment to write into the transaction. */
  beforeCommit(): void
  committed(): void
  rolledBack(): void
}

export class GroupCommit<Operation> {
  readonly #database: DatabaseSync
  readonly #target: Transactional<Operation>
  #commits = 0

  constructor(database: DatabaseSync, target: Transactional<Operation>) {
    this.#database = database
    this.#target = target
  }

  /** Transactions committed so far. */
  get commits(): number {
    return this.#commits
  }

  /** Does the operations in order; their results are durable when it returns. */
  run(operations: readonly Operation[]): Result[] {
    if (operations.length === 0) return []
    try {
      this.#database.exec('BEGIN IMMEDIATE')
    } catch (error) {
      const fault = storeFault(error)
      return operations.map(() => ({ ok: false, fault }))
    }
    try {
      const results = operations.map((operation) => this.#apply(operation))
      this.#target.beforeCommit()
      this.#database.exec('COMMIT')
      this.#commits += 1
      this.#target.committed()
      return results
    } catch (error) {
      this.#rollBack()
      // Each in a transaction of its own: only the guilty one fails.
      if (operations.length > 1) return operations.flatMap((operation) => this.run([operation]))
      return [{ ok: false, fault: storeFault(error) }]
    }
  }

  #apply(operation: Operation): Result {
    try {
      return { ok: true, value: this.#target.apply(operation) }
    } catch (error) {
      if (error instanceof StoreFault) return { ok: false, fault: error }
      throw error
    }
  }

  #rollBack(): void {
    // After some errors SQLite has already rolled back by itself.
    if (this.#database.isTransaction) this.#database.exec('ROLLBACK')
    this.#target.rolledBack()
  }
}
