/** Messages of the local store by id and number, and what is to be done once nobody is owed them. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { LocalTally } from './local-tally.ts'

/** Row number of a message: what the other tables name it by. */
export type MessageNumber = number | bigint

export class LocalMessages {
  readonly #tally: LocalTally
  readonly #number: StatementSync
  readonly #owed: StatementSync
  readonly #deleteRecipients: StatementSync
  readonly #deleteBody: StatementSync
  readonly #deleteMessage: StatementSync
  /** Spool files of messages the open transaction has deleted. */
  #unneeded: string[] = []

  constructor(database: DatabaseSync, tally: LocalTally) {
    this.#tally = tally
    this.#number = database.prepare('SELECT number FROM message WHERE id = ?')
    this.#owed = database.prepare(
      "SELECT count(*) AS owed FROM recipient WHERE message = ? AND state IN ('due', 'held')",
    )
    this.#deleteRecipients = database.prepare('DELETE FROM recipient WHERE message = ?')
    this.#deleteBody = database.prepare('DELETE FROM body WHERE message = ?')
    this.#deleteMessage = database.prepare('DELETE FROM message WHERE number = ? RETURNING spool, size')
  }

  numberOf(id: string): MessageNumber | undefined {
    return this.#number.get(id)?.['number'] as MessageNumber | undefined
  }

  /** Recipients of the message that are due or held. */
  owed(message: MessageNumber): number {
    return Number(this.#owed.get(message)?.['owed'])
  }

  /**
   * Deletes everything about a message; its spool file goes after the commit. Recipients still owed have been taken off
   * the tally before.
   */
  delete(message: MessageNumber): void {
    this.#deleteRecipients.run(message)
    this.#deleteBody.run(message)
    const row = this.#deleteMessage.get(message)
    if (row === undefined) return
    this.#tally.change({ messages: -1, bytes: -Number(row['size']) })
    if (row['spool'] !== null) this.#unneeded.push(String(row['spool']))
  }

  /** Spool files, relative to the spool folder, that may go now that the transaction is durable. */
  committed(): string[] {
    const unneeded = this.#unneeded
    this.#unneeded = []
    return unneeded
  }

  rolledBack(): void {
    this.#unneeded = []
  }
}
