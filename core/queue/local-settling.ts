/** Settling in the local store: what became of each recipient of a claimed delivery. */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { recipientChecksum } from './local-checksum.ts'
import type { LocalClaims } from './local-claims.ts'
import type { LocalMessages, MessageNumber } from './local-messages.ts'
import type { LocalTally } from './local-tally.ts'
import type { LeaseKey, Settlement } from './queue-store.ts'

const LEASED = `SELECT position, address, dsn, lease_owner IS NOT NULL AS is_leased FROM recipient
  WHERE message = ? AND route = ? AND fence = ? AND state = 'due'`

const END = `UPDATE recipient SET state = $result, lease_owner = NULL, fence = $fence, detail = $detail, bounce = NULL,
    attempts = attempts + $counted
  WHERE message = $message AND position = $position`

const DEFER = `UPDATE recipient SET lease_owner = NULL, fence = $fence, detail = $detail,
    due_at = $dueAt, ready_at = $dueAt, attempts = attempts + $counted, delay_told = $delayTold, reclaims = 0,
    begun = 0, rerouted = iif($counted, 0, rerouted)
  WHERE message = $message AND position = $position`

const REROUTE = `UPDATE recipient SET lease_owner = NULL, fence = $fence, detail = $detail, route = $route,
    due_at = $dueAt, ready_at = $dueAt, reroutes = reroutes + 1, rerouted = 1, reclaims = 0, begun = 0,
    checksum = $checksum
  WHERE message = $message AND position = $position`

// Within one lease no address comes twice, so that two rows of one address may never be due by one route.
const TWIN = `SELECT 1 FROM recipient
  WHERE message = ? AND +route = ? AND address = ? AND position <> ? AND state IN ('due', 'held') LIMIT 1`

const MERGE = 'DELETE FROM recipient WHERE message = ? AND position = ?'

const GIVE_BACK = `UPDATE recipient SET lease_owner = NULL, fence = ?, ready_at = due_at, begun = 0
  WHERE message = ? AND position = ?`

/** Where a leased recipient stands. */
interface Place {
  /** Queue id. */
  readonly id: string
  readonly message: MessageNumber
  readonly position: number
  /** Column as stored. */
  readonly dsn: string | null
}

export class LocalSettling {
  readonly #messages: LocalMessages
  readonly #claims: LocalClaims
  readonly #tally: LocalTally
  readonly #leased: StatementSync
  readonly #end: StatementSync
  readonly #defer: StatementSync
  readonly #giveBack: StatementSync
  readonly #reroute: StatementSync
  readonly #twin: StatementSync
  readonly #merge: StatementSync

  constructor(database: DatabaseSync, tally: LocalTally, messages: LocalMessages, claims: LocalClaims) {
    this.#tally = tally
    this.#messages = messages
    this.#claims = claims
    this.#leased = database.prepare(LEASED)
    this.#end = database.prepare(END)
    this.#defer = database.prepare(DEFER)
    this.#giveBack = database.prepare(GIVE_BACK)
    this.#reroute = database.prepare(REROUTE)
    this.#twin = database.prepare(TWIN)
    this.#merge = database.prepare(MERGE)
  }

  /**
   * Writes the settlements down and gives the lease back, also for recipients no settlement names.
   *
   * @returns false when the lease, or one recipient of it, was lost: nothing was changed
   */
  settle(lease: LeaseKey, settlements: readonly Settlement[]): boolean {
    const message = this.#messages.numberOf(lease.message)
    if (message === undefined) return false
    const leased = this.#leased.all(message, lease.route, lease.fence)
    const places = new Map(
      leased.map((row) => [String(row['address']), placeOf(message, lease.message, row)]),
    )
    if (places.size === 0 || !settlements.every(({ address }) => places.has(address))) return false
    if (new Set(settlements.map(({ address }) => address)).size < settlements.length) {
      throw new Error(`two settlements for one recipient of ${lease.message}`)
    }
    // All of them are given back. One whose lease was reclaimed is not counted any more.
    this.#tally.change({ leased: -leased.filter((row) => row['is_leased'] === 1).length })
    const done = settlements.filter(({ result }) => result === 'delivered' || result === 'bounced').length
    if (done === this.#messages.owed(message)) {
      this.#tally.change({ due: -done })
      this.#messages.delete(message)
    } else this.#writeAll(places, settlements)
    return true
  }

  #writeAll(places: Map<string, Place>, settlements: readonly Settlement[]): void {
    // A number nobody holds: the same settlement a second time finds its lease lost.
    const fence = this.#claims.nextFence()
    for (const settlement of settlements) {
      const place = places.get(settlement.address)
      if (place !== undefined) this.#write(place, fence, settlement)
      places.delete(settlement.address)
    }
    for (const { message, position } of places.values()) this.#giveBack.run(fence, message, position)
  }

  #write(place: Place, fence: number, settlement: Settlement): void {
    const { message, position } = place
    const { result, detail } = settlement
    if (result === 'deferred') {
      const { dueAt, counted, isDelayTold } = settlement
      const flags = { counted: counted ? 1 : 0, delayTold: isDelayTold ? 1 : 0 }
      this.#defer.run({ fence, detail, dueAt, ...flags, message, position })
    } else if (result === 'rerouted') {
      this.#move(place, fence, settlement)
    } else {
      const counted = 'counted' in settlement && settlement.counted === false ? 0 : 1
      this.#end.run({ result, fence, detail, counted, message, position })
      this.#tally.change({ due: -1, held: result === 'held' ? 1 : 0 })
    }
  }

  /** What is owed to the same address by the new route already is not owed twice: the row there carries it on. */
  #move(
    { id, message, position, dsn }: Place,
    fence: number,
    { address, detail, route, dueAt }: Extract<Settlement, { result: 'rerouted' }>,
  ): void {
    if (this.#twin.get(message, route, address, position) === undefined) {
      const checksum = recipientChecksum({ message: id, position, address, route, dsn })
      this.#reroute.run({ fence, detail, route, dueAt, checksum, message, position })
      return
    }
    this.#merge.run(message, position)
    this.#tally.change({ due: -1 })
  }
}

function placeOf(message: MessageNumber, id: string, row: Record<string, unknown>): Place {
  return { id, message, position: Number(row['position']), dsn: row['dsn'] as string | null }
}
