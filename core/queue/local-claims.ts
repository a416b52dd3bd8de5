/**
 * Claims of the local store: who works on what, until when. A claim takes the recipients of one message that are due
 * by one route and gives them a fencing number nobody had before.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Origin } from '../mail/session.ts'
import { type EnvelopeFacts, envelopeChecksum, isAsStored, recipientChecksum } from './local-checksum.ts'
import { envelopeOf, recipientOf } from './local-dsn.ts'
import type { MessageNumber } from './local-messages.ts'
import { DAMAGED, type LocalSetAside, MAX_RECLAIMS, type SetAside } from './local-set-aside.ts'
import type { LocalTally } from './local-tally.ts'
import type { ClaimRequest, Delivery, Lease, LeaseKey } from './queue-store.ts'

/** What is due first by one route, or at all. */
interface Candidate {
  readonly message: MessageNumber
  readonly route: string
  readonly readyAt: number
  /** Why an operator gives it up; null: nobody does. */
  readonly bounce: string | null
}

const FIRST_GIVEN_UP = `SELECT message, route, ready_at, bounce FROM recipient INDEXED BY recipient_bounce
  WHERE state = 'due' AND bounce IS NOT NULL AND ready_at <= ? ORDER BY ready_at LIMIT 1`

const FIRST = `SELECT message, route, ready_at, bounce FROM recipient INDEXED BY recipient_ready
  WHERE state = 'due' AND ready_at <= ? ORDER BY ready_at LIMIT 1`

const FIRST_BY_ROUTE = `SELECT message, route, ready_at, bounce FROM recipient INDEXED BY recipient_route
  WHERE state = 'due' AND route = ? AND ready_at <= ? ORDER BY ready_at LIMIT 1`

const NEXT_ROUTE = `SELECT route FROM recipient INDEXED BY recipient_route
  WHERE state = 'due' AND route > ? ORDER BY route LIMIT 1`

// A lease that was over ended without an outcome. Whoever was not attempted has nothing to do with how its owner ended,
// so beyond the first one only attempts count.
const IS_COUNTED = '(lease_owner IS NOT NULL AND (reclaims = 0 OR begun = 1))'

// The plus signs keep SQLite to the index by message: by route it would walk the whole backlog of the route.
const READY = `WHERE message = $message AND +route = $route AND state = 'due' AND +ready_at <= $now AND bounce IS $bounce`

const OWED = `SELECT position, address, route, attempts, dsn, delay_told, reroutes, rerouted, released, checksum,
    reclaims + ${IS_COUNTED} AS reclaims, lease_owner IS NOT NULL AS is_leased
  FROM recipient ${READY} ORDER BY position`

const LEASE = `UPDATE recipient SET lease_owner = $owner, ready_at = $until, fence = $fence,
    reclaims = reclaims + ${IS_COUNTED}, begun = 0 ${READY}`

// What delivery needs must be readable: a row that is not would otherwise come back for ever.
const MESSAGE = `SELECT id, reverse_path, accepted_at, expires_at, size, origin, dsn, content_offset, spool, spool_size,
    envelope_checksum,
    json_valid(origin) AND (spool IS NOT NULL OR EXISTS (SELECT 1 FROM body WHERE message = number)) AS is_sound
  FROM message WHERE number = ?`

const OF_LEASE = `WHERE message = (SELECT number FROM message WHERE id = ?) AND route = ? AND fence = ?
  AND state = 'due' AND lease_owner IS NOT NULL`

const RECLAIM = `UPDATE recipient SET lease_owner = NULL, ready_at = due_at, reclaims = reclaims + ${IS_COUNTED}, begun = 0
  WHERE state = 'due' AND lease_owner IS NOT NULL AND lease_owner = ifnull(?, lease_owner)
  RETURNING message, position, reclaims`

export class LocalClaims {
  readonly #tally: LocalTally
  readonly #firstGivenUp: StatementSync
  readonly #first: StatementSync
  readonly #firstByRoute: StatementSync
  readonly #nextRoute: StatementSync
  readonly #owed: StatementSync
  readonly #lease: StatementSync
  readonly #message: StatementSync
  readonly #idOf: StatementSync
  readonly #setAside: LocalSetAside
  readonly #begin: StatementSync
  readonly #renew: StatementSync
  readonly #release: StatementSync
  readonly #reclaim: StatementSync
  #fence: number

