/** The keeper's work without its thread or process: the local databases, and batches of calls run on them. */
import { unlink } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { StoredContent } from '../mail/message.ts'
import { openDatabase } from '../state/database.ts'
import { LocalState, STATE_MIGRATIONS } from '../state/local-state.ts'
import { storeFault } from '../state/store-fault.ts'
import type { Result } from './group-commit.ts'
import { GroupCommit } from './group-commit.ts'
import { QUEUE_FILE, STATE_FILE } from './keeper-files.ts'
import type {
  Answer,
  Batch,
  Call,
  QueueCall,
  SharedCall,
  StateCall,
  WireBytes,
  WireMessage,
} from './keeper-protocol.ts'
import { packContent, unpackContent } from './keeper-protocol.ts'
import type { CommandStep } from './local-listing.ts'
import { QUEUE_MIGRATIONS } from './local-schema.ts'
import type { SetAside } from './local-set-aside.ts'
import { LocalStore } from './local-store.ts'
import type { NewMessage } from './queue-store.ts'
import { requireSoundLog } from './salvage.ts'
import { SharedCounts } from './shared-counts.ts'
import { SPOOL_FOLDER } from './spool.ts'

/** Calls are taken up to this many octets at a time, so that no transaction grows without bound. */
export const TRANSACTION_BYTES = 32 * 1024 * 1024
/** Values purged at a time: a few milliseconds. */
const PURGE_LIMIT = 500
/** Answers are cut into batches of about so many octets beside their text. */
const ANSWER_BYTES = 8 * 1024 * 1024

/** What a power cut leaves, or damage of what was written last: there is no telling. */
const UNFINISHED: SetAside = Object.freeze({
  kind: 'damaged',
  message: '',
  recipients: 0,
  reason: `the last transaction in the log of ${QUEUE_FILE} is not whole and left out`,
})

/** Whoever calls and is answered. */
export interface Peer {
  /** Under which it holds leases and counts; a name for this life of it. */
  readonly owner: string
  answer(batch: Batch): void
}

/** A batch that has arrived. */
export interface Arrival {
  readonly peer: Peer
  readonly calls: readonly Call[]
  readonly parts: readonly ArrayBuffer[]
}

/** Who waits for the answer to which call. */
interface Asked {
  readonly peer: Peer
  readonly id: number
}

/** A call and the octets of the batch it came with. */
interface QueueOperation {
  readonly call: QueueCall
  readonly parts: readonly ArrayBuffer[]
}

export class KeeperService {
  readonly #queueDatabase: DatabaseSync
  readonly #stateDatabase: DatabaseSync
  readonly #queue: GroupCommit<QueueOperation>
  readonly #state: GroupCommit<StateCall | { readonly name: 'purge'; readonly now: number }>
  readonly #shared = new SharedCounts()

