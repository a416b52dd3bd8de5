/** A store behind a real keeper thread, in a folder that goes when the test ends. */
import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Keeper } from '../../../core/queue/keeper.ts'
import { startKeeper } from '../../../core/queue/keeper.ts'
import { createSpool } from '../../../core/queue/spool.ts'
import type { StoreUnderTest } from '../../conformance/queue-store/fixture.ts'

export const KEEPER_ENTRY = new URL('../../../core/process/keeper.ts', import.meta.url)

/** An empty folder, removed when the test ends. */
export async function temporaryDirectory(t: TestContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-test-'))
  t.after(() => rm(directory, { recursive: true, force: true }))
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

export async function openLocalStore(t: TestContext): Promise<StoreUnderTest> {
  const directory = await temporaryDirectory(t)
  const spool = await createSpool(directory)
  let keeper = await openKeeper(directory)
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
      keeper = await openKeeper(directory)
      return keeper.queue
    },
  }
}
