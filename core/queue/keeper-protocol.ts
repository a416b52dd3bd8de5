/**
 * What worker and keeper say to each other. Calls and answers travel as one JSON text a batch, octets beside it in
 * array buffers: both are cheaper for the worker's loop than cloning objects. To a keeper's thread the buffers are
 * transferred, to its process they go as they are (keeper-frames.ts).
 */
import type { Content, StoredContent } from '../mail/message.ts'
import type { TallyKey } from '../state/tallies.ts'
import type { Amounts } from '../state/usage.ts'
import type { DatabaseDamage } from './keeper-upkeep.ts'
import type { AgesStep, CommandStep, Cursor, QueueCommand } from './local-listing.ts'
import type { SetAside } from './local-set-aside.ts'
import type {
  ClaimRequest,
  Delivery,
  Lease,
  LeaseKey,
  NewMessage,
  QueueCounts,
  QueueEntry,
  QueueFilter,
  Settlement,
  StoreFault,
  Suspension,
} from './queue-store.ts'

/** Octets that travel beside the text: a range of one of its parts. */
export interface WireBytes {
  readonly part: number
  readonly offset: number
  readonly length: number
}

export interface WireContent {
  readonly head: WireBytes
  readonly content: WireBytes | Extract<Content, { kind: 'spool' }>
  readonly contentOffset: number
}

export type WireMessage = Omit<NewMessage, 'stored'> & { readonly stored: WireContent }

/** Every operation of the queue, with its arguments and its answer. */
export interface QueueOperations {
  readonly add: { arguments: { message: WireMessage; lease: Lease | null }; answer: readonly Delivery[] }
  readonly claim: { arguments: ClaimRequest; answer: readonly Delivery[] }
  readonly content: { arguments: { message: string }; answer: WireContent }
  readonly renew: { arguments: { leases: readonly LeaseKey[]; until: number }; answer: readonly LeaseKey[] }
  readonly settle: {
    arguments: {
      lease: LeaseKey
      settlements: readonly Settlement[]
      notices: readonly WireMessage[]
    }
    answer: boolean
  }
  readonly release: { arguments: { leases: readonly LeaseKey[] }; answer: null }
  readonly reclaim: { arguments: { owner: string | null }; answer: number }
  readonly list: { arguments: { filter: QueueFilter; limit: number }; answer: readonly QueueEntry[] }
  readonly command: {
    arguments: { command: QueueCommand; filter: QueueFilter; cursor: Cursor; limit: number }
    answer: CommandStep
  }
  readonly counts: { arguments: object; answer: QueueCounts }
  readonly stored: { arguments: { messages: readonly string[] }; answer: readonly string[] }
  readonly ages: {
    arguments: { filter: QueueFilter; cursor: Cursor; limit: number; now: number }
    answer: AgesStep
  }
  readonly suspend: { arguments: Suspension; answer: null }
  readonly resume: { arguments: { route: string }; answer: boolean }
  readonly suspensions: { arguments: object; answer: readonly Suspension[] }
  readonly begin: { arguments: { lease: LeaseKey }; answer: boolean }
  readonly 'set-aside': { arguments: { message: string; reason: string }; answer: number }
}

/** Every operation of the state. A missing value travels as null. */
export interface StateOperations {
  readonly get: { arguments: { key: string; now: number }; answer: string | null }
  readonly set: { arguments: { key: string; value: string; expiresAt: number }; answer: null }
  readonly increment: {
    arguments: { key: string; by: number; now: number; expiresAt: number }
    answer: number
  }
  readonly delete: { arguments: { key: string }; answer: null }
}

/** A slot on its way: JSON has no Infinity, which is null here. */
export interface WireSlot {
  readonly key: string
  readonly limit: number | null
}

/** Every operation on what the keeper counts in memory for all workers. */
export interface SharedOperations {
  readonly acquire: { arguments: { slots: readonly WireSlot[] }; answer: string | null }
  readonly release: { arguments: { keys: readonly string[] }; answer: null }
  readonly 'add-tallies': { arguments: { keys: readonly TallyKey[] }; answer: readonly number[] }
  readonly tallies: { arguments: { keys: readonly TallyKey[] }; answer: readonly number[] }
  readonly 'clear-tallies': { arguments: { keys: readonly TallyKey[] }; answer: null }
  /** Counts; the answer is what all workers have counted, in the order of the keys. */
  readonly 'add-usage': {
    arguments: { keys: readonly { readonly key: string; readonly amounts: Amounts }[] }
    answer: readonly Amounts[]
  }
}

type CallOf<Operations> = {
  [Name in keyof Operations]: {
    readonly name: Name
    readonly arguments: Operations[Name] extends { arguments: infer Arguments } ? Arguments : never
  }
}[keyof Operations]

export type QueueCall = CallOf<QueueOperations>
export type StateCall = CallOf<StateOperations>
export type SharedCall = CallOf<SharedOperations>

/** One call of a batch; `id` comes back with its answer. */
export type Call =
  | { readonly id: number; readonly store: 'queue'; readonly call: QueueCall }
  | { readonly id: number; readonly store: 'state'; readonly call: StateCall }
  | { readonly id: number; readonly store: 'shared'; readonly call: SharedCall }

export type Answer =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly fault: { readonly code: StoreFault['code']; readonly message: string } }

/** A batch on its way: JSON of calls or answers, and the octets they name. */
export interface Batch {
  readonly text: string
  readonly parts: readonly ArrayBuffer[]
}

/** `close` is the last one. */
export type ToKeeper = { readonly kind: 'calls'; readonly batch: Batch } | { readonly kind: 'close' }

export type FromKeeper =
  | { readonly kind: 'ready' }
  | { readonly kind: 'refused'; readonly code: StoreFault['code']; readonly message: string }
  | { readonly kind: 'answers'; readonly batch: Batch }
  | { readonly kind: 'set-aside'; readonly news: SetAside }
  | { readonly kind: 'damage'; readonly damage: DatabaseDamage }

/** What a keeper needs to start. */
export interface KeeperSettings {
  /** Folder of the store, absolute. It exists. */
  readonly directory: string
}

/** Content of which the octets are elsewhere; `place` says where each piece went. */
export function packContent(stored: StoredContent, place: (bytes: Uint8Array) => WireBytes): WireContent {
  const { head, content, contentOffset } = stored
  return {
    head: place(head),
    content: content.kind === 'inline' ? place(content.bytes) : content,
    contentOffset,
  }
}

/** The content again, its octets being views of `parts`. */
export function unpackContent(wire: WireContent, parts: readonly ArrayBuffer[]): StoredContent {
  const view = ({ part, offset, length }: WireBytes): Uint8Array => {
    const buffer = parts[part]
    if (buffer === undefined) throw new RangeError(`part ${part} of the batch is missing`)
    return new Uint8Array(buffer, offset, length)
  }
  const content: Content =
    'kind' in wire.content ? wire.content : { kind: 'inline', bytes: view(wire.content) }
  return { head: view(wire.head), content, contentOffset: wire.contentOffset }
}
