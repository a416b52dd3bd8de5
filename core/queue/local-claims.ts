/**
 * Claims of the local store: who works on what, until when. A claim takes the recipients of one message that are due
 * by one route and gives them a fencing number nobody had before.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Origin } from '../mail/session.ts'
import { envelopeOf, recipientOf } from './local-dsn.ts'
import type { MessageNumber } from './local-messages.ts'
import type { LocalTally } from './local-tally.ts'
import type { ClaimRequest, Delivery, Lease, LeaseKey } from './queue-store.ts'

/** What is due first by one route, or at all. */
interface Candidate {
  readonly message: MessageNumber
  readonly route: string
  readonly readyAt: number
}

const FIRST = `SELECT message, route, ready_at FROM recipient INDEXED BY recipient_ready
  WHERE state = 'due' AND ready_at <= ? ORDER BY ready_at LIMIT 1`

const FIRST_BY_ROUTE = `SELECT message, route, ready_at FROM recipient INDEXED BY recipient_route
  WHERE state = 'due' AND route = ? AND ready_at <= ? ORDER BY ready_at LIMIT 1`

const NEXT_ROUTE = `SELECT route FROM recipient INDEXED BY recipient_route
  WHERE state = 'due' AND route > ? ORDER BY route LIMIT 1`

// The plus signs keep SQLite to the index by message: by route it would walk the whole backlog of the route.
const READY = `WHERE message = $message AND +route = $route AND state = 'due' AND +ready_at <= $now`

const OWED = `SELECT address, attempts, dsn, delay_told, reroutes, rerouted, released,
    lease_owner IS NOT NULL AS is_leased
  FROM recipient ${READY} ORDER BY position`

const LEASE = `UPDATE recipient SET lease_owner = $owner, ready_at = $until, fence = $fence ${READY}`

// What delivery needs must be readable: a row that is not would otherwise come back for ever.
const MESSAGE = `SELECT id, reverse_path, accepted_at, expires_at, size, origin, dsn,
    json_valid(origin) AND (spool IS NOT NULL OR EXISTS (SELECT 1 FROM body WHERE message = number)) AS is_sound
  FROM message WHERE number = ?`

const UNSETTLED = `SELECT count(*) AS due, count(lease_owner) AS leased FROM recipient
  WHERE message = ? AND state = 'due'`

const SET_ASIDE = `UPDATE recipient SET state = 'held', lease_owner = NULL, ready_at = due_at, fence = ?, detail = ?
  WHERE message = ? AND state = 'due'`

const OF_LEASE = `WHERE message = (SELECT number FROM message WHERE id = ?) AND route = ? AND fence = ?
  AND state = 'due' AND lease_owner IS NOT NULL`

/** Reason of the hold of recipients whose message cannot be read. */
export const DAMAGED = 'damaged: the stored message cannot be read'

export class LocalClaims {
  readonly #tally: LocalTally
  readonly #first: StatementSync
  readonly #firstByRoute: StatementSync
  readonly #nextRoute: StatementSync
  readonly #owed: StatementSync
  readonly #lease: StatementSync
  readonly #message: StatementSync
  readonly #unsettled: StatementSync
  readonly #setAside: StatementSync
  readonly #renew: StatementSync
  readonly #release: StatementSync
  readonly #reclaim: StatementSync
  #fence: number
  #damaged = 0
  #damagedBefore = 0

