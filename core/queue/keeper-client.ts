/**
 * The worker's end of the keeper: collects the calls of one turn of the event loop into one message and hands each
 * answer to whoever waits for it. Octets are copied once, into one buffer that is transferred; the caller's stay its own.
 */
import type { Answer, Batch, Call, FromKeeper, ToKeeper, WireBytes } from './keeper-protocol.ts'
import { StoreFault } from './queue-store.ts'

/** How messages get to the keeper: a worker thread or a message port. */
export interface KeeperPort {
  postMessage(message: ToKeeper, transfer: readonly ArrayBuffer[]): void
}

interface Waiting {
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
      if (this.#ended !== null) {
        reject(this.#ended)
        return
      }
      this.#lastId += 1
      this.#waiting.set(this.#lastId, { resolve, reject })
      // Not a microtask: one turn reads from many sockets, and all of them shall share a commit.
      if (this.#calls.length === 0) setImmediate(() => this.flush())
      this.#calls.push({ id: this.#lastId, ...call } as Call)
    })
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
    const { text, parts } = message.batch
    for (const answer of JSON.parse(text) as Answer[]) {
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
    const whole = new Uint8Array(this.#byteCount)
    let offset = 0
    for (const bytes of this.#bytes) {
      whole.set(bytes, offset)
      offset += bytes.byteLength
    }
    this.#bytes = []
    this.#byteCount = 0
    return [whole.buffer]
  }
}
