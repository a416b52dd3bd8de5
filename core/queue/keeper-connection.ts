/** The keeper's end of one worker's connection. A worker that does not read its answers is not read from either. */
import type { Socket } from 'node:net'
import { FRAME, type Frame, FrameFault, FrameReader, frameOctets } from './keeper-frames.ts'
import { faultsFor, ProtocolFault, parseCalls, parseHello } from './keeper-parse.ts'
import type { Batch } from './keeper-protocol.ts'
import type { Arrival, Peer } from './keeper-service.ts'

/** Octets that may wait for the worker before nothing more is read from it. */
const MAX_WAITING_BYTES = 4 * 1024 * 1024
/** Answers to what had been read by then; beyond it the connection is given up. */
const MAX_UNSENT_BYTES = 256 * 1024 * 1024

export interface ConnectionEvents {
  /** It has said who it is. @returns why it cannot be that; null when it can */
  greeted(connection: KeeperConnection, owner: string): string | null
  arrived(arrival: Arrival): void
  /** The other side has nothing more to say, and everything it said has been passed on. */
  finished(connection: KeeperConnection): void
  /** Called once, whatever way it ended. `fault`: what came was not to be understood; null when it was. */
  ended(connection: KeeperConnection, fault: string | null): void
}

export class KeeperConnection implements Peer {
  readonly #socket: Socket
  readonly #events: ConnectionEvents
  readonly #reader = new FrameReader()
  #owner: string | null = null
  #fault: string | null = null
  #owesWork = false

  constructor(socket: Socket, events: ConnectionEvents) {
    this.#socket = socket
    this.#events = events
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('end', () => this.#events.finished(this))
    socket.on('drain', () => this.#drained())
    // 'close' follows.
    socket.on('error', () => {})
    socket.once('close', () => this.#events.ended(this, this.#fault))
  }

  /** '' before it has said who it is. */
  get owner(): string {
    return this.#owner ?? ''
  }

  answer({ text, parts }: Batch): void {
    try {
      this.#write(frameOctets(FRAME.answers, text, parts))
    } catch (error) {
      if (!(error instanceof FrameFault)) throw error
      this.#write(frameOctets(FRAME.answers, JSON.stringify(faultsFor(text, error.message))))
    }
  }

  /** Tells the worker that there may be work for it. Said once to one that is slow to read. */
  tellOfWork(): void {
    if (this.#owner === null) return
    if (this.#socket.writableNeedDrain) this.#owesWork = true
    else this.#write(frameOctets(FRAME.work))
  }

  /** Ends it when everything said has been sent. */
  end(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    if (this.#fault !== null) return
    try {
      for (const frame of this.#reader.push(chunk)) this.#take(frame)
    } catch (error) {
      if (!(error instanceof FrameFault || error instanceof ProtocolFault)) throw error
      this.#giveUp(error.message)
    }
  }

  #take({ kind, text, parts }: Frame): void {
    if (this.#fault !== null) return
    if (this.#owner === null) {
      if (kind !== FRAME.hello) throw new ProtocolFault('no hello')
      return this.#greet(parseHello(text))
    }
    if (kind !== FRAME.calls) throw new ProtocolFault('calls were expected')
    this.#events.arrived({ peer: this, calls: parseCalls(text), parts })
  }

  #greet(owner: string): void {
    const refusal = this.#events.greeted(this, owner)
    if (refusal !== null) return this.#giveUp(refusal)
    this.#owner = owner
    this.#write(frameOctets(FRAME.ready))
  }

  /** Says why, for the log of the other side, and ends it. */
  #giveUp(message: string): void {
    this.#fault ??= message
    // What would have to wait for the other side might wait for ever.
    if (this.#socket.writableNeedDrain) return void this.#socket.destroy()
    this.#write(frameOctets(FRAME.refused, JSON.stringify({ code: 'unavailable', message })))
    this.#socket.destroySoon()
  }

  #write(octets: readonly Uint8Array[]): void {
    const socket = this.#socket
    if (!socket.writable) return
    socket.cork()
    for (const piece of octets) socket.write(piece)
    socket.uncork()
    if (socket.writableLength > MAX_WAITING_BYTES) socket.pause()
    if (socket.writableLength <= MAX_UNSENT_BYTES) return
    this.#fault ??= 'it does not read its answers'
    socket.destroy()
  }

  #drained(): void {
    this.#socket.resume()
    if (!this.#owesWork) return
    this.#owesWork = false
    this.tellOfWork()
  }
}
