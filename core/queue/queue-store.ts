/**
 * The port of a queue store: what is still owed to whom.
 *
 * Everything is asynchronous and may be batched: calls that arrive together share one durable commit. What a call
 * promises holds when its promise resolves; a rejected call changed nothing. Work is claimed by lease with a fencing
 * number: whoever settles with an older number than the store has seen since is told so and changes nothing.
 */
import type { DsnEnvelope, DsnRecipient } from '../mail/dsn-parameters.ts'
import type { StoredContent } from '../mail/message.ts'
import type { Origin } from '../mail/session.ts'

export { StoreFault } from '../state/store-fault.ts'

/** A message about to be owed. */
export interface NewMessage {
  /** Queue id: `q_` and 12 characters, unique. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly acceptedAt: number
  /** After this moment recipients still owed are given up. */
  readonly expiresAt: number
  /** '' is the null reverse-path. */
  readonly reversePath: string
  readonly stored: StoredContent
  readonly origin: Origin
  /** RET and ENVID of its MAIL. */
  readonly dsn: DsnEnvelope
  /** Not empty; no address twice under one route. */
  readonly recipients: readonly NewRecipient[]
}

export interface NewRecipient {
  readonly address: string
  /** Where it goes, as the `queue` hook decided it: `smtp://…`, `maildir:…`. */
  readonly route: string
  /** Why it may not leave yet; null when it may. */
  readonly hold: string | null
  /** NOTIFY and ORCPT of its RCPT. */
  readonly dsn: DsnRecipient
}

/** What a lease is known by. */
export interface LeaseKey {
  /** Queue id. */
  readonly message: string
  readonly route: string
  /** Fencing number of the lease; grows with every claim of this store. */
  readonly fence: number
}

/** Claimed work: the recipients of one message that leave by one route. */
export interface Delivery extends LeaseKey {
  /** When the lease ends unless renewed, milliseconds since 1970. */
  readonly leaseUntil: number
  readonly recipients: readonly OwedRecipient[]
  readonly reversePath: string
  readonly acceptedAt: number
  readonly expiresAt: number
  readonly sizeBytes: number
  readonly origin: Origin
  readonly dsn: DsnEnvelope
  /** Why an operator gives these recipients up: nothing is attempted, their senders are told. Left out: nobody does. */
  readonly bounce?: string
  /** A lease of it ended without an outcome before: `begin` is called before an attempt. Left out: none did. */
  readonly isSuspect?: boolean
}

export interface OwedRecipient {
  readonly address: string
  /** Attempts made before this one. */
  readonly attempts: number
  readonly dsn: DsnRecipient
  /** The sender has been told that this takes long. */
  readonly isDelayTold: boolean
  /** How often its route was changed since it was accepted. */
  readonly reroutes: number
  /** Its route was changed, and no attempt by the new one has counted yet. */
  readonly isRerouted: boolean
  /** An operator let it go from hold. */
  readonly isReleased: boolean
}

/** What became of one recipient in one attempt. */
export type Settlement =
  | { readonly address: string; readonly result: 'delivered'; readonly detail: string }
  | {
      readonly address: string
      readonly result: 'held'
      readonly detail: string
      /** Left out: an attempt was made. */
      readonly counted?: false
    }
  /** Given up: the sender is told by a notice that goes with this settlement, or wants no notice. */
  | { readonly address: string; readonly result: 'bounced'; readonly detail: string }
  | {
      readonly address: string
      readonly result: 'deferred'
      readonly detail: string
      /** Next attempt, milliseconds since 1970. */
      readonly dueAt: number
      /** Whether this counts as an attempt; trouble of our own does not. */
      readonly counted: boolean
      /** A notice of the delay goes with this settlement, or went before. */
      readonly isDelayTold: boolean
    }
  | {
      /**
       * Not attempted: it goes by another route from now on, which is no attempt. Where a recipient of the same address
       * is owed the message by that route already, due or held, the two are one from then on.
       */
      readonly address: string
      readonly result: 'rerouted'
      readonly detail: string
      readonly route: string
      /** Milliseconds since 1970. */
      readonly dueAt: number
    }

export interface Lease {
  /** Who works; nothing is owned by a process id. */
  readonly owner: string
  readonly until: number
}

/** `due` and `held` are owed something still. */
export type RecipientState = 'due' | 'held' | 'delivered' | 'bounced'

/** A recipient as the operator sees it. */
export interface QueueEntry {
  readonly message: string
  readonly address: string
  readonly route: string
  readonly state: RecipientState
  readonly leased: boolean
  readonly dueAt: number
  readonly attempts: number
  /** Reason of the hold, or what the last attempt met; '' before the first. */
  readonly detail: string
  readonly reversePath: string
  readonly acceptedAt: number
  readonly expiresAt: number
  readonly sizeBytes: number
  readonly origin: Origin
}

/** Which recipients a listing or an operator's command means. Given members must all match. */
export interface QueueFilter {
  readonly message?: string
  readonly state?: RecipientState
  readonly route?: string
  /** Recipient's address, or `@domain`; upper and lower case are the same. */
  readonly to?: string
  /** Reverse-path, or `@domain`; '' or `<>` is the null reverse-path. */
  readonly from?: string
  /** Part of the reason of the hold, or of what the last attempt met; upper and lower case are the same. */
  readonly reason?: string
  /** Accepted before this moment, milliseconds since 1970. */
  readonly acceptedBefore?: number
  /** Accepted at this moment or later. */
  readonly acceptedSince?: number
}

