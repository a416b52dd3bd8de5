/** Connects a worker to the keeper's process and gives the stores behind it. */
import { connect, type Socket } from 'node:net'
import type { Keeper } from './keeper.ts'
import { KeeperClient } from './keeper-client.ts'
import { KeeperConcurrency } from './keeper-concurrency.ts'
import { FRAME, type Frame, FrameFault, FrameReader, frameOctets } from './keeper-frames.ts'
import { faultsFor, ProtocolFault, parseAnswers, parseRefusal } from './keeper-parse.ts'
import type { ToKeeper } from './keeper-protocol.ts'
import { KeeperQueueStore } from './keeper-queue-store.ts'
import { KeeperStateStore } from './keeper-state-store.ts'
import { KeeperTallies } from './keeper-tallies.ts'
import { KeeperUsage } from './keeper-usage.ts'
import { StoreFault } from './queue-store.ts'

/** Octets that may wait for the keeper; beyond it calls are rejected. */
const MAX_WAITING_BYTES = 128 * 1024 * 1024

export interface KeeperSocketOptions {
  /** The Unix socket the keeper's process listens on. */
  readonly socketPath: string
  /** Under which this worker holds leases and counts: when the connection ends they are everybody's. Not in use yet. */
  readonly owner: string
  /** Called once when the keeper ends without having been closed. Whatever waited has been rejected by then. */
  readonly onDeath: (fault: StoreFault) => void
  /** There may be work that another worker made due or left behind. */
  readonly onWork: () => void
}

/**
 * Connects to a keeper's process. `close` of what is returned ends the connection, not the keeper.
 *
 * @throws StoreFault when there is no keeper, or it does not want this owner
 */
export function connectKeeper(options: KeeperSocketOptions): Promise<Keeper> {
  return new KeeperSocket(options).started
}

class KeeperSocket {
  readonly started: Promise<Keeper>
  readonly #options: KeeperSocketOptions
  readonly #socket: Socket
  readonly #client: KeeperClient
  readonly #reader = new FrameReader()
  readonly #start = Promise.withResolvers<Keeper>()
  readonly #closed = Promise.withResolvers<void>()
  #phase: 'starting' | 'running' | 'closing' | 'ended' = 'starting'

  constructor(options: KeeperSocketOptions) {
    const socket = connect(options.socketPath)
    this.started = this.#start.promise
    this.#options = options
    this.#socket = socket
    this.#client = new KeeperClient({
      get isFull() {
        return socket.writableLength > MAX_WAITING_BYTES
      },
      postMessage: (message) => this.#post(message),
    })
    socket.once('connect', () => this.#write(FRAME.hello, JSON.stringify({ owner: options.owner })))
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.once('error', (error) => this.#die(new StoreFault('unavailable', `keeper: ${error.message}`)))
    socket.once('close', () => {
      this.#die(new StoreFault('unavailable', 'the keeper is gone'))
      this.#closed.resolve()
    })
  }

  #read(chunk: Buffer): void {
    try {
      for (const frame of this.#reader.push(chunk)) this.#take(frame)
    } catch (error) {
      this.#die(new StoreFault('unavailable', 'the keeper is garbled', { cause: error }))
      this.#socket.destroy()
    }
  }

  #take({ kind, text, parts }: Frame): void {
    switch (kind) {
      case FRAME.ready:
        return this.#ready()
      case FRAME.refused:
        return this.#die(parseRefusal(text))
      case FRAME.answers:
        return this.#client.answered(parseAnswers(text), parts)
      case FRAME.work:
        return this.#phase === 'running' ? this.#options.onWork() : undefined
      default:
        throw new ProtocolFault('an unknown frame')
    }
  }

  #ready(): void {
    if (this.#phase !== 'starting') throw new ProtocolFault('ready twice')
    this.#phase = 'running'
    const client = this.#client
    const close = (): Promise<void> => this.#close()
    this.#start.resolve({
      queue: new KeeperQueueStore(client, close),
      state: new KeeperStateStore(client, close),
      concurrency: new KeeperConcurrency(client),
      tallies: new KeeperTallies(client),
      usage: new KeeperUsage(client),
      backlog: () => client.backlog,
      close,
    })
  }

  /** The keeper answers what was asked for, then ends its side too. */
  #close(): Promise<void> {
    if (this.#phase === 'running') {
      this.#phase = 'closing'
      this.#client.flush()
      this.#socket.end()
    }
    return this.#closed.promise
  }

  #die(fault: StoreFault): void {
    const before = this.#phase
    if (before === 'ended') return
    this.#phase = 'ended'
    this.#client.end(before === 'closing' ? new StoreFault('unavailable', 'the store is closed') : fault)
    if (before === 'starting') this.#start.reject(fault)
    if (before === 'running') this.#options.onDeath(fault)
  }

  #post(message: ToKeeper): void {
    if (message.kind !== 'calls') return
    const { text, parts } = message.batch
    try {
      this.#write(FRAME.calls, text, parts)
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error
      this.#client.answered(faultsFor(text, error.message), [])
    }
  }

  #write(kind: number, text: string, parts: readonly ArrayBuffer[] = []): void {
    // What cannot be sent any more is rejected when the connection has ended.
    if (!this.#socket.writable) return
    const octets = frameOctets(kind, text, parts)
    this.#socket.cork()
    for (const piece of octets) this.#socket.write(piece)
    this.#socket.uncork()
  }
}
