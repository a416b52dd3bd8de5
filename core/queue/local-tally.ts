/** How much there is in the local store: counted along, written down once a transaction. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'

export interface Totals {
  readonly messages: number
  readonly bytes: number
  readonly due: number
  readonly held: number
  readonly leased: number
}

/** Counts anew what is there, for a copy in which nobody has a lease. */
export const RETALLY = `UPDATE tally SET
  messages = (SELECT count(*) FROM message), bytes = (SELECT ifnull(sum(size), 0) FROM message),
  due = (SELECT count(*) FROM recipient WHERE state = 'due'),
  held = (SELECT count(*) FROM recipient WHERE state = 'held'), leased = 0`

export class LocalTally {
  readonly #save: StatementSync
  #saved: Totals
  #current: Totals

  constructor(database: DatabaseSync) {
    this.#save = database.prepare('UPDATE tally SET messages = ?, bytes = ?, due = ?, held = ?, leased = ?')
    const row = database.prepare('SELECT messages, bytes, due, held, leased FROM tally').get()
    this.#saved = {
      messages: Number(row?.['messages']),
      bytes: Number(row?.['bytes']),
      due: Number(row?.['due']),
      held: Number(row?.['held']),
      leased: Number(row?.['leased']),
    }
    this.#current = this.#saved
  }

  /** As of the open transaction. */
  get totals(): Totals {
    return this.#current
  }

  /** Adds to the totals; what is not given stays. */
  change({ messages = 0, bytes = 0, due = 0, held = 0, leased = 0 }: Partial<Totals>): void {
    const before = this.#current
    this.#current = {
      messages: before.messages + messages,
      bytes: before.bytes + bytes,
      due: before.due + due,
      held: before.held + held,
      leased: before.leased + leased,
    }
  }

  /** Writes the totals into the transaction about to be committed. */
  save(): void {
    if (this.#current === this.#saved) return
    const { messages, bytes, due, held, leased } = this.#current
    this.#save.run(messages, bytes, due, held, leased)
  }

  committed(): void {
    this.#saved = this.#current
  }

  rolledBack(): void {
    this.#current = this.#saved
  }
}
