/**
 * The checkpointing thread of a keeper: watches its databases until it is terminated. First it looks whether they are
 * sound; commits do not wait for that.
 */
import { statSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { Checkpoint } from './checkpoint.ts'
import { databaseDamage } from './database-damage.ts'
import type { DatabaseDamage } from './keeper-upkeep.ts'

const STEP_INTERVAL_MS = 250
/** Up to so many octets indexes are compared with their tables too: a second or two. */
const THOROUGH_BYTES = 256 * 1024 * 1024

const { files } = workerData as { readonly files: readonly string[] }
const checkpoints = files.map((file) => new Checkpoint(file))

for (const file of files) {
  const findings = findingsIn(file)
  if (findings.length > 0) parentPort?.postMessage({ file, findings } satisfies DatabaseDamage)
}

setInterval(() => {
  for (const checkpoint of checkpoints) {
    try {
      checkpoint.step(performance.now())
    } catch {
      // A full volume or a long commit in the way: nothing is lost, the log keeps the pages for the next step.
    }
  }
}, STEP_INTERVAL_MS)

function findingsIn(file: string): readonly string[] {
  try {
    return databaseDamage(file, statSync(file).size <= THOROUGH_BYTES ? 'thorough' : 'quick')
  } catch (error) {
    return [(error as Error).message]
  }
}
