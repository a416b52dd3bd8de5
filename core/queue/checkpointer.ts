/** The checkpointing thread of a keeper: watches its databases until it is terminated. */
import { workerData } from 'node:worker_threads'
import { Checkpoint } from './checkpoint.ts'

const STEP_INTERVAL_MS = 250

const { files } = workerData as { readonly files: readonly string[] }
const checkpoints = files.map((file) => new Checkpoint(file))

setInterval(() => {
  for (const checkpoint of checkpoints) {
    try {
      checkpoint.step(performance.now())
    } catch {
      // A full volume or a long commit in the way: nothing is lost, the log keeps the pages for the next step.
    }
  }
}, STEP_INTERVAL_MS)
