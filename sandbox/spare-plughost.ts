/**
 * One plughost that is started and has no plugin yet, for the trust domains with plugins of the user's: the next of them
 * that needs a process takes it over instead of starting one, and finds as many isolates made as plugins may come. A
 * worker has one spare for all its generations, and none while no such domain wants it.
 */
import type { Log } from '../core/observe/log.ts'
import type { PlughostView } from './domains.ts'
import { type Death, type IdlePlughosts, Plughost, type PlughostOwner } from './plughost.ts'
import { MEMORY_MB } from './plugin-quotas.ts'
import { type PrepareRequest, TO_HOST } from './protocol/messages.ts'
import { RespawnDelay } from './respawn-delay.ts'

export interface SpareOptions {
  readonly log: Log
  /** Only tests have one: what is run in the place of a plughost. */
  readonly entry?: string
}

/** What somebody wants it for. */
export interface SpareWish {
  /** What its isolates are prepared with. */
  readonly prelude: string
  /** Plugins that may come at once. */
  readonly plugins: number
}

/** A plugin under approval is loaded twice the first time, each time into an isolate of its own. */
const MORE_ISOLATES = 1
/** Some milliseconds and a MiB and a half each. */
const MAX_ISOLATES = 32
const BOOT_MS = 10_000
const RSS_CAP_BYTES = 192 * 1024 * 1024

export class SparePlughost implements IdlePlughosts {
  readonly #options: SpareOptions
  readonly #delay = new RespawnDelay()
  #host: Plughost | null = null
  readonly #wishes = new Set<SpareWish>()
  #timer: NodeJS.Timeout | null = null
  /** When the last one was started, milliseconds of performance.now(). */
  #startedAt: number | null = null
  #deaths = 0

  constructor(options: SpareOptions) {
    this.#options = options
  }

  get isReady(): boolean {
    return this.#host?.isReady === true
  }

  /** Whether its isolates are made, too. */
  get isPrepared(): boolean {
    return this.isReady && this.#host?.isBusy === false
  }

  /** As an operator sees it; empty while nobody wants one. */
  views(): readonly PlughostView[] {
    if (this.#wishes.size === 0) return []
    return [{ domain: 'spare', pid: this.isReady ? (this.#host?.pid ?? null) : null, plugins: [] }]
  }

  /** Spares that died; what dies after somebody took it is counted there. */
  get deaths(): number {
    return this.#deaths
  }

  /**
   * Somebody wants a spare to be there. The first one is started at once: whoever wants it has other things to do yet.
   *
   * @returns called once, when it is wanted no more
   */
  want(wish: SpareWish): () => void {
    const one = { ...wish }
    this.#wishes.add(one)
    if (this.#host !== null) this.#prepare(this.#host)
    else if (this.#startedAt === null) this.#start()
    else this.#startLater()
    return () => this.#unwanted(one)
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

  #unwanted(wish: SpareWish): void {
    this.#wishes.delete(wish)
    if (this.#wishes.size > 0) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#host?.close()
    this.#host = null
  }

  /** Not at once: whoever took the last one has the processor first, and who takes one after the other has to wait. */
  #startLater(): void {
    if (this.#wishes.size === 0 || this.#host !== null || this.#timer !== null) return
    const delayMs = this.#delay.after(performance.now() - (this.#startedAt ?? Number.NEGATIVE_INFINITY))
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
    this.#prepare(this.#host)
  }

  /** For the newest wish: an older one is of a generation that goes. */
  #prepare(host: Plughost): void {
    const wish = [...this.#wishes].at(-1)
    if (wish === undefined) return
    const isolates = Math.min(MAX_ISOLATES, wish.plugins + MORE_ISOLATES)
    host.send(
      TO_HOST.prepare,
      0,
      JSON.stringify({ isolates, prelude: wish.prelude, memoryMb: MEMORY_MB } satisfies PrepareRequest),
    )
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
