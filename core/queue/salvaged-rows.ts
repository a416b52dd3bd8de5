/** Copies what can be read of a damaged queue into a new one, row by row. */
import type { DatabaseSync, SQLInputValue } from 'node:sqlite'
import { DAMAGED_RECIPIENT } from './local-set-aside.ts'
import { RETALLY } from './local-tally.ts'

type Row = Record<string, SQLInputValue>

/** Numbers tried one after the other where lists of them cannot be read. */
const MAX_GAP = 1_000_000

const STATES: ReadonlySet<unknown> = new Set(['due', 'held', 'delivered', 'bounced'])

/** What reading a damaged page ends with: an error of SQLite, or a number nobody stored. */
const DAMAGES: ReadonlySet<unknown> = new Set(['ERR_SQLITE_ERROR', 'ERR_OUT_OF_RANGE'])

/** Every way to a list of the messages: through the tables and each of their indexes, from both ends. */
const LISTS = [
  'SELECT number FROM message ORDER BY number',
  'SELECT number FROM message ORDER BY number DESC',
  'SELECT number FROM message INDEXED BY sqlite_autoindex_message_1 ORDER BY id',
  'SELECT message AS number FROM body ORDER BY message',
  'SELECT message AS number FROM recipient ORDER BY message, position',
  'SELECT message AS number FROM recipient ORDER BY message DESC, position DESC',
  "SELECT message AS number FROM recipient INDEXED BY recipient_ready WHERE state = 'due' ORDER BY ready_at",
  "SELECT message AS number FROM recipient INDEXED BY recipient_route WHERE state = 'due' ORDER BY route, ready_at",
]

export interface Copied {
  readonly messages: number
  readonly recipients: number
  readonly withoutBody: number
  readonly lost: readonly string[]
}

export class SalvagedRows {
  readonly #source: DatabaseSync
  readonly #target: DatabaseSync

  constructor(source: DatabaseSync, target: DatabaseSync) {
    this.#source = source
    this.#target = target
  }

  copy(): Copied {
    const copied = { messages: 0, recipients: 0, withoutBody: 0, lost: [] as string[] }
    this.#target.exec('BEGIN IMMEDIATE')
    for (const number of this.#numbers()) {
      const message = this.#row('SELECT * FROM message WHERE number = ?', number)
      const recipients = this.#recipients(number)
      // A number of nobody's.
      if (message === null && recipients.length === 0) continue
      if (message === null || recipients.length === 0 || !this.#insert('message', message)) {
        copied.lost.push(typeof message?.['id'] === 'string' ? message['id'] : `number ${number}`)
        continue
      }
      copied.messages += 1
      copied.recipients += recipients.filter((recipient) => this.#insert('recipient', recipient)).length
      const body =
        message['spool'] === null ? this.#row('SELECT * FROM body WHERE message = ?', number) : null
      if (message['spool'] === null && (body === null || !this.#insert('body', body))) copied.withoutBody += 1
    }
    this.#target.exec(RETALLY)
    this.#copyEach('suspension')
    this.#target.exec('COMMIT')
    return copied
  }

  #numbers(): readonly number[] {
    const found = new Set<number>()
    for (const list of LISTS) {
      this.#try(() => {
        for (const { number } of this.#source.prepare(list).iterate()) found.add(Number(number))
      })
    }
    const known = [...found]
      .filter((number) => Number.isSafeInteger(number) && number > 0)
      .toSorted((a, b) => a - b)
    const [least = 1] = known
    const most = known.at(-1) ?? 0
    if (most - least > MAX_GAP) return known
    return Array.from({ length: most - least + 1 }, (_, index) => least + index)
  }

  /** By their table, and where it cannot be read one place after the other. */
  #recipients(number: number): readonly Row[] {
    const rows: Row[] = []
    const all = 'SELECT * FROM recipient WHERE message = ? ORDER BY position'
    const isRead = this.#try(() => {
      for (const row of this.#source.prepare(all).iterate(number)) rows.push(row as Row)
    })
    if (!isRead) {
      const backwards: Row[] = []
      this.#try(() => {
        for (const row of this.#source.prepare(`${all} DESC`).iterate(number)) backwards.unshift(row as Row)
      })
      const known = new Set(rows.map(({ position }) => position))
      rows.push(...backwards.filter(({ position }) => !known.has(position ?? null)))
    }
    return rows.map(sound)
  }

  #row(sql: string, number: number): Row | null {
    let row: Row | undefined
    this.#try(() => {
      row = this.#source.prepare(sql).get(number) as Row | undefined
    })
    return row ?? null
  }

  #copyEach(table: string): void {
    this.#try(() => {
      for (const row of this.#source.prepare(`SELECT * FROM ${table}`).iterate())
        this.#insert(table, row as Row)
    })
  }

  /** False when the row does not fit its table: it is no row of ours. */
  #insert(table: string, row: Row): boolean {
    const columns = Object.keys(row)
    const marks = columns.map(() => '?').join(', ')
    return this.#try(() => {
      this.#target
        .prepare(`INSERT INTO ${table} (${columns.join(', ')}) VALUES (${marks})`)
        .run(...Object.values(row))
    })
  }

  /** False when it met damage. */
  #try(read: () => void): boolean {
    try {
      read()
      return true
    } catch (error) {
      if (!DAMAGES.has((error as NodeJS.ErrnoException).code)) throw error
      return false
    }
  }
}

/** Nobody has a lease any more; who is in no state we know is held. */
function sound(row: Row): Row {
  const isKnown = STATES.has(row['state'])
  const state = isKnown ? (row['state'] ?? null) : 'held'
  const detail = isKnown ? (row['detail'] ?? '') : DAMAGED_RECIPIENT
  return { ...row, state, detail, lease_owner: null, ready_at: row['due_at'] ?? 0 }
}
