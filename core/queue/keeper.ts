/** Starts the keeper thread and gives the stores behind it. Several workers have a process instead: keeper-socket.ts. */
import { Worker } from 'node:worker_threads'
import type { Concurrency } from '../state/concurrency.ts'
import { LocalConcurrency } from '../state/concurrency.ts'
import type { StateStore } from '../state/state-store.ts'
import type { Tallies } from '../state/tallies.ts'
import { LocalTallies } from '../state/tallies.ts'
import type { UsageMeter } from '../state/usage.ts'
import { LocalUsage } from '../state/usage.ts'
import { KeeperClient, type StoreBacklog } from './keeper-client.ts'
import type { FromKeeper, KeeperSettings, ToKeeper } from './keeper-protocol.ts'
import { KeeperQueueStore } from './keeper-queue-store.ts'
import { KeeperStateStore } from './keeper-state-store.ts'
import type { DatabaseDamage } from './keeper-upkeep.ts'
import type { SetAside } from './local-set-aside.ts'
import type { QueueStore } from './queue-store.ts'
import { StoreFault } from './queue-store.ts'

export interface KeeperOptions extends KeeperSettings {
  /** Source of the thread: core/process/keeper-thread.ts. */
  readonly entry: URL
  /** Called once when the keeper ends without having been closed. Whatever waited has been rejected by then. */
  readonly onDeath: (fault: StoreFault) => void
  /** Told what the store put on hold by itself. */
  readonly onSetAside?: (news: SetAside) => void
  /** Told what is wrong with a database. */
  readonly onDamage?: (damage: DatabaseDamage) => void
}

export interface Keeper {
  readonly queue: QueueStore
  readonly state: StateStore
  /** What there may be only so many of at once, in all workers of this keeper together. */
  readonly concurrency: Concurrency
  /** What all workers of this keeper count together. */
  readonly tallies: Tallies
  /** What client networks use up, counted by all workers of this keeper together. */
  readonly usage: UsageMeter
  /** What this worker waits for. */
  readonly backlog: () => StoreBacklog
  /** Finishes what was asked for and closes the databases. Later calls are rejected. */
  close(): Promise<void>
}

/**
 * Starts a keeper for the store in `directory`, whose lock the caller's process holds.
 *
 * @throws StoreFault when the databases cannot be opened, or a newer release wrote them
 */
export function startKeeper({
  entry,
  directory,
  onDeath,
  onSetAside,
  onDamage,
}: KeeperOptions): Promise<Keeper> {
  const thread = new Worker(entry, { name: 'keeper', workerData: { directory } satisfies KeeperSettings })
  const client = new KeeperClient({
    isFull: false,
    postMessage: (message, parts) => thread.postMessage(message, [...parts]),
  })
  const { promise: started, resolve, reject } = Promise.withResolvers<Keeper>()
  const exited = new Promise<void>((ended) => thread.once('exit', () => ended()))
  let phase: 'starting' | 'running' | 'closing' | 'ended' = 'starting'

  const close = async (): Promise<void> => {
    if (phase === 'running') {
      phase = 'closing'
      client.flush()
      thread.postMessage({ kind: 'close' } satisfies ToKeeper)
    }
    await exited
  }
  const die = (fault: StoreFault): void => {
    const before = phase
    phase = 'ended'
    client.end(fault)
    if (before === 'starting') reject(fault)
    if (before === 'running') onDeath(fault)
  }
  thread.on('message', (message: FromKeeper) => {
    client.received(message)
    if (message.kind === 'refused') die(new StoreFault(message.code, message.message))
    if (message.kind === 'set-aside') onSetAside?.(message.news)
    if (message.kind === 'damage') onDamage?.(message.damage)
    if (message.kind !== 'ready') return
    phase = 'running'
    resolve({
      queue: new KeeperQueueStore(client, close),
      state: new KeeperStateStore(client, close),
      // The only worker asks nobody.
      concurrency: new LocalConcurrency(),
      tallies: new LocalTallies(() => performance.now()),
      usage: new LocalUsage(() => performance.now()),
      backlog: () => client.backlog,
      close,
    })
  })
  thread.once('error', (error) => die(new StoreFault('unavailable', 'the keeper failed', { cause: error })))
  thread.once('messageerror', (error) =>
    die(new StoreFault('unavailable', 'the keeper is garbled', { cause: error })),
  )
  thread.once('exit', () => die(new StoreFault('unavailable', 'the store is closed')))
  return started
}
