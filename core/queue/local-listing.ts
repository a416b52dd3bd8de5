/**
 * Listings and operator's commands of the local store. Both walk the queue in the order of acceptance; commands go in
 * steps, so that holding a million recipients does not keep the accepting side waiting for one long transaction.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Origin } from '../mail/session.ts'
import type { Condition } from './local-filter.ts'
import { conditionOf } from './local-filter.ts'
import type { LocalMessages } from './local-messages.ts'
import type { LocalTally } from './local-tally.ts'
import type { AgeRow, QueueCounts, QueueEntry, QueueFilter, RecipientState } from './queue-store.ts'
import { AGE_BOUNDS_MS } from './queue-store.ts'

/** What an operator wants done with matching recipients. */
export type QueueCommand =
  | { readonly kind: 'retry-now'; readonly now: number }
  | { readonly kind: 'hold'; readonly reason: string }
  | { readonly kind: 'unhold'; readonly now: number; readonly expiresAt: number }
  | { readonly kind: 'drop' }
  | { readonly kind: 'bounce'; readonly reason: string; readonly now: number }

/** Place in the queue behind which the next step goes on. */
export interface Cursor {
  readonly message: number
  readonly position: number
}

/** Result of one step; `next` is null when the walk is over. */
export interface CommandStep {
  readonly changed: number
  readonly next: Cursor | null
}

/** Ages of some recipients, each domain once; `next` is null when the walk is over. */
export interface AgesStep {
  readonly rows: readonly AgeRow[]
  readonly next: Cursor | null
}

interface Match extends Cursor {
  readonly state: RecipientState
}

export const FROM_THE_START: Cursor = { message: 0, position: -1 }

const FREE = 'r.lease_owner IS NULL'

/** Recipients a command can change at all. */
const CONCERNED = {
  'retry-now': `r.state = 'due' AND ${FREE} AND r.due_at > $now`,
  hold: `r.state = 'due' AND ${FREE}`,
  unhold: `r.state = 'held'`,
  drop: `r.state IN ('due', 'held') AND ${FREE}`,
  bounce: `r.state IN ('due', 'held') AND ${FREE}`,
} as const

// LEFT, so that a recipient whose message is missing can still be seen and dropped.
const JOINED = 'recipient AS r LEFT JOIN message AS m ON m.number = r.message'

const LIST = `SELECT ifnull(m.id, '') AS id, r.address, r.route, r.state, r.lease_owner IS NOT NULL AS is_leased,
    r.due_at, r.attempts, r.detail, ifnull(m.reverse_path, '') AS reverse_path, m.accepted_at, m.expires_at, m.size,
    m.origin
  FROM ${JOINED}
  WHERE $condition ORDER BY r.message, r.position LIMIT ?`

const MATCHING = `SELECT r.message, r.position, r.state FROM ${JOINED}
  WHERE (r.message, r.position) > (?, ?) AND $condition ORDER BY r.message, r.position LIMIT ?`

const AGES = `SELECT r.message, r.position, r.address, m.accepted_at FROM ${JOINED}
  WHERE (r.message, r.position) > (?, ?) AND r.state IN ('due', 'held') AND $condition
  ORDER BY r.message, r.position LIMIT ?`

const THIS = 'WHERE message = ? AND position = ?'

export class LocalListing {
  readonly #database: DatabaseSync
  readonly #tally: LocalTally
  readonly #messages: LocalMessages
  readonly #makeDue: StatementSync
  readonly #release: StatementSync
  readonly #hold: StatementSync
  readonly #renewLife: StatementSync
  readonly #drop: StatementSync
  readonly #bounce: StatementSync
  readonly #nextReady: StatementSync

