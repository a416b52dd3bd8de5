/**
 * The keeper thread: owns the local databases. Everything that arrived while the last transaction was being synced
 * shares the next one. A second thread makes the checkpoints.
 */
import { join } from 'node:path'
import type { MessagePort } from 'node:worker_threads'
import { parentPort, receiveMessageOnPort, Worker, workerData } from 'node:worker_threads'
import type { Batch, FromKeeper, KeeperSettings, ToKeeper } from '../queue/keeper-protocol.ts'
import { KeeperService, QUEUE_FILE, STATE_FILE } from '../queue/keeper-service.ts'
import { storeFault } from '../state/store-fault.ts'

const PURGE_INTERVAL_MS = 5_000
const CHECKPOINTS_AFTER_MS = 1_000
/** Calls are taken up to this many octets at a time, so that no transaction grows without bound. */
const TRANSACTION_BYTES = 32 * 1024 * 1024

if (parentPort !== null) start(parentPort, workerData as KeeperSettings)

function start(port: MessagePort, { directory }: KeeperSettings): void {
  let service: KeeperService
  try {
    service = new KeeperService(directory, Date.now())
  } catch (error) {
    const { code, message } = storeFault(error)
    say(port, { kind: 'refused', code, message })
    return
  }
  const stopCheckpoints = startCheckpoints(directory)
  const purging = purgeRegularly(service)
  const onMessage = (first: ToKeeper): void => {
    const { batches, isClosing } = drain(port, first)
    service.run(batches, (batch) => say(port, { kind: 'answers', batch }))
    if (!isClosing) return
    port.off('message', onMessage)
    purging.abort()
    void stop(port, service, stopCheckpoints)
  }
  port.on('message', onMessage)
  say(port, { kind: 'ready' })
}

/** Deletes values of the state whose time is over, in small steps between two transactions. */
function purgeRegularly(service: KeeperService): AbortController {
  const stopping = new AbortController()
  const purge = (): void => {
    if (stopping.signal.aborted) return
    if (service.purge(Date.now())) setImmediate(purge)
  }
  const timer = setInterval(purge, PURGE_INTERVAL_MS)
  stopping.signal.addEventListener('abort', () => clearInterval(timer), { once: true })
  return stopping
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

/** Starts the checkpointing thread once the gateway is up: nothing needs it sooner. Returns what ends it. */
function startCheckpoints(directory: string): () => Promise<void> {
  const files = [QUEUE_FILE, STATE_FILE].map((file) => join(directory, file))
  const entry = new URL('../queue/checkpointer.ts', import.meta.url)
  let checkpointer: Worker | null = null
  const starting = setTimeout(() => {
    // Without it the log would grow for ever: should it fail, the keeper fails with it.
    checkpointer = new Worker(entry, { name: 'checkpointer', workerData: { files } })
  }, CHECKPOINTS_AFTER_MS)
  return async () => {
    clearTimeout(starting)
    // In the midst of a checkpoint it is as good as killed, which loses nothing.
    await checkpointer?.terminate()
  }
}

async function stop(
  port: MessagePort,
  service: KeeperService,
  stopCheckpoints: () => Promise<void>,
): Promise<void> {
  await stopCheckpoints()
  // The last connection to close makes the last checkpoint.
  service.close()
  port.close()
}

function say(port: MessagePort, message: FromKeeper): void {
  const parts = message.kind === 'answers' ? message.batch.parts : []
  port.postMessage(message, [...parts])
}
