/** Stores behind a real keeper, in a folder that goes when the test ends. */
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { silentLog } from '../../../core/observe/log.ts'
import type { Keeper } from '../../../core/queue/keeper.ts'
import { startKeeper } from '../../../core/queue/keeper.ts'
import { KeeperServer } from '../../../core/queue/keeper-server.ts'
import { KeeperService } from '../../../core/queue/keeper-service.ts'
import { connectKeeper } from '../../../core/queue/keeper-socket.ts'
import { createSpool } from '../../../core/queue/spool.ts'
import { NOW, type StoreUnderTest } from '../../conformance/queue-store/fixture.ts'

export const KEEPER_ENTRY = new URL('../../../core/process/keeper-thread.ts', import.meta.url)

/** An empty folder, removed when the test ends. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-test-'))
  // Before what is open in it is closed, for hooks run in their order: a database may write once more meanwhile.
  t.after(() => rm(directory, { recursive: true, force: true, maxRetries: 10 }))
  return directory
}

/** A keeper over `directory`; that it dies is a failure. */
export function openKeeper(directory: string): Promise<Keeper> {
  return startKeeper({
    directory,
    entry: KEEPER_ENTRY,
    onDeath: (fault) => {
      throw fault
    },
  })
}

/** What a keeper's process has, in this one: the service behind a socket, and a connection to it. */
export async function openSocketKeeper(directory: string, owner: string): Promise<Keeper> {
  const service = new KeeperService(directory, NOW)
  const server = new KeeperServer(service, silentLog)
  const socketPath = join(directory, 'keeper.sock')
  await server.listen(socketPath)
  const onDeath = (fault: Error): void => {
    throw fault
  }
  const keeper = await connectKeeper({ socketPath, owner, onDeath, onWork: () => {} })
  const close = async (): Promise<void> => {
    await keeper.close()
    await server.close()
    service.close()
  }
  let closing: Promise<void> | null = null
  return { ...keeper, close: () => (closing ??= close()) }
}

export function openLocalStore(t: TestContext): Promise<StoreUnderTest> {
  return openStore(t, openKeeper)
}

/** Its leases are not its own, so that closing it reclaims nothing. */
export function openSocketStore(t: TestContext): Promise<StoreUnderTest> {
  return openStore(t, (directory) => openSocketKeeper(directory, 'conformance'))
}

async function openStore(
  t: TestContext,
  openIn: (directory: string) => Promise<Keeper>,
): Promise<StoreUnderTest> {
  const directory = await temporaryDirectory(t)
  const spool = await createSpool(directory)
  let keeper = await openIn(directory)
  t.after(() => keeper.close())
  return {
    store: keeper.queue,
    async spool(id, bytes) {
      const receiver = spool.receiver(id, 0)
      await receiver.write(bytes)
      return receiver.finish()
    },
    async isSpooled(content) {
      if (content.kind !== 'spool') return false
      return access(content.path).then(
        () => true,
        () => false,
      )
    },
    async reopen() {
      await keeper.close()
      keeper = await openIn(directory)
      return keeper.queue
    },
  }
}
