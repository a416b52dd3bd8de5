/**
 * What the local store puts on hold by itself: records that cannot be read or are not as they were stored, and
 * messages that end whoever works on them. Each is counted and told once it is durable.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Log } from '../observe/log.ts'
import type { MessageNumber } from './local-messages.ts'
import type { LocalTally } from './local-tally.ts'

/** Recipients put on hold by the store itself. */
export interface SetAside {
  /** `damaged`: the record is not what was stored. `poison`: too many leases of it ended without an outcome. */
  readonly kind: 'damaged' | 'poison'
  /** Queue id; '' when it is unknown. */
  readonly message: string
  readonly recipients: number
  readonly reason: string
}

/** Reason of the hold of recipients whose message cannot be read. */
export const DAMAGED = 'damaged: the stored message cannot be read'
/** Reason of the hold of a recipient whose own record is not what was stored. */
export const DAMAGED_RECIPIENT = 'damaged: the record of this recipient is not what was stored'
/** Leases of one recipient that may end without an outcome; with this many it is held. */
export const MAX_RECLAIMS = 5
export const POISON = `poison: ${MAX_RECLAIMS} times whoever attempted it ended before there was an outcome`

/** Says what the store put on hold by itself. */
export function logSetAside(news: SetAside, log: Log): void {
  log.error('queue-set-aside', { ...news })
}

const UNSETTLED = `SELECT count(*) AS due, count(lease_owner) AS leased FROM recipient
  WHERE message = ? AND state = 'due'`

const HOLD = `UPDATE recipient SET state = 'held', lease_owner = NULL, ready_at = due_at, fence = $fence, begun = 0,
    detail = $reason || iif(detail = '', '', '; before: ' || detail)`

interface Counts {
  readonly damaged: number
  readonly poisoned: number
}

export class LocalSetAside {
  readonly #tally: LocalTally
  readonly #unsettled: StatementSync
  readonly #holdMessage: StatementSync
  readonly #holdRecipient: StatementSync
  #counts: Counts = { damaged: 0, poisoned: 0 }
  #committed: Counts = this.#counts
  #news: SetAside[] = []

  constructor(database: DatabaseSync, tally: LocalTally) {
    this.#tally = tally
    this.#unsettled = database.prepare(UNSETTLED)
    this.#holdMessage = database.prepare(`${HOLD} WHERE message = $message AND state = 'due'`)
    this.#holdRecipient = database.prepare(
      `${HOLD} WHERE message = $message AND position = $position AND state = 'due'`,
    )
  }

  /** Recipients since the start. */
  get counts(): Counts {
    return this.#counts
  }

  /** Holds whoever is still due of a message, under a lease or not; returns how many. */
  message(message: MessageNumber, id: string, fence: number, reason: string): number {
    const row = this.#unsettled.get(message)
    const due = Number(row?.['due'])
    if (due === 0) return 0
    this.#holdMessage.run({ fence, reason, message })
    this.#tally.change({ due: -due, held: due, leased: -Number(row?.['leased']) })
    this.#book('damaged', id, due, reason)
    return due
  }

  /** Holds one recipient that is due. @param isLeased whether the tally counts it as leased */
  recipient(
    kind: SetAside['kind'],
    place: { readonly message: MessageNumber; readonly position: number; readonly isLeased: boolean },
    id: string,
    fence: number,
  ): void {
    const { message, position, isLeased } = place
    const reason = kind === 'poison' ? POISON : DAMAGED_RECIPIENT
    this.#holdRecipient.run({ fence, reason, message, position })
    this.#tally.change({ due: -1, held: 1, leased: isLeased ? -1 : 0 })
    this.#book(kind, id, 1, reason)
  }

  /** The transaction is durable. Returns what it has set aside. */
  committed(): readonly SetAside[] {
    this.#committed = this.#counts
    const news = this.#news
    this.#news = []
    return news
  }

  rolledBack(): void {
    this.#counts = this.#committed
    this.#news = []
  }

  #book(kind: SetAside['kind'], message: string, recipients: number, reason: string): void {
    const { damaged, poisoned } = this.#counts
    this.#counts =
      kind === 'damaged'
        ? { damaged: damaged + recipients, poisoned }
        : { damaged, poisoned: poisoned + recipients }
    this.#news.push({ kind, message, recipients, reason })
  }
}
