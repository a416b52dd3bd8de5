/**
 * One plughost that is started and has no plugin yet, for the trust domains with plugins of the user's: the next of them
 * that needs a process takes it over instead of starting one. A worker has one spare for all its generations, and none
 * while no such domain wants it.
 */
import type { Log } from '../core/observe/log.ts'
import type { PlughostView } from './domains.ts'
import { type Death, type IdlePlughosts, Plughost, type PlughostOwner } from './plughost.ts'
import { MEMORY_MB } from './plugin-quotas.ts'
import { TO_HOST } from './protocol/messages.ts'
import { RespawnDelay } from './respawn-delay.ts'

export interface SpareOptions {
  readonly log: Log
  /** Only tests have one: what is run in the place of a plughost. */
  readonly entry?: string
}

/** A plugin under approval is loaded twice, each time into an isolate of its own. */
const ISOLATES = 2
const BOOT_MS = 10_000
const RSS_CAP_BYTES = 192 * 1024 * 1024

export class SparePlughost implements IdlePlughosts {
  readonly #options: SpareOptions
  readonly #delay = new RespawnDelay()
  #host: Plughost | null = null
  /** How many want it to be there. */
  #wanted = 0
  #prelude = ''
  #timer: NodeJS.Timeout | null = null
  /** When the last one was started, milliseconds of performance.now(). */
  #startedAt = Number.NEGATIVE_INFINITY
  #deaths = 0

  constructor(options: SpareOptions) {
    this.#options = options
  }

  get isReady(): boolean {
    return this.#host?.isReady === true
  }

  /** As an operator sees it; empty while nobody wants one. */
  views(): readonly PlughostView[] {
    if (this.#wanted === 0) return []
    return [{ domain: 'spare', pid: this.isReady ? (this.#host?.pid ?? null) : null, plugins: [] }]
  }

  /** Spares that died; what dies after somebody took it is counted there. */
  get deaths(): number {
    return this.#deaths
  }

  /**
   * Somebody wants a spare to be there.
   *
   * @param prelude what its isolates are prepared with
   * @returns called once, when it is wanted no more
   */
  want(prelude: string): () => void {
    this.#wanted++
    this.#prelude = prelude
    this.#startLater()
    return () => this.#unwanted()
  }

  take(owner: PlughostOwner): Plughost | null {
    const host = this.#host
    if (host === null) return null
    this.#host = null
    host.passTo(owner)
    this.#startLater()
    return host
  }

  /** What has run plugins is no spare. */
  giveBack(): boolean {
    return false
  }

  #unwanted(): void {
    this.#wanted--
    if (this.#wanted > 0) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#host?.close()
    this.#host = null
  }

  /** Not at once: whoever took the last one has the processor first, and who takes one after the other has to wait. */
  #startLater(): void {
    if (this.#wanted === 0 || this.#host !== null || this.#timer !== null) return
    const delayMs = this.#delay.after(performance.now() - this.#startedAt)
    this.#timer = setTimeout(() => this.#start(), delayMs).unref()
  }

  #start(): void {
    this.#timer = null
    this.#startedAt = performance.now()
    try {
      this.#host = new Plughost({ ...this.#options, jit: false }, this.#owner())
    } catch (error) {
      this.#options.log.error('plughost-not-started', { reason: (error as Error).message })
      return this.#startLater()
    }
    const request = { isolates: ISOLATES, prelude: this.#prelude, memoryMb: MEMORY_MB }
    this.#host.send(TO_HOST.prepare, 0, JSON.stringify(request))
  }

  #owner(): PlughostOwner {
    return {
      rssCapBytes: () => RSS_CAP_BYTES,
      silenceMs: () => BOOT_MS,
      onMessage: ({ type }) => {
        if (type !== 'ready') this.#host?.kill('protocol', 'it speaks without having been asked')
      },
      onDeath: (death) => this.#died(death),
    }
  }

  #died({ cause, detail, stderr }: Death): void {
    this.#host = null
    this.#deaths++
    const said = stderr.split('\n').find((line) => line.trim() !== '')
    this.#options.log.error('plughost-died', { plugin: null, cause, detail, stderr: said })
    this.#startLater()
  }
}