  constructor(database: DatabaseSync, tally: LocalTally, setAside: LocalSetAside, now: number) {
    this.#tally = tally
    this.#setAside = setAside
    this.#firstGivenUp = database.prepare(FIRST_GIVEN_UP)
    this.#first = database.prepare(FIRST)
    this.#firstByRoute = database.prepare(FIRST_BY_ROUTE)
    this.#nextRoute = database.prepare(NEXT_ROUTE)
    this.#owed = database.prepare(OWED)
    this.#lease = database.prepare(LEASE)
    this.#message = database.prepare(MESSAGE)
    this.#idOf = database.prepare('SELECT id FROM message WHERE number = ?')
    this.#begin = database.prepare(`UPDATE recipient SET begun = 1 ${OF_LEASE}`)
    this.#renew = database.prepare(`UPDATE recipient SET ready_at = ? ${OF_LEASE}`)
    this.#release = database.prepare(
      `UPDATE recipient SET lease_owner = NULL, ready_at = due_at, fence = ?, begun = 0 ${OF_LEASE}`,
    )
    this.#reclaim = database.prepare(RECLAIM)
    // Ahead of every number in the table even when the clock was put back.
    const highest = Number(
      database.prepare('SELECT max(fence) AS fence FROM recipient').get()?.['fence'] ?? 0,
    )
    this.#fence = Math.max(now * 1000, highest)
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
      // Whatever becomes of their route, nobody is asked there.
      const candidate = candidateOf(this.#firstGivenUp.get(now)) ?? source()
      if (candidate === undefined) break
      const row = this.#message.get(candidate.message)
      if (
        row?.['is_sound'] === 1 &&
        isAsStored(row['envelope_checksum'], envelopeChecksum(envelopeFacts(row)))
      ) {
        const delivery = this.#take(candidate, row, lease, now)
        if (delivery !== null) deliveries.push(delivery)
      } else this.#setAside.message(candidate.message, String(row?.['id'] ?? ''), this.nextFence(), DAMAGED)
    }
    return deliveries
  }

  /** An attempt begins of what was reclaimed before; false when the lease was lost. */
  begin({ message, route, fence }: LeaseKey): boolean {
    return this.#begin.run(message, route, fence).changes > 0
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
    const reclaimed = this.#reclaim.all(owner)
    this.#tally.change({ leased: -reclaimed.length })
    for (const { message, position, reclaims } of reclaimed) {
      if (Number(reclaims) < MAX_RECLAIMS) continue
      const place = { message: Number(message), position: Number(position), isLeased: false }
      const id = String(this.#idOf.get(place.message)?.['id'] ?? '')
      this.#setAside.recipient('poison', place, id, this.nextFence())
    }
    return reclaimed.length
  }

  /** Null when nobody is left to be taken: all were set aside. */
  #take({ message, route, bounce }: Candidate, row: Row, lease: Lease, now: number): Delivery | null {
    const fence = this.nextFence()
    const owed = this.#owed.all({ message, route, now, bounce }).filter((recipient) => {
      const kind = whyNot(recipient, String(row['id']))
      const place = {
        message,
        position: Number(recipient['position']),
        isLeased: recipient['is_leased'] === 1,
      }
      if (kind !== null) this.#setAside.recipient(kind, place, String(row['id']), this.nextFence())
      return kind === null
    })
    if (owed.length === 0) return null
    this.#lease.run({ owner: lease.owner, until: lease.until, fence, message, route, now, bounce })
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
      ...(bounce === null ? {} : { bounce }),
      ...(owed.some(({ reclaims }) => Number(reclaims) > 0) ? { isSuspect: true } : {}),
    }
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

function envelopeFacts(row: Row): EnvelopeFacts {
  return {
    id: String(row['id']),
    acceptedAt: Number(row['accepted_at']),
    reversePath: String(row['reverse_path']),
    sizeBytes: Number(row['size']),
    origin: String(row['origin']),
    contentOffset: Number(row['content_offset']),
    spool: row['spool'] as string | null,
    spoolSizeBytes: Number(row['spool_size']),
    dsn: row['dsn'] as string | null,
  }
}

/** Why a recipient that is due is not to be attempted. */
function whyNot(row: Row, message: string): SetAside['kind'] | null {
  const facts = {
    message,
    position: Number(row['position']),
    address: String(row['address']),
    route: String(row['route']),
    dsn: row['dsn'] as string | null,
  }
  if (!isAsStored(row['checksum'], recipientChecksum(facts))) return 'damaged'
  return Number(row['reclaims']) >= MAX_RECLAIMS ? 'poison' : null
}

function candidateOf(row: Row | undefined): Candidate | undefined {
  if (row === undefined) return undefined
  return {
    message: row['message'] as MessageNumber,
    route: String(row['route']),
    readyAt: Number(row['ready_at']),
    bounce: row['bounce'] as string | null,
  }
}
