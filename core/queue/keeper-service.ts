/** The keeper's work without its thread: the local databases, and batches of calls run on them. */
import { unlink } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import type { StoredContent } from '../mail/message.ts'
import { openDatabase } from '../state/database.ts'
import { LocalState, STATE_MIGRATIONS } from '../state/local-state.ts'
import type { Result } from './group-commit.ts'
import { GroupCommit } from './group-commit.ts'
import type { Answer, Batch, Call, QueueCall, StateCall, WireBytes, WireMessage } from './keeper-protocol.ts'
import { packContent, unpackContent } from './keeper-protocol.ts'
import { QUEUE_MIGRATIONS } from './local-schema.ts'
import { LocalStore } from './local-store.ts'
import type { NewMessage } from './queue-store.ts'
import { SPOOL_FOLDER } from './spool.ts'

export const QUEUE_FILE = 'queue.db'
export const STATE_FILE = 'state.db'

/** Values purged at a time: a few milliseconds. */
const PURGE_LIMIT = 500

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

  /** @throws StoreFault when a database cannot be opened or is newer than this release */
  constructor(directory: string, now: number) {
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
      committed: () => removeFiles(store.committed()),
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
   * Runs everything that has arrived, in one transaction for each database. Answers about state come first: they do
   * not wait for the queue's sync.
   */
  run(batches: readonly Batch[], answer: (batch: Batch) => void): void {
    const queueIds: number[] = []
    const queueCalls: QueueOperation[] = []
    const stateIds: number[] = []
    const stateCalls: StateCall[] = []
    for (const { text, parts } of batches) {
      for (const call of JSON.parse(text) as Call[]) {
        if (call.store === 'queue') {
          queueIds.push(call.id)
          queueCalls.push({ call: call.call, parts })
        } else {
          stateIds.push(call.id)
          stateCalls.push(call.call)
        }
      }
    }
    if (stateIds.length > 0) answer(answersOf(stateIds, this.#state.run(stateCalls)))
    if (queueIds.length > 0) answer(answersOf(queueIds, this.#queue.run(queueCalls)))
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
      return store.listing.counts(store.claims.damaged)
    case 'stored':
      return store.stored(call.arguments.messages)
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

/** The answers as one batch; contents put their octets beside it, as they came out of the database. */
function answersOf(ids: readonly number[], results: readonly Result[]): Batch {
  const parts: ArrayBuffer[] = []
  const place = (bytes: Uint8Array): WireBytes => {
    parts.push(exactBuffer(bytes))
    return { part: parts.length - 1, offset: 0, length: bytes.byteLength }
  }
  const answers = results.map((result, index): Answer => {
    const id = ids[index] ?? -1
    if (!result.ok) return { id, fault: { code: result.fault.code, message: result.fault.message } }
    const { value } = result
    return { id, value: isContent(value) ? packContent(value, place) : (value ?? null) }
  })
  return { text: JSON.stringify(answers), parts }
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
