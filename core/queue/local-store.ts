/**
 * The local queue store over one database. Synchronous: every operation is a plain function that expects an open
 * transaction; whoever calls opens it, commits it, and tells with `committed` or `rolledBack` what became of it.
 * No statement stays open between two calls.
 */
import { isAbsolute, join, relative } from 'node:path'
import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { StoredContent } from '../mail/message.ts'
import { storedSizeBytes } from '../mail/message.ts'
import { contentChecksum, envelopeChecksum, isAsStored, recipientChecksum } from './local-checksum.ts'
import { LocalClaims } from './local-claims.ts'
import { envelopeColumn, recipientColumn } from './local-dsn.ts'
import { LocalListing } from './local-listing.ts'
import type { MessageNumber } from './local-messages.ts'
import { LocalMessages } from './local-messages.ts'
import { LocalSetAside, type SetAside } from './local-set-aside.ts'
import { LocalSettling } from './local-settling.ts'
import { LocalSuspensions } from './local-suspensions.ts'
import { LocalTally } from './local-tally.ts'
import type { Delivery, Lease, LeaseKey, NewMessage, Settlement } from './queue-store.ts'
import { StoreFault } from './queue-store.ts'

export interface LocalStoreOptions {
  /** Absolute; spool files are stored relative to it, so that a store can be moved. */
  readonly spoolDirectory: string
  /** Milliseconds since 1970: where fencing numbers start. */
  readonly now: number
}