/** A destination nothing is sent to, by an operator's word. */
export interface Suspension {
  readonly route: string
  readonly reason: string
  readonly since: number
  /** Null: until it is resumed. Milliseconds since 1970. */
  readonly until: number | null
}

/** Recipients of one domain that are owed mail, by the age of their message. */
export interface AgeRow {
  readonly domain: string
  /** As many as AGE_BOUNDS_MS and one more: those older than the last bound. */
  readonly counts: readonly number[]
}

/** Ages that part the columns of the table: 5 minutes, and each twice the last. */
export const AGE_BOUNDS_MS: readonly number[] = Array.from({ length: 9 }, (_, index) => 300_000 * 2 ** index)

export interface QueueCounts {
  readonly messages: number
  /** Recipients owed and not held, those being delivered among them. */
  readonly due: number
  readonly held: number
  /** Recipients under a lease, also one that is over and was not claimed again. */
  readonly leased: number
  /** Octets of the messages as they will be sent. */
  readonly bytes: number
  /** Recipients put on hold since the start because what is stored of them cannot be read or is not what was stored. */
  readonly damaged: number
  /** Recipients put on hold since the start because whoever attempted them ended, again and again. */
  readonly poisoned: number
  /** Earliest moment something can be claimed: it is due, or its lease is over. Null when nothing is owed. */
  readonly nextDueAt: number | null
}

export interface ClaimRequest {
  readonly lease: Lease
  readonly now: number
  /** At most this many deliveries. */
  readonly limit: number
  /** Routes that can take nothing now. */
  readonly exceptRoutes: readonly string[]
}

export interface QueueStore {
  /**
   * Stores message and envelope. When it resolves they survive a power cut: only then may 250 be said. With a
   * lease, what is not held is claimed in the same commit and returned; without, it waits to be claimed.
   *
   * @throws StoreFault `full` when there is no room, `unavailable` otherwise
   */
  add(message: NewMessage, lease: Lease | null): Promise<readonly Delivery[]>
  /**
   * Claims due deliveries, the longest due first. What cannot be read or is not what was stored is put on hold and
   * counted instead, so that it does not stop the others; so is what was reclaimed too often.
   */
  claim(request: ClaimRequest): Promise<readonly Delivery[]>
  /**
   * Content of a message that is still owed.
   *
   * @throws StoreFault `damaged` when it is not what was stored, `unavailable` also when there is no such message
   */
  content(message: string): Promise<StoredContent>
  /**
   * An attempt of suspect work is about to begin: should its owner end before the outcome is settled, that counts, and
   * with the fifth time the recipients are held.
   *
   * @returns false when the lease was lost
   */
  begin(delivery: Delivery): Promise<boolean>
  /** Holds whoever is still due of a message that turned out to be damaged, under a lease or not. Returns how many. */
  setAside(message: string, reason: string): Promise<number>
  /** Extends leases; returns the deliveries that were lost to another claim meanwhile. */
  renew(deliveries: readonly Delivery[], until: number): Promise<readonly Delivery[]>
  /**
   * Writes down what became of each recipient and gives the lease back, also for recipients no settlement names: they
   * are due again at once. Durable when it resolves; a message nobody is owed any more is gone with it.
   *
   * @param notices stored in the same commit, to be claimed at once: whom a settlement gives up is told of, or is
   *   not given up. Their content is in memory.
   * @returns false when the lease, or one recipient of it, had been lost: nothing was changed, no notice stored
   */
  settle(
    delivery: Delivery,
    settlements: readonly Settlement[],
    notices: readonly NewMessage[],
  ): Promise<boolean>
  /** Gives leases back untouched: the work is due again at once. */
  release(deliveries: readonly Delivery[]): Promise<void>
  /**
   * Ends every lease of this owner, or of everyone (null): what a start does with its predecessor's. Returns how many
   * recipients that concerned. A settlement that still arrives counts until the work is claimed again.
   */
  reclaim(owner: string | null): Promise<number>
  /** In the order of acceptance. */
  list(filter: QueueFilter, limit: number): Promise<readonly QueueEntry[]>
  /** Makes matching recipients that wait for their next attempt due at once. Returns how many. */
  retryNow(filter: QueueFilter, now: number): Promise<number>
  /** Holds matching recipients that are not being delivered. */
  hold(filter: QueueFilter, reason: string): Promise<number>
  /** Lets matching held recipients go, due at once, with a new life of `lifetimeMs`. */
  unhold(filter: QueueFilter, now: number, lifetimeMs: number): Promise<number>
  /** Has matching recipients that are not being delivered given up, and their senders told. */
  bounce(filter: QueueFilter, reason: string, now: number): Promise<number>
  /** Ages of what matches and is owed, by domain of the recipient, the most first. In steps, like the commands. */
  ages(filter: QueueFilter, now: number): Promise<readonly AgeRow[]>
  /** Writes the suspension down; it takes the place of an earlier one of that route. */
  suspend(suspension: Suspension): Promise<void>
  /** False when the route was not suspended. */
  resume(route: string): Promise<boolean>
  /** Those in force and those that are over. */
  suspensions(): Promise<readonly Suspension[]>
  /** Forgets matching recipients that are not being delivered, without a bounce. */
  drop(filter: QueueFilter): Promise<number>
  /** Cheap: does not depend on the length of the queue. */
  counts(): Promise<QueueCounts>
  /** Those of the messages that are stored: what a sweep of the spool must not remove. */
  stored(messages: readonly string[]): Promise<readonly string[]>
  close(): Promise<void>
}
