/** What a keeper does unasked, in a thread or in a process: checkpoints, and values whose time is over. */
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import type { Log } from '../observe/log.ts'
import { QUEUE_FILE, STATE_FILE } from './keeper-files.ts'
import type { KeeperService } from './keeper-service.ts'

/** What the check of a database at the start has found. */
export interface DatabaseDamage {
  readonly file: string
  readonly findings: readonly string[]
}

export function logDamage({ file, findings }: DatabaseDamage, log: Log): void {
  log.error('store-damaged', { file, findings, remedy: 'stop the gateway and run: postern salvage' })
}

const PURGE_INTERVAL_MS = 5_000
const CHECKPOINTS_AFTER_MS = 1_000

/**
 * Begins it for the store in `directory`.
 *
 * @param onDamage told once what is wrong with a database
 * @returns what ends it, before the databases are closed
 */
export function startUpkeep(
  service: KeeperService,
  directory: string,
  onDamage: (damage: DatabaseDamage) => void,
): () => Promise<void> {
  const stopPurging = purgeRegularly(service)
  const stopCheckpoints = startCheckpoints(directory, onDamage)
  return async () => {
    stopPurging()
    await stopCheckpoints()
  }
}

/** Deletes values of the state whose time is over, in small steps between two transactions. */
function purgeRegularly(service: KeeperService): () => void {
  let isStopped = false
  const purge = (): void => {
    if (isStopped) return
    if (service.purge(Date.now())) setImmediate(purge)
  }
  const timer = setInterval(purge, PURGE_INTERVAL_MS)
  return () => {
    isStopped = true
    clearInterval(timer)
  }
}

/** Starts the checkpointing thread once the gateway is up: nothing needs it sooner. Returns what ends it. */
function startCheckpoints(
  directory: string,
  onDamage: (damage: DatabaseDamage) => void,
): () => Promise<void> {
  const files = [QUEUE_FILE, STATE_FILE].map((file) => join(directory, file))
  const entry = new URL('./checkpointer.ts', import.meta.url)
  let checkpointer: Worker | null = null
  const starting = setTimeout(() => {
    // Without it the log would grow for ever: should it fail, the keeper fails with it.
    checkpointer = new Worker(entry, { name: 'checkpointer', workerData: { files } })
    checkpointer.on('message', onDamage)
  }, CHECKPOINTS_AFTER_MS)
  return async () => {
    clearTimeout(starting)
    // In the midst of a checkpoint it is as good as killed, which loses nothing.
    await checkpointer?.terminate()
  }
}
