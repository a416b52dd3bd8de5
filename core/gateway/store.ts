/** The store of a worker: behind a thread of its own when it is alone, else in the keeper's process. */
import type { Problem } from '../../config/problem.ts'
import type { Log } from '../observe/log.ts'
import { unopenedStore } from '../process/unopened-store.ts'
import { type Keeper, startKeeper } from '../queue/keeper.ts'
import { connectKeeper } from '../queue/keeper-socket.ts'
import { logDamage } from '../queue/keeper-upkeep.ts'
import { logSetAside } from '../queue/local-set-aside.ts'
import { createSpool, type Spool } from '../queue/spool.ts'
import { storeFault } from '../state/store-fault.ts'

const KEEPER_ENTRY = new URL('../process/keeper-thread.ts', import.meta.url)

export interface StoreOptions {
  /** Under which this worker holds its leases. */
  readonly owner: string
  /** null: a thread. */
  readonly keeperSocket: string | null
  /** There may be work that another worker made due or left behind. */
  readonly onWork: () => void
  readonly log: Log
}

export interface OpenedStore {
  readonly keeper: Keeper
  readonly spool: Spool
}

/** Opens the store in `directory`, whose lock the supervisor holds. */
export async function openStore(
  directory: string,
  options: StoreOptions,
): Promise<OpenedStore | { readonly problems: readonly Problem[] }> {
  try {
    return options.keeperSocket === null
      ? await openAlone(directory, options)
      : await openShared(directory, options.keeperSocket, options)
  } catch (error) {
    return { problems: [unopenedStore(directory, storeFault(error))] }
  }
}

/** Whoever held leases or wrote files is gone: its work is due at once, and what it left in the spool is removed. */
async function openAlone(directory: string, { log }: StoreOptions): Promise<OpenedStore> {
  const onDeath = (fault: Error): void => endWith(fault, log)
  const keeper = await startKeeper({
    entry: KEEPER_ENTRY,
    directory,
    onDeath,
    onSetAside: (news) => logSetAside(news, log),
    onDamage: (damage) => logDamage(damage, log),
  })
  const spool = await createSpool(directory)
  const removed = await spool.sweep((ids) => keeper.queue.stored(ids))
  if (removed > 0) log.info('spool-swept', { removed })
  const recipients = await keeper.queue.reclaim(null)
  if (recipients > 0) log.info('leases-reclaimed', { recipients })
  return { keeper, spool }
}

/** The keeper has done all that before it let anybody in. */
async function openShared(
  directory: string,
  socketPath: string,
  { owner, onWork, log }: StoreOptions,
): Promise<OpenedStore> {
  const onDeath = (fault: Error): void => endWith(fault, log)
  const keeper = await connectKeeper({ socketPath, owner, onDeath, onWork })
  return { keeper, spool: await createSpool(directory) }
}

/** Without its store a worker can promise nothing: the next one starts afresh. */
function endWith(fault: Error, log: Log): void {
  log.error('keeper-lost', { reason: fault.message })
  process.exit(1)
}