  constructor(database: DatabaseSync, tally: LocalTally, messages: LocalMessages) {
    this.#tally = tally
    this.#database = database
    this.#messages = messages
    this.#makeDue = database.prepare(`UPDATE recipient SET state = 'due', due_at = ?, ready_at = ? ${THIS}`)
    this.#release = database.prepare(
      `UPDATE recipient SET state = 'due', due_at = ?, ready_at = ?, released = 1, reclaims = 0, begun = 0,
        bounce = NULL ${THIS}`,
    )
    this.#hold = database.prepare(`UPDATE recipient SET state = 'held', detail = ?, bounce = NULL ${THIS}`)
    this.#bounce = database.prepare(
      `UPDATE recipient SET state = 'due', due_at = ?, ready_at = ?, bounce = ? ${THIS}`,
    )
    this.#renewLife = database.prepare('UPDATE message SET expires_at = ? WHERE number = ?')
    this.#drop = database.prepare(`DELETE FROM recipient ${THIS}`)
    this.#nextReady = database.prepare("SELECT min(ready_at) AS next FROM recipient WHERE state = 'due'")
  }

  /** At most `limit` entries in the order of acceptance. */
  list(filter: QueueFilter, limit: number): QueueEntry[] {
    const { sql, values } = conditionOf(filter)
    const statement = this.#database.prepare(LIST.replace('$condition', sql))
    return statement.all(...values, limit).map(entryOf)
  }

  /** Changes at most `limit` recipients behind `cursor`. */
  step(command: QueueCommand, filter: QueueFilter, cursor: Cursor, limit: number): CommandStep {
    const rows = this.#matching(conditionFor(command, filter), cursor, limit)
    for (const row of rows) this.#change(command, row)
    const last = rows.length < limit ? undefined : rows.at(-1)
    const next = last === undefined ? null : { message: last.message, position: last.position }
    return { changed: rows.length, next }
  }

  /** Ages of at most `limit` recipients behind `cursor`. */
  ages(filter: QueueFilter, cursor: Cursor, limit: number, now: number): AgesStep {
    const { sql, values } = conditionOf(filter)
    const rows = this.#database
      .prepare(AGES.replace('$condition', sql))
      .all(cursor.message, cursor.position, ...values, limit)
    const counts = new Map<string, number[]>()
    for (const { address, accepted_at: acceptedAt } of rows) {
      const domain = domainOf(String(address))
      const row = counts.get(domain) ?? Array.from({ length: AGE_BOUNDS_MS.length + 1 }, () => 0)
      counts.set(domain, row)
      const column = AGE_BOUNDS_MS.findIndex((bound) => now - Number(acceptedAt) < bound)
      const index = column === -1 ? AGE_BOUNDS_MS.length : column
      row[index] = (row[index] ?? 0) + 1
    }
    const last = rows.length < limit ? undefined : rows.at(-1)
    const next =
      last === undefined ? null : { message: Number(last['message']), position: Number(last['position']) }
    return { rows: Array.from(counts, ([domain, row]) => ({ domain, counts: row })), next }
  }

  counts(setAside: Pick<QueueCounts, 'damaged' | 'poisoned'>): QueueCounts {
    const next = this.#nextReady.get()?.['next'] ?? null
    return { ...this.#tally.totals, ...setAside, nextDueAt: next === null ? null : Number(next) }
  }

  #matching({ sql, values }: Condition, { message, position }: Cursor, limit: number): Match[] {
    const statement = this.#database.prepare(MATCHING.replace('$condition', sql))
    const rows = statement.all(message, position, ...values, limit)
    return rows.map((row) => ({
      message: Number(row['message']),
      position: Number(row['position']),
      state: row['state'] as RecipientState,
    }))
  }

  #change(command: QueueCommand, { message, position, state }: Match): void {
    switch (command.kind) {
      case 'retry-now':
        this.#makeDue.run(command.now, command.now, message, position)
        break
      case 'hold':
        this.#hold.run(command.reason, message, position)
        this.#tally.change({ due: -1, held: 1 })
        break
      case 'unhold':
        this.#release.run(command.now, command.now, message, position)
        this.#renewLife.run(command.expiresAt, message)
        this.#tally.change({ due: 1, held: -1 })
        break
      case 'bounce':
        this.#bounce.run(command.now, command.now, command.reason, message, position)
        if (state === 'held') this.#tally.change({ due: 1, held: -1 })
        break
      case 'drop':
        this.#drop.run(message, position)
        this.#tally.change(state === 'due' ? { due: -1 } : { held: -1 })
        if (this.#messages.owed(message) === 0) this.#messages.delete(message)
        break
    }
  }
}

/** A quoted local part may have an @ too. */
function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}

function conditionFor(command: QueueCommand, filter: QueueFilter): Condition {
  const { sql, values } = conditionOf(filter)
  const now = command.kind === 'retry-now' ? String(Math.trunc(command.now)) : ''
  return { sql: `${CONCERNED[command.kind].replace('$now', now)} AND ${sql}`, values }
}

function entryOf(row: Record<string, unknown>): QueueEntry {
  return {
    message: String(row['id']),
    address: String(row['address']),
    route: String(row['route']),
    state: row['state'] as RecipientState,
    leased: row['is_leased'] === 1,
    dueAt: Number(row['due_at']),
    attempts: Number(row['attempts']),
    detail: String(row['detail']),
    reversePath: String(row['reverse_path']),
    acceptedAt: Number(row['accepted_at']),
    expiresAt: Number(row['expires_at']),
    sizeBytes: Number(row['size']),
    origin: originOf(String(row['origin'])),
  }
}

/** An origin that cannot be read must not hide the entry from the operator. */
function originOf(text: string): Origin {
  try {
    const origin = JSON.parse(text) as Omit<Origin, 'tags'> & Partial<Pick<Origin, 'tags'>>
    // Older gateways stored none.
    return { ...origin, tags: origin.tags ?? [] } as Origin
  } catch {
    return { kind: 'internal', what: 'damaged', tags: [] }
  }
}
