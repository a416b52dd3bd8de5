/** Takes the lock of a store, tells its parent, and keeps it. */
import { acquireStoreLock } from '../../../core/queue/store-lock.ts'

const [, , directory = ''] = process.argv
const lock = await acquireStoreLock(directory)
process.send?.(lock.ok ? { ok: true } : { ok: false, pid: lock.pid })
setInterval(() => {}, 1000)
