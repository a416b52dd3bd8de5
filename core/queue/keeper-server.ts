/**
 * The keeper for several workers: takes their connections, runs everything that arrived from all of them in common
 * transactions, and gives back what a worker held when its connection ends.
 */
import { createServer, type Server, type Socket } from 'node:net'
import type { Log } from '../observe/log.ts'
import { KeeperConnection } from './keeper-connection.ts'
import { type Arrival, type KeeperService, type Peer, TRANSACTION_BYTES } from './keeper-service.ts'

/** At the end, for answers that are still on their way. */
const LAST_ANSWERS_MS = 1_000

export class KeeperServer {
  readonly #service: KeeperService
  readonly #log: Log
  readonly #net: Server
  readonly #connections = new Set<KeeperConnection>()
  readonly #workers = new Map<string, KeeperConnection>()
  #arrivals: Arrival[] = []
  /** Connections that have said everything, and connections that are gone. */
  #finished: KeeperConnection[] = []
  #gone: KeeperConnection[] = []
  #isScheduled = false
  #onEmpty: (() => void) | null = null

  constructor(service: KeeperService, log: Log) {
    this.#service = service
    this.#log = log
    // Who has said everything still waits for its answers.
    this.#net = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket))
  }

  /** Listens on a Unix socket; nothing may lie there. @throws the system's error */
  listen(path: string): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Once it listens, what fails is one worker's connecting: the process has no file left for it.
    this.#net.on('error', (error) => {
      reject(error)
      this.#log.error('keeper-server-failed', { reason: error.message })
    })
    this.#net.listen(path, resolve)
    return promise
  }

  /** Runs and answers what has arrived, and ends every connection. The service remains the caller's. */
  async close(): Promise<void> {
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve
    })
    this.#net.close()
    while (this.#arrivals.length > 0) this.#step()
    for (const connection of this.#connections) connection.end()
    const killer = setTimeout(() => {
      for (const connection of this.#connections) connection.destroy()
    }, LAST_ANSWERS_MS)
    if (this.#connections.size > 0) await empty
    clearTimeout(killer)
    this.#step()
  }

  #accept(socket: Socket): void {
    const connection = new KeeperConnection(socket, {
      greeted: (greeted, owner) => this.#greeted(greeted, owner),
      arrived: (arrival) => {
        this.#arrivals.push(arrival)
        this.#schedule()
      },
      finished: (finished) => {
        this.#finished.push(finished)
        this.#schedule()
      },
      ended: (ended, fault) => this.#ended(ended, fault),
    })
    this.#connections.add(connection)
  }

  #greeted(connection: KeeperConnection, owner: string): string | null {
    if (this.#workers.has(owner)) return 'there is another worker of that name'
    this.#workers.set(owner, connection)
    return null
  }

  #ended(connection: KeeperConnection, fault: string | null): void {
    const { owner } = connection
    if (fault !== null) this.#log.warn('keeper-peer-faulty', { owner, reason: fault })
    this.#connections.delete(connection)
    if (owner !== '') this.#gone.push(connection)
    this.#schedule()
    if (this.#connections.size === 0) this.#onEmpty?.()
  }

  /** At the end of the turn: it reads from every worker, and what they all said shall share a commit. */
  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => this.#step())
  }

  #step(): void {
    this.#isScheduled = false
    const makers = this.#service.run(this.#take())
    if (makers.size > 0) this.#tellOfWork(makers)
    if (this.#arrivals.length > 0) return this.#schedule()
    for (const connection of this.#finished.splice(0)) connection.end()
    for (const connection of this.#gone.splice(0)) this.#forget(connection)
  }

  /** As much as one transaction may hold. */
  #take(): Arrival[] {
    let bytes = 0
    const end = this.#arrivals.findIndex(({ parts }) => {
      for (const { byteLength } of parts) bytes += byteLength
      return bytes >= TRANSACTION_BYTES
    })
    return this.#arrivals.splice(0, end === -1 ? this.#arrivals.length : end + 1)
  }

  /** What it said before it went has been done: now what it holds is everybody's. */
  #forget({ owner }: KeeperConnection): void {
    this.#workers.delete(owner)
    try {
      const recipients = this.#service.forget(owner)
      if (recipients > 0) this.#log.info('leases-reclaimed', { owner, recipients })
    } catch (error) {
      // They end by themselves.
      this.#log.warn('leases-not-reclaimed', { owner, reason: (error as Error).message })
    }
    // Also what it would have looked at when its time came.
    this.#tellOfWork(new Set())
  }

  /** Tells everybody, except one who alone made it due and knows. */
  #tellOfWork(makers: ReadonlySet<Peer>): void {
    for (const connection of this.#workers.values())
      if (makers.size !== 1 || !makers.has(connection)) connection.tellOfWork()
  }
}
