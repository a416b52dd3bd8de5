/** A keeper's server in this process, and whoever connects to it. */
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type LogFields, silentLog } from '../../../core/observe/log.ts'
import type { Keeper } from '../../../core/queue/keeper.ts'
import { KeeperServer } from '../../../core/queue/keeper-server.ts'
import { KeeperService } from '../../../core/queue/keeper-service.ts'
import { connectKeeper } from '../../../core/queue/keeper-socket.ts'
import { NOW } from '../../conformance/queue-store/fixture.ts'
import { RawPeer } from './keeper-process-under-test.ts'
import { temporaryDirectory } from './store-under-test.ts'

export interface KeeperStand {
  readonly service: KeeperService
  readonly warnings: LogFields[]
  readonly connect: (owner: string, onWork?: () => void) => Promise<Keeper>
  readonly raw: () => RawPeer
}

export async function keeperStand(t: TestContext): Promise<KeeperStand> {
  const directory = await temporaryDirectory(t)
  const socketPath = join(directory, 'keeper.sock')
  const service = new KeeperService(directory, NOW)
  const warnings: LogFields[] = []
  const warn = (event: string, fields: LogFields = {}): void => {
    warnings.push({ event, ...fields })
  }
  const server = new KeeperServer(service, { ...silentLog, warn })
  await server.listen(socketPath)
  const peers: RawPeer[] = []
  t.after(async () => {
    for (const { socket } of peers) socket.destroy()
    await server.close()
    service.close()
  })
  return {
    service,
    warnings,
    async connect(owner, onWork = () => {}) {
      const keeper = await connectKeeper({ socketPath, owner, onWork, onDeath: () => {} })
      t.after(() => keeper.close())
      return keeper
    },
    raw() {
      const peer = new RawPeer(socketPath)
      peers.push(peer)
      return peer
    },
  }
}
