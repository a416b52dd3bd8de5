/** A keeper that dies at the first call, in the way its address says. */
import { parentPort } from 'node:worker_threads'

parentPort?.once('message', () => {
  if (import.meta.url.endsWith('?exits')) process.exit(0)
  throw new Error('the database is on fire')
})
parentPort?.postMessage({ kind: 'ready' })
