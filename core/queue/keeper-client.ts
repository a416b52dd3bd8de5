/**
 * The worker's end of the keeper: collects the calls of one turn of the event loop into one message and hands each
 * answer to whoever waits for it. Octets are copied once, into one buffer that is transferred; the caller's stay its own.
 */
import type { Answer, Batch, Call, FromKeeper, ToKeeper, WireBytes } from './keeper-protocol.ts'
import { StoreFault } from './queue-store.ts'

/** How messages get to the keeper: a thread or a socket. */
export interface KeeperPort {
  /** Whether so much waits to be sent that no call may be added to it. */
  readonly isFull: boolean
  postMessage(message: ToKeeper, transfer: readonly ArrayBuffer[]): void
}

/** A batch is sent before the end of the turn once it has so many octets beside its text, or so many calls. */
const BATCH_BYTES = 4 * 1024 * 1024
const BATCH_CALLS = 1_000

const TOO_SLOW = 'the keeper does not keep up'

/** What was asked of a keeper and has no answer. */
export interface StoreBacklog {
  readonly calls: number
  /** How long the oldest of them waits, milliseconds; 0 when there is none. */
  readonly oldestMs: number
}

interface Waiting {
  readonly since: number
  readonly resolve: (answer: { value: unknown; parts: readonly ArrayBuffer[] }) => void
  readonly reject: (fault: StoreFault) => void
}

type Omitted<Union> = Union extends unknown ? Omit<Union, 'id'> : never

/** A call not yet numbered. */
export type UnsentCall = Omitted<Call>

export class KeeperClient {
  readonly #port: KeeperPort
  readonly #waiting = new Map<number, Waiting>()
  #calls: Call[] = []
  #bytes: Uint8Array[] = []
  #byteCount = 0
  /** How many of #bytes belong to calls that were made. */
  #placed = 0
  #lastId = 0
  #ended: StoreFault | null = null

  constructor(port: KeeperPort) {
    this.#port = port
  }

  /**
   * Sends a call with the rest of this turn.
   *
   * @throws StoreFault as a rejection, also when the keeper dies before it has answered
   */
  call(call: UnsentCall): Promise<{ value: unknown; parts: readonly ArrayBuffer[] }> {
    return new Promise((resolve, reject) => {
      // What gives back must not be lost, and is small.
      const isRefused = this.#port.isFull && call.store !== 'shared'
      if (this.#ended !== null || isRefused) {
        this.#dropPlaced()
        reject(this.#ended ?? new StoreFault('unavailable', TOO_SLOW))
        return
      }
      this.#lastId += 1
      this.#waiting.set(this.#lastId, { since: performance.now(), resolve, reject })
      // Not a microtask: one turn reads from many sockets, and all of them shall share a commit.
      if (this.#calls.length === 0) setImmediate(() => this.flush())
      this.#calls.push({ id: this.#lastId, ...call } as Call)
      this.#placed = this.#bytes.length
      if (this.#byteCount >= BATCH_BYTES || this.#calls.length >= BATCH_CALLS) this.flush()
    })
  }

  get backlog(): StoreBacklog {
    // In the order they were asked.
    const [oldest] = this.#waiting.values()
    const oldestMs = oldest === undefined ? 0 : performance.now() - oldest.since
    return { calls: this.#waiting.size, oldestMs }
  }

  /** Takes octets along with the call that is made next in this turn. They must not change before it is answered. */
  place(bytes: Uint8Array): WireBytes {
    const place = { part: 0, offset: this.#byteCount, length: bytes.byteLength }
    if (this.#ended !== null) return place
    this.#bytes.push(bytes)
    this.#byteCount += bytes.byteLength
    return place
  }

  /** Sends what was collected without waiting for the end of the turn. */
  flush(): void {
    if (this.#calls.length === 0 || this.#ended !== null) return
    const batch: Batch = { text: JSON.stringify(this.#calls), parts: this.#takeParts() }
    this.#calls = []
    this.#port.postMessage({ kind: 'calls', batch }, batch.parts)
  }

  /** To be called with every message of the keeper. */
  received(message: FromKeeper): void {
    if (message.kind !== 'answers') return
    this.answered(JSON.parse(message.batch.text) as Answer[], message.batch.parts)
  }

  answered(answers: readonly Answer[], parts: readonly ArrayBuffer[]): void {
    for (const answer of answers) {
      const waiting = this.#waiting.get(answer.id)
      this.#waiting.delete(answer.id)
      if ('fault' in answer) waiting?.reject(new StoreFault(answer.fault.code, answer.fault.message))
      else waiting?.resolve({ value: answer.value, parts })
    }
  }

  /** The keeper is gone: whatever waits, and every later call, is rejected with `fault`. */
  end(fault: StoreFault): void {
    this.#ended ??= fault
    this.#calls = []
    this.#takeParts()
    for (const { reject } of this.#waiting.values()) reject(this.#ended)
    this.#waiting.clear()
  }

  #takeParts(): ArrayBuffer[] {
    // Not filled with zeros, for every octet of it is written; not from the shared pool, for it is given away.
    const whole = Buffer.allocUnsafeSlow(this.#byteCount)
    let offset = 0
    for (const bytes of this.#bytes) {
      whole.set(bytes, offset)
      offset += bytes.byteLength
    }
    this.#bytes = []
    this.#byteCount = 0
    this.#placed = 0
    return [whole.buffer]
  }

  /** What was placed for a call that is not made. */
  #dropPlaced(): void {
    for (const { byteLength } of this.#bytes.splice(this.#placed)) this.#byteCount -= byteLength
  }
}
