/** The queue store a worker uses when a keeper owns the databases. */
import type { StoredContent } from '../mail/message.ts'
import type { KeeperClient } from './keeper-client.ts'
import type { QueueCall, QueueOperations, WireMessage } from './keeper-protocol.ts'
import { packContent, unpackContent } from './keeper-protocol.ts'
import type { Cursor, QueueCommand } from './local-listing.ts'
import { FROM_THE_START } from './local-listing.ts'
import type {
  AgeRow,
  ClaimRequest,
  Delivery,
  Lease,
  LeaseKey,
  NewMessage,
  QueueCounts,
  QueueEntry,
  QueueFilter,
  QueueStore,
  Settlement,
  Suspension,
} from './queue-store.ts'

/** Recipients an operator's command changes in one transaction. */
const COMMAND_STEP = 500
/** Recipients looked at between two turns of others: a few milliseconds. */
const AGES_STEP = 5_000

export class KeeperQueueStore implements QueueStore {
  readonly #client: KeeperClient
  readonly #close: () => Promise<void>

  constructor(client: KeeperClient, close: () => Promise<void>) {
    this.#client = client
    this.#close = close
  }

  add(message: NewMessage, lease: Lease | null): Promise<readonly Delivery[]> {
    return this.#call({ name: 'add', arguments: { message: this.#packed(message), lease } })
  }

  claim(request: ClaimRequest): Promise<readonly Delivery[]> {
    return this.#call({ name: 'claim', arguments: request })
  }

  async content(message: string): Promise<StoredContent> {
    const call = { name: 'content', arguments: { message } } as const
    const { value, parts } = await this.#client.call({ store: 'queue', call })
    return unpackContent(value as QueueOperations['content']['answer'], parts)
  }

  async renew(deliveries: readonly Delivery[], until: number): Promise<readonly Delivery[]> {
    const leases = deliveries.map(keyOf)
    const lost = await this.#call<'renew'>({ name: 'renew', arguments: { leases, until } })
    const fences = new Set(lost.map(({ fence }) => fence))
    return deliveries.filter(({ fence }) => fences.has(fence))
  }

  settle(
    delivery: Delivery,
    settlements: readonly Settlement[],
    notices: readonly NewMessage[],
  ): Promise<boolean> {
    const packed = notices.map((notice) => this.#packed(notice))
    return this.#call({ name: 'settle', arguments: { lease: keyOf(delivery), settlements, notices: packed } })
  }

  async release(deliveries: readonly Delivery[]): Promise<void> {
    await this.#call({ name: 'release', arguments: { leases: deliveries.map(keyOf) } })
  }

  reclaim(owner: string | null): Promise<number> {
    return this.#call({ name: 'reclaim', arguments: { owner } })
  }

  list(filter: QueueFilter, limit: number): Promise<readonly QueueEntry[]> {
    return this.#call({ name: 'list', arguments: { filter, limit } })
  }

  retryNow(filter: QueueFilter, now: number): Promise<number> {
    return this.#command({ kind: 'retry-now', now }, filter)
  }

  hold(filter: QueueFilter, reason: string): Promise<number> {
    return this.#command({ kind: 'hold', reason }, filter)
  }

  unhold(filter: QueueFilter, now: number, lifetimeMs: number): Promise<number> {
    return this.#command({ kind: 'unhold', now, expiresAt: now + lifetimeMs }, filter)
  }

  bounce(filter: QueueFilter, reason: string, now: number): Promise<number> {
    return this.#command({ kind: 'bounce', reason, now }, filter)
  }

  async ages(filter: QueueFilter, now: number): Promise<readonly AgeRow[]> {
    const counts = new Map<string, readonly number[]>()
    let cursor: Cursor | null = FROM_THE_START
    while (cursor !== null) {
      const step: QueueOperations['ages']['answer'] = await this.#call<'ages'>({
        name: 'ages',
        arguments: { filter, cursor, limit: AGES_STEP, now },
      })
      for (const row of step.rows) counts.set(row.domain, added(counts.get(row.domain) ?? [], row.counts))
      cursor = step.next
    }
    const rows = Array.from(counts, ([domain, row]) => ({ domain, counts: row }))
    return rows.toSorted((a, b) => sum(b.counts) - sum(a.counts))
  }

  async suspend(suspension: Suspension): Promise<void> {
    await this.#call({ name: 'suspend', arguments: suspension })
  }

  resume(route: string): Promise<boolean> {
    return this.#call({ name: 'resume', arguments: { route } })
  }

  suspensions(): Promise<readonly Suspension[]> {
    return this.#call({ name: 'suspensions', arguments: {} })
  }

  drop(filter: QueueFilter): Promise<number> {
    return this.#command({ kind: 'drop' }, filter)
  }

  begin(delivery: Delivery): Promise<boolean> {
    return this.#call({ name: 'begin', arguments: { lease: keyOf(delivery) } })
  }

  setAside(message: string, reason: string): Promise<number> {
    return this.#call({ name: 'set-aside', arguments: { message, reason } })
  }

  counts(): Promise<QueueCounts> {
    return this.#call({ name: 'counts', arguments: {} })
  }

  stored(messages: readonly string[]): Promise<readonly string[]> {
    return this.#call({ name: 'stored', arguments: { messages } })
  }

  /** Closes the keeper, and with it the state store. */
  close(): Promise<void> {
    return this.#close()
  }

  #packed(message: NewMessage): WireMessage {
    return { ...message, stored: packContent(message.stored, (bytes) => this.#client.place(bytes)) }
  }

  /** In steps: between two of them other calls get their turn. */
  async #command(command: QueueCommand, filter: QueueFilter): Promise<number> {
    let changed = 0
    let cursor: Cursor | null = FROM_THE_START
    while (cursor !== null) {
      const step: QueueOperations['command']['answer'] = await this.#call<'command'>({
        name: 'command',
        arguments: { command, filter, cursor, limit: COMMAND_STEP },
      })
      changed += step.changed
      cursor = step.next
    }
    return changed
  }

  async #call<Name extends QueueCall['name']>(
    call: Extract<QueueCall, { name: Name }>,
  ): Promise<QueueOperations[Name]['answer']> {
    const { value } = await this.#client.call({ store: 'queue', call })
    return value as QueueOperations[Name]['answer']
  }
}

function keyOf({ message, route, fence }: LeaseKey): LeaseKey {
  return { message, route, fence }
}

function added(a: readonly number[], b: readonly number[]): readonly number[] {
  return b.map((count, index) => count + (a[index] ?? 0))
}

function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0)
}
