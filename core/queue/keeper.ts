/** Starts the keeper thread and gives the stores behind it. */
import { Worker } from 'node:worker_threads'
import type { StateStore } from '../state/state-store.ts'
import { KeeperClient } from './keeper-client.ts'
import type { FromKeeper, KeeperSettings, ToKeeper } from './keeper-protocol.ts'
import { KeeperQueueStore } from './keeper-queue-store.ts'
import { KeeperStateStore } from './keeper-state-store.ts'
import type { QueueStore } from './queue-store.ts'
import { StoreFault } from './queue-store.ts'

export interface KeeperOptions extends KeeperSettings {
  /** Source of the thread: core/process/keeper.ts. */
  readonly entry: URL
  /** Called once when the keeper ends without having been closed. Whatever waited has been rejected by then. */
  readonly onDeath: (fault: StoreFault) => void
}

export interface Keeper {
  readonly queue: QueueStore
  readonly state: StateStore
  /** Finishes what was asked for and closes the databases. Later calls are rejected. */
  close(): Promise<void>
}

/**
 * Starts a keeper for the store in `directory`, whose lock the caller's process holds.
 *
 * @throws StoreFault when the databases cannot be opened, or a newer release wrote them
 */
export function startKeeper({ entry, directory, onDeath }: KeeperOptions): Promise<Keeper> {
  const thread = new Worker(entry, { name: 'keeper', workerData: { directory } satisfies KeeperSettings })
  const client = new KeeperClient({
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
    if (message.kind !== 'ready') return
    phase = 'running'
    resolve({ queue: new KeeperQueueStore(client, close), state: new KeeperStateStore(client, close), close })
  })
  thread.once('error', (error) => die(new StoreFault('unavailable', 'the keeper failed', { cause: error })))
  thread.once('messageerror', (error) =>
    die(new StoreFault('unavailable', 'the keeper is garbled', { cause: error })),
  )
  thread.once('exit', () => die(new StoreFault('unavailable', 'the store is closed')))
  return started
}
