/**
 * Entry of a keeper's process: owns the local databases of a gateway with several workers, which connect to its socket.
 * Forked by the supervisor, who holds the store's lock; it ends with it, not with a signal.
 */
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { whyNotSocketPath } from '../admin/socket-path.ts'
import { createLog } from '../observe/json-log.ts'
import type { Log, LogLevel } from '../observe/log.ts'
import { KeeperServer } from '../queue/keeper-server.ts'
import { KeeperService } from '../queue/keeper-service.ts'
import { logDamage, startUpkeep } from '../queue/keeper-upkeep.ts'
import { logSetAside } from '../queue/local-set-aside.ts'
import { createSpool } from '../queue/spool.ts'
import { storeFault } from '../state/store-fault.ts'
import type { FromKeeperProcess, ToKeeperProcess } from './keeper-messages.ts'

/** One that ends late removes its socket, so its successor's has another name. */
const SOCKET_FILE = `keeper-${process.pid}.sock`
const SOCKET_FILES = /^keeper-\d+\.sock$/

/** Before it is open there is nothing to close. */
let close = (): Promise<void> => Promise.resolve()

// Mail is nobody else's to read, whatever the mode of the folders it lies in.
process.umask(0o077)
// The supervisor decides when a keeper ends: after the workers, who settle until their last moment.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
// Without a supervisor nobody holds the store's lock. What was answered is on the disk.
process.on('disconnect', () => process.exit(0))
process.on('message', (message: ToKeeperProcess) => {
  if (message.type === 'close') void close().then(() => process.exit(0))
})

const [, , directory = '', logLevel = 'info'] = process.argv
const log = createLog(logLevel as LogLevel, { process: 'keeper', pid: process.pid })
try {
  const { server, socketPath, stop } = await open(directory, log)
  close = async () => {
    await server.close()
    await stop()
  }
  tell({ type: 'ready', socketPath })
} catch (error) {
  const { code, message } = storeFault(error)
  tell({ type: 'refused', code, message }, () => process.exit(1))
}

interface Opened {
  readonly server: KeeperServer
  readonly socketPath: string
  /** To be called when the server is closed. */
  readonly stop: () => Promise<void>
}

/** @throws StoreFault, or an error of the file system */
async function open(store: string, keeperLog: Log): Promise<Opened> {
  const service = new KeeperService(store, Date.now(), (news) => logSetAside(news, keeperLog))
  // The store's lock is our supervisor's, so whoever held leases or wrote files is gone: before anybody takes mail.
  const recipients = Number(service.ask({ name: 'reclaim', arguments: { owner: null } }))
  if (recipients > 0) keeperLog.info('leases-reclaimed', { recipients })
  const spool = await createSpool(store)
  const removed = await spool.sweep(async (messages) => {
    return service.ask({ name: 'stored', arguments: { messages } }) as readonly string[]
  })
  if (removed > 0) keeperLog.info('spool-swept', { removed })
  const server = new KeeperServer(service, keeperLog)
  const socketPath = await placeForSocket(store)
  await server.listen(socketPath)
  await chmod(socketPath, 0o600)
  const stopUpkeep = startUpkeep(service, store, (damage) => logDamage(damage, keeperLog))
  const stop = async (): Promise<void> => {
    await stopUpkeep()
    // The last connection to close makes the last checkpoint.
    service.close()
    if (dirname(socketPath) !== store) await rm(dirname(socketPath), { recursive: true, force: true })
  }
  return { server, socketPath, stop }
}

/** In the store's folder, which is private; where that makes the path too long, in a private folder of its own. */
async function placeForSocket(store: string): Promise<string> {
  const path = join(store, SOCKET_FILE)
  if (whyNotSocketPath(path) !== null) return join(await mkdtemp(join(tmpdir(), 'postern-')), SOCKET_FILE)
  // Predecessors that were killed left theirs.
  const left = (await readdir(store)).filter((file) => SOCKET_FILES.test(file))
  for (const file of left) await rm(join(store, file), { force: true })
  return path
}

function tell(message: FromKeeperProcess, told?: () => void): void {
  process.send?.(message, undefined, undefined, told)
}
