/**
 * The keeper thread: owns the local databases of a gateway with one worker. Everything that arrived while the last
 * transaction was being synced shares the next one. A second thread makes the checkpoints.
 */
import type { MessagePort } from 'node:worker_threads'
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Batch, Call, FromKeeper, KeeperSettings, ToKeeper } from '../queue/keeper-protocol.ts'
import type { Arrival, Peer } from '../queue/keeper-service.ts'
import { KeeperService, TRANSACTION_BYTES } from '../queue/keeper-service.ts'
import { startUpkeep } from '../queue/keeper-upkeep.ts'
import { storeFault } from '../state/store-fault.ts'

if (parentPort !== null) start(parentPort, workerData as KeeperSettings)

function start(port: MessagePort, { directory }: KeeperSettings): void {
  let service: KeeperService
  try {
    service = new KeeperService(directory, Date.now(), (news) => say(port, { kind: 'set-aside', news }))
  } catch (error) {
    const { code, message } = storeFault(error)
    say(port, { kind: 'refused', code, message })
    return
  }
  const stopUpkeep = startUpkeep(service, directory, (damage) => say(port, { kind: 'damage', damage }))
  const peer: Peer = { owner: 'worker', answer: (batch) => say(port, { kind: 'answers', batch }) }
  const onMessage = (first: ToKeeper): void => {
    const { batches, isClosing } = drain(port, first)
    service.run(batches.map((batch) => arrivalOf(peer, batch)))
    if (!isClosing) return
    port.off('message', onMessage)
    void stop(port, service, stopUpkeep)
  }
  port.on('message', onMessage)
  say(port, { kind: 'ready' })
}

function arrivalOf(peer: Peer, { text, parts }: Batch): Arrival {
  return { peer, calls: JSON.parse(text) as Call[], parts }
}

/** Takes what has arrived meanwhile. */
function drain(port: MessagePort, first: ToKeeper): { batches: Batch[]; isClosing: boolean } {
  const batches: Batch[] = []
  let bytes = 0
  let next: ToKeeper | undefined = first
  while (next !== undefined) {
    if (next.kind === 'close') return { batches, isClosing: true }
    batches.push(next.batch)
    bytes += next.batch.text.length
    for (const part of next.batch.parts) bytes += part.byteLength
    next = bytes < TRANSACTION_BYTES ? received(port) : undefined
  }
  return { batches, isClosing: false }
}

function received(port: MessagePort): ToKeeper | undefined {
  return receiveMessageOnPort(port)?.message as ToKeeper | undefined
}

async function stop(
  port: MessagePort,
  service: KeeperService,
  stopUpkeep: () => Promise<void>,
): Promise<void> {
  await stopUpkeep()
  // The last connection to close makes the last checkpoint.
  service.close()
  port.close()
}

function say(port: MessagePort, message: FromKeeper): void {
  const parts = message.kind === 'answers' ? message.batch.parts : []
  port.postMessage(message, [...parts])
}