  constructor(database: DatabaseSync, tally: LocalTally, now: number) {
    this.#tally = tally
    this.#first = database.prepare(FIRST)
    this.#firstByRoute = database.prepare(FIRST_BY_ROUTE)
    this.#nextRoute = database.prepare(NEXT_ROUTE)
    this.#owed = database.prepare(OWED)
    this.#lease = database.prepare(LEASE)
    this.#message = database.prepare(MESSAGE)
    this.#unsettled = database.prepare(UNSETTLED)
    this.#setAside = database.prepare(SET_ASIDE)
    this.#renew = database.prepare(`UPDATE recipient SET ready_at = ? ${OF_LEASE}`)
    this.#release = database.prepare(
      `UPDATE recipient SET lease_owner = NULL, ready_at = due_at, fence = ? ${OF_LEASE}`,
    )
    this.#reclaim = database.prepare(`UPDATE recipient SET lease_owner = NULL, ready_at = due_at
      WHERE state = 'due' AND lease_owner IS NOT NULL AND lease_owner = ifnull(?, lease_owner)`)
    // Ahead of every number in the table even when the clock was put back.
    const highest = Number(
      database.prepare('SELECT max(fence) AS fence FROM recipient').get()?.['fence'] ?? 0,
    )
    this.#fence = Math.max(now * 1000, highest)
  }

  /** Recipients set aside since the start because their message could not be read. */
  get damaged(): number {
    return this.#damaged
  }

  nextFence(): number {
    this.#fence += 1
    return this.#fence
  }

  /** Claims at most `limit` deliveries, the longest due first. */
  claim({ lease, now, limit, exceptRoutes }: ClaimRequest): Delivery[] {
    const deliveries: Delivery[] = []
    const source =
      exceptRoutes.length === 0 ? this.#anyRoute(now) : this.#otherRoutes(now, new Set(exceptRoutes))
    while (deliveries.length < limit) {
      const candidate = source()
      if (candidate === undefined) break
      const row = this.#message.get(candidate.message)
      if (row?.['is_sound'] === 1) deliveries.push(this.#take(candidate, row, lease, now))
      else this.#putAside(candidate.message)
    }
    return deliveries
  }

  /** Extends leases; returns those lost meanwhile. */
  renew(leases: readonly LeaseKey[], until: number): LeaseKey[] {
    return leases.filter(({ message, route, fence }) => {
      return this.#renew.run(until, message, route, fence).changes === 0
    })
  }

  /** Gives leases back; the old fencing number is worth nothing afterwards. */
  release(leases: readonly LeaseKey[]): void {
    for (const { message, route, fence } of leases) {
      const { changes } = this.#release.run(this.nextFence(), message, route, fence)
      this.#tally.change({ leased: -Number(changes) })
    }
  }

  /** Ends the leases of an owner, of everyone when null. Its fencing numbers hold until the work is claimed again. */
  reclaim(owner: string | null): number {
    const changed = Number(this.#reclaim.run(owner).changes)
    this.#tally.change({ leased: -changed })
    return changed
  }

  committed(): void {
    this.#damagedBefore = this.#damaged
  }

  rolledBack(): void {
    this.#damaged = this.#damagedBefore
  }

  #take({ message, route }: Candidate, row: Row, lease: Lease, now: number): Delivery {
    const fence = this.nextFence()
    const owed = this.#owed.all({ message, route, now })
    this.#lease.run({ owner: lease.owner, until: lease.until, fence, message, route, now })
    this.#tally.change({ leased: owed.filter(({ is_leased: isLeased }) => isLeased === 0).length })
    return {
      message: String(row['id']),
      route,
      fence,
      leaseUntil: lease.until,
      recipients: owed.map((recipient) => ({
        address: String(recipient['address']),
        attempts: Number(recipient['attempts']),
        dsn: recipientOf(recipient['dsn']),
        isDelayTold: recipient['delay_told'] === 1,
        reroutes: Number(recipient['reroutes']),
        isRerouted: recipient['rerouted'] === 1,
        isReleased: recipient['released'] === 1,
      })),
      reversePath: String(row['reverse_path']),
      acceptedAt: Number(row['accepted_at']),
      expiresAt: Number(row['expires_at']),
      sizeBytes: Number(row['size']),
      origin: JSON.parse(String(row['origin'])) as Origin,
      dsn: envelopeOf(row['dsn']),
    }
  }

  #putAside(message: MessageNumber): void {
    const row = this.#unsettled.get(message)
    const due = Number(row?.['due'])
    this.#setAside.run(this.nextFence(), DAMAGED, message)
    this.#damaged += due
    this.#tally.change({ due: -due, held: due, leased: -Number(row?.['leased']) })
  }

  #anyRoute(now: number): () => Candidate | undefined {
    return () => candidateOf(this.#first.get(now))
  }

  /** One index look-up per route instead of a walk over everything that waits for a route which can take nothing. */
  #otherRoutes(now: number, except: ReadonlySet<string>): () => Candidate | undefined {
    const heads = new Map<string, Candidate>()
    const refresh = (route: string): void => {
      const head = candidateOf(this.#firstByRoute.get(route, now))
      if (head === undefined) heads.delete(route)
      else heads.set(route, head)
    }
    for (const route of this.#routes()) if (!except.has(route)) refresh(route)
    let taken: string | null = null
    return () => {
      if (taken !== null) refresh(taken)
      let first: Candidate | undefined
      for (const head of heads.values()) if (first === undefined || head.readyAt < first.readyAt) first = head
      taken = first?.route ?? null
      return first
    }
  }

  #routes(): string[] {
    const routes: string[] = []
    let row = this.#nextRoute.get('')
    while (row !== undefined) {
      const route = String(row['route'])
      routes.push(route)
      row = this.#nextRoute.get(route)
    }
    return routes
  }
}

type Row = Record<string, unknown>

function candidateOf(row: Row | undefined): Candidate | undefined {
  if (row === undefined) return undefined
  return {
    message: row['message'] as MessageNumber,
    route: String(row['route']),
    readyAt: Number(row['ready_at']),
  }
}