  /**
   * @param onSetAside told what the store put on hold by itself
   * @throws StoreFault when a database cannot be opened or is newer than this release
   */
  constructor(directory: string, now: number, onSetAside: (news: SetAside) => void = () => {}) {
    if (requireSoundLog(join(directory, QUEUE_FILE)) === 'tail') onSetAside(UNFINISHED)
    this.#queueDatabase = openDatabase(join(directory, QUEUE_FILE), {
      durability: 'full',
      migrations: QUEUE_MIGRATIONS,
      cacheKiB: 32_768,
    })
    this.#stateDatabase = openDatabase(join(directory, STATE_FILE), {
      durability: 'normal',
      migrations: STATE_MIGRATIONS,
      cacheKiB: 8_192,
    })
    const store = new LocalStore(this.#queueDatabase, { spoolDirectory: join(directory, SPOOL_FOLDER), now })
    const state = new LocalState(this.#stateDatabase)
    this.#queue = new GroupCommit(this.#queueDatabase, {
      apply: ({ call, parts }) => applyToQueue(store, call, parts),
      beforeCommit: () => store.beforeCommit(),
      committed: () => {
        const { unneeded, setAside } = store.committed()
        removeFiles(unneeded)
        for (const news of setAside) onSetAside(news)
      },
      rolledBack: () => store.rolledBack(),
    })
    this.#state = new GroupCommit(this.#stateDatabase, {
      apply: (call) =>
        call.name === 'purge' ? state.purge(call.now, PURGE_LIMIT) : applyToState(state, call),
      beforeCommit: () => {},
      committed: () => {},
      rolledBack: () => {},
    })
  }

  /** Transactions of the queue committed so far. */
  get commits(): number {
    return this.#queue.commits
  }

  /** For measuring and for tests of a full volume. */
  get queueDatabase(): DatabaseSync {
    return this.#queueDatabase
  }

  /**
   * Runs everything that has arrived, in one transaction for each database. Answers of what is counted and of the
   * state come first: they do not wait for the queue's sync.
   *
   * @returns those who made work due that others can claim
   */
  run(arrivals: readonly Arrival[]): ReadonlySet<Peer> {
    const shared = new Collected<SharedCall>()
    const state = new Collected<StateCall>()
    const queue = new Collected<QueueOperation>()
    for (const { peer, calls, parts } of arrivals) {
      for (const { id, store, call } of calls) {
        if (store === 'queue') queue.add({ peer, id }, { call, parts })
        else if (store === 'state') state.add({ peer, id }, call)
        else shared.add({ peer, id }, call)
      }
    }
    answer(shared.asked, this.#count(shared))
    answer(state.asked, this.#state.run(state.operations))
    const results = this.#queue.run(queue.operations)
    answer(queue.asked, results)
    const makers = queue.asked.filter((_, index) => makesDue(queue.operations[index]?.call, results[index]))
    return new Set(makers.map(({ peer }) => peer))
  }

  /** Runs one call of the keeper's own, without octets. @throws StoreFault */
  ask(call: QueueCall): unknown {
    const [result] = this.#queue.run([{ call, parts: [] }])
    if (result?.ok === false) throw result.fault
    return result?.value
  }

  /** An owner is gone: its leases are due at once, its counts forgotten. Returns how many recipients. @throws StoreFault */
  forget(owner: string): number {
    this.#shared.forget(owner)
    return Number(this.ask({ name: 'reclaim', arguments: { owner } }))
  }

  /** Deletes some values of the state whose time is over; true when there may be more. */
  purge(now: number): boolean {
    const [result] = this.#state.run([{ name: 'purge', now }])
    return result?.ok === true && result.value === PURGE_LIMIT
  }

  close(): void {
    this.#stateDatabase.close()
    this.#queueDatabase.close()
  }

  #count({ asked, operations }: Collected<SharedCall>): Result[] {
    return operations.map((call, index) => {
      try {
        return { ok: true, value: this.#shared.apply(asked[index]?.peer.owner ?? '', call) }
      } catch (error) {
        return { ok: false, fault: storeFault(error) }
      }
    })
  }
}

/** Operations of one store, and who asked for each. */
class Collected<Operation> {
  readonly asked: Asked[] = []
  readonly operations: Operation[] = []

  add(asked: Asked, operation: Operation): void {
    this.asked.push(asked)
    this.operations.push(operation)
  }
}

/** Whether there is work now that nobody has a lease of. */
function makesDue(call: QueueCall | undefined, result: Result | undefined): boolean {
  if (call === undefined || result?.ok !== true) return false
  if (call.name === 'add') return call.arguments.lease === null
  if (call.name === 'release') return call.arguments.leases.length > 0
  if (call.name === 'reclaim') return Number(result.value) > 0
  if (call.name !== 'command') return false
  const { kind } = call.arguments.command
  return (
    (kind === 'retry-now' || kind === 'unhold' || kind === 'bounce') &&
    (result.value as CommandStep).changed > 0
  )
}

/** Gives every peer its answers. */
function answer(asked: readonly Asked[], results: readonly Result[]): void {
  const byPeer = new Map<Peer, { ids: number[]; results: Result[] }>()
  for (const [index, result] of results.entries()) {
    const waiting = asked[index]
    if (waiting === undefined) continue
    const own = byPeer.get(waiting.peer) ?? { ids: [], results: [] }
    byPeer.set(waiting.peer, own)
    own.ids.push(waiting.id)
    own.results.push(result)
  }
  for (const [peer, own] of byPeer) for (const batch of answersOf(own.ids, own.results)) peer.answer(batch)
}

function applyToQueue(store: LocalStore, call: QueueCall, parts: readonly ArrayBuffer[]): unknown {
  switch (call.name) {
    case 'add': {
      const { message, lease } = call.arguments
      return store.add(unpackMessage(message, parts), lease)
    }
    case 'claim':
      return store.claims.claim(call.arguments)
    case 'content':
      return store.content(call.arguments.message)
    case 'renew':
      return store.claims.renew(call.arguments.leases, call.arguments.until)
    case 'settle': {
      const { lease, settlements, notices } = call.arguments
      const unpacked = notices.map((notice) => unpackMessage(notice, parts))
      return store.settle(lease, settlements, unpacked)
    }
    case 'release':
      return store.claims.release(call.arguments.leases)
    case 'reclaim':
      return store.claims.reclaim(call.arguments.owner)
    case 'list':
      return store.listing.list(call.arguments.filter, call.arguments.limit)
    case 'command': {
      const { command, filter, cursor, limit } = call.arguments
      return store.listing.step(command, filter, cursor, limit)
    }
    case 'counts':
      return store.listing.counts(store.setAsideCounts)
    case 'stored':
      return store.stored(call.arguments.messages)
    case 'ages': {
      const { filter, cursor, limit, now } = call.arguments
      return store.listing.ages(filter, cursor, limit, now)
    }
    case 'suspend':
      return store.suspensions.suspend(call.arguments)
    case 'resume':
      return store.suspensions.resume(call.arguments.route)
    case 'suspensions':
      return store.suspensions.all()
    case 'begin':
      return store.claims.begin(call.arguments.lease)
    case 'set-aside':
      return store.setAside(call.arguments.message, call.arguments.reason)
  }
}

function unpackMessage(message: WireMessage, parts: readonly ArrayBuffer[]): NewMessage {
  return { ...message, stored: unpackContent(message.stored, parts) }
}

function applyToState(state: LocalState, call: StateCall): unknown {
  switch (call.name) {
    case 'get':
      return state.get(call.arguments.key, call.arguments.now)
    case 'set':
      return state.set(call.arguments.key, call.arguments.value, call.arguments.expiresAt)
    case 'increment': {
      const { key, by, now, expiresAt } = call.arguments
      return state.increment(key, by, now, expiresAt)
    }
    case 'delete':
      return state.delete(call.arguments.key)
  }
}

/** The answers; contents put their octets beside the text, as they came out of the database. */
function* answersOf(ids: readonly number[], results: readonly Result[]): Generator<Batch> {
  let answers: Answer[] = []
  let parts: ArrayBuffer[] = []
  let partBytes = 0
  const place = (bytes: Uint8Array): WireBytes => {
    parts.push(exactBuffer(bytes))
    partBytes += bytes.byteLength
    return { part: parts.length - 1, offset: 0, length: bytes.byteLength }
  }
  for (const [index, result] of results.entries()) {
    answers.push(answerOf(ids[index] ?? -1, result, place))
    if (partBytes < ANSWER_BYTES) continue
    yield { text: JSON.stringify(answers), parts }
    answers = []
    parts = []
    partBytes = 0
  }
  if (answers.length > 0) yield { text: JSON.stringify(answers), parts }
}

function answerOf(id: number, result: Result, place: (bytes: Uint8Array) => WireBytes): Answer {
  if (!result.ok) return { id, fault: { code: result.fault.code, message: result.fault.message } }
  const { value } = result
  return { id, value: isContent(value) ? packContent(value, place) : (value ?? null) }
}

function isContent(value: unknown): value is StoredContent {
  return typeof value === 'object' && value !== null && 'contentOffset' in value
}

function exactBuffer(bytes: Uint8Array): ArrayBuffer {
  const { buffer } = bytes
  const isExact = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength
  return isExact ? buffer : new Uint8Array(bytes).buffer
}

function removeFiles(files: readonly string[]): void {
  // What cannot be removed now is an orphan, which the sweep of the next start removes.
  for (const file of files) unlink(file, () => {})
}