const ADD_MESSAGE = `INSERT INTO message
  (id, accepted_at, expires_at, reverse_path, size, origin, head, content_offset, spool, spool_size, dsn,
   envelope_checksum, content_checksum, spool_checksum)
  VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const ADD_RECIPIENT = `INSERT INTO recipient
  (message, position, address, route, state, due_at, ready_at, attempts, lease_owner, fence, detail, dsn,
   checksum)
  VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?, ?, ?)`

export class LocalStore {
  readonly claims: LocalClaims
  readonly #setAside: LocalSetAside
  readonly listing: LocalListing
  readonly suspensions: LocalSuspensions
  readonly #tally: LocalTally
  readonly #messages: LocalMessages
  readonly #settling: LocalSettling
  readonly #spoolDirectory: string
  readonly #addMessage: StatementSync
  readonly #addBody: StatementSync
  readonly #addRecipient: StatementSync
  readonly #content: StatementSync

  constructor(database: DatabaseSync, { spoolDirectory, now }: LocalStoreOptions) {
    this.#spoolDirectory = spoolDirectory
    this.#tally = new LocalTally(database)
    this.#messages = new LocalMessages(database, this.#tally)
    this.#setAside = new LocalSetAside(database, this.#tally)
    this.claims = new LocalClaims(database, this.#tally, this.#setAside, now)
    this.#settling = new LocalSettling(database, this.#tally, this.#messages, this.claims)
    this.listing = new LocalListing(database, this.#tally, this.#messages)
    this.suspensions = new LocalSuspensions(database)
    this.#addMessage = database.prepare(ADD_MESSAGE)
    this.#addBody = database.prepare('INSERT INTO body (message, bytes) VALUES (?, ?)')
    this.#addRecipient = database.prepare(ADD_RECIPIENT)
    this.#content =
      database.prepare(`SELECT head, content_offset, spool, spool_size, bytes, content_checksum, spool_checksum
      FROM message LEFT JOIN body ON body.message = message.number WHERE id = ?`)
  }

  /** Stores message and envelope; with a lease, what is not held is claimed at once and returned. */
  add(message: NewMessage, lease: Lease | null): Delivery[] {
    const number = this.#insertMessage(message)
    const deliveries = lease === null ? new Map<string, Delivery>() : this.#leased(message, lease)
    let leased = 0
    for (const [position, { address, route, hold, dsn }] of message.recipients.entries()) {
      const delivery = hold === null ? deliveries.get(route) : undefined
      const dsnColumn = recipientColumn(dsn)
      if (delivery !== undefined) leased += 1
      this.#addRecipient.run(
        number,
        position,
        address,
        route,
        hold === null ? 'due' : 'held',
        message.acceptedAt,
        delivery?.leaseUntil ?? message.acceptedAt,
        delivery === undefined ? null : (lease?.owner ?? null),
        delivery?.fence ?? 0,
        hold ?? '',
        dsnColumn,
        recipientChecksum({ message: message.id, position, address, route, dsn: dsnColumn }),
      )
    }
    const held = message.recipients.filter(({ hold }) => hold !== null).length
    this.#tally.change({ due: message.recipients.length - held, held, leased })
    return [...deliveries.values()]
  }

  /**
   * Writes down what became of the recipients of a lease, and stores the notices about it.
   *
   * @returns false when the lease, or one recipient of it, was lost: nothing was changed
   */
  settle(lease: LeaseKey, settlements: readonly Settlement[], notices: readonly NewMessage[]): boolean {
    // Before anything is written: a fault must leave nothing behind.
    if (notices.some(({ stored }) => stored.content.kind !== 'inline'))
      throw new StoreFault('unavailable', `a notice about ${lease.message} is not in memory`)
    if (!this.#settling.settle(lease, settlements)) return false
    for (const notice of notices) this.add(notice, null)
    return true
  }

  /** @throws StoreFault `unavailable` when the message is not stored, `damaged` when it is not what was stored */
  content(id: string): StoredContent {
    const row = this.#content.get(id)
    if (row === undefined) throw new StoreFault('unavailable', `message ${id} is not in the queue`)
    const head = row['head'] as Uint8Array
    const body = row['spool'] === null ? (row['bytes'] as Uint8Array | null) : null
    const contentOffset = Number(row['content_offset'])
    if (row['spool'] === null && body === null)
      throw new StoreFault('damaged', `the body of message ${id} is missing`)
    if (!isAsStored(row['content_checksum'], contentChecksum(head, body)))
      throw new StoreFault('damaged', `message ${id} is not what was stored`)
    if (row['spool'] !== null) {
      const path = join(this.#spoolDirectory, String(row['spool']))
      const checksum = row['spool_checksum'] === null ? {} : { checksum: Number(row['spool_checksum']) }
      const content = { kind: 'spool', path, sizeBytes: Number(row['spool_size']), ...checksum } as const
      return { head, content, contentOffset }
    }
    return { head, content: { kind: 'inline', bytes: body as Uint8Array }, contentOffset }
  }

  /** Holds whoever is still due of a message that cannot be read. Returns how many. */
  setAside(id: string, reason: string): number {
    const number = this.#messages.numberOf(id)
    return number === undefined ? 0 : this.#setAside.message(number, id, this.claims.nextFence(), reason)
  }

  /** Recipients set aside since the start. */
  get setAsideCounts(): { readonly damaged: number; readonly poisoned: number } {
    return this.#setAside.counts
  }

  /** Those of `ids` that are stored. */
  stored(ids: readonly string[]): string[] {
    return ids.filter((id) => this.#messages.numberOf(id) !== undefined)
  }

  /** To be called last in a transaction that will be committed. */
  beforeCommit(): void {
    this.#tally.save()
  }

  /** The transaction is durable. Returns the spool files nobody needs any more, to be unlinked now, and what was set aside. */
  committed(): { readonly unneeded: readonly string[]; readonly setAside: readonly SetAside[] } {
    this.#tally.committed()
    const unneeded = this.#messages.committed().map((file) => join(this.#spoolDirectory, file))
    return { unneeded, setAside: this.#setAside.committed() }
  }

  rolledBack(): void {
    this.#tally.rolledBack()
    this.#setAside.rolledBack()
    this.#messages.rolledBack()
  }

  /** What of a new message may leave at once, by route. */
  #leased(message: NewMessage, lease: Lease): Map<string, Delivery> {
    const { id, reversePath, acceptedAt, expiresAt, stored, origin, dsn } = message
    const byRoute = Map.groupBy(
      message.recipients.filter(({ hold }) => hold === null),
      ({ route }) => route,
    )
    const deliveries = [...byRoute].map(([route, recipients]): [string, Delivery] => {
      const fence = this.claims.nextFence()
      const owed = recipients.map((recipient) => ({
        address: recipient.address,
        attempts: 0,
        dsn: recipient.dsn,
        isDelayTold: false,
        reroutes: 0,
        isRerouted: false,
        isReleased: false,
      }))
      const sizeBytes = storedSizeBytes(stored)
      const facts = { reversePath, acceptedAt, expiresAt, sizeBytes, origin, dsn }
      return [route, { message: id, route, fence, leaseUntil: lease.until, recipients: owed, ...facts }]
    })
    return new Map(deliveries)
  }

  #insertMessage(message: NewMessage): MessageNumber {
    const { head, content, contentOffset } = message.stored
    const { id, acceptedAt, reversePath } = message
    const isSpooled = content.kind === 'spool'
    const facts = {
      id,
      acceptedAt,
      reversePath,
      sizeBytes: storedSizeBytes(message.stored),
      origin: JSON.stringify(message.origin),
      contentOffset,
      spool: isSpooled ? this.#spoolFile(content.path) : null,
      spoolSizeBytes: isSpooled ? content.sizeBytes : 0,
      dsn: envelopeColumn(message.dsn),
    }
    const { lastInsertRowid: number } = this.#addMessage.run(
      id,
      acceptedAt,
      message.expiresAt,
      reversePath,
      facts.sizeBytes,
      facts.origin,
      head,
      contentOffset,
      facts.spool,
      facts.spoolSizeBytes,
      facts.dsn,
      envelopeChecksum(facts),
      contentChecksum(head, isSpooled ? null : content.bytes),
      isSpooled ? (content.checksum ?? null) : null,
    )
    this.#tally.change({ messages: 1, bytes: facts.sizeBytes })
    if (content.kind === 'inline') this.#addBody.run(number, content.bytes)
    return number
  }

  #spoolFile(path: string): string {
    const file = relative(this.#spoolDirectory, path)
    if (file.startsWith('..') || isAbsolute(file)) {
      throw new StoreFault('unavailable', `${path} is not below the spool folder ${this.#spoolDirectory}`)
    }
    return file
  }
}
