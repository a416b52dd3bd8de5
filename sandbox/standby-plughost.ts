/**
 * A second plughost of a trust domain, with the same plugins loaded and nothing to do: when the first one dies it goes on
 * within a turn of the loop, where a new one would have to be started and to load them. It is replaced when it was
 * needed, and when it dies.
 */
import type { Log } from '../core/observe/log.ts'
import type { LoadedPlugin } from './domain-options.ts'
import type { Death, Plughost, PlughostOwner } from './plughost.ts'
import type { PlughostLimits } from './plughost-limits.ts'
import { TO_HOST } from './protocol/messages.ts'
import type { HostMessage } from './protocol/parse.ts'
import { RespawnDelay } from './respawn-delay.ts'

export interface StandbyOptions {
  readonly log: Log
  /** What it has loaded, by number. */
  readonly plugins: ReadonlyMap<number, LoadedPlugin>
  /** @throws when no process can be made */
  readonly start: (owner: PlughostOwner) => Plughost
  readonly limits: PlughostLimits
}

/** One that took over, and which plugins it was sent and is still loading. */
export interface TakenOver {
  readonly host: Plughost
  readonly loading: readonly number[]
}

export class StandbyPlughost {
  readonly #options: StandbyOptions
  readonly #delay = new RespawnDelay()
  /** Numbers of plugins it was sent and has not answered. */
  readonly #loading = new Set<number>()
  #host: Plughost | null = null
  #timer: NodeJS.Timeout | null = null
  /** Milliseconds of performance.now(). */
  #startedAt = Number.NEGATIVE_INFINITY
  #isWanted = false
  #deaths = 0

  constructor(options: StandbyOptions) {
    this.#options = options
  }

  /** Whether there is one to take over, be it that it still loads. */
  get isReady(): boolean {
    return this.#host?.isReady === true
  }

  /** Its process; null while there is none that could take over at once. */
  get pid(): number | null {
    return this.isReady && this.#loading.size === 0 ? (this.#host?.pid ?? null) : null
  }

  /** Those that died before they were needed. */
  get deaths(): number {
    return this.#deaths
  }

  /** From now on there is to be one, with the plugins there are at each start. */
  want(): void {
    this.#isWanted = true
    this.#startLater()
  }

  take(owner: PlughostOwner): TakenOver | null {
    const host = this.#host
    if (host === null) return null
    const loading = [...this.#loading]
    this.#forget()
    host.passTo(owner)
    this.#startLater()
    return { host, loading }
  }

  close(): void {
    this.#isWanted = false
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#host?.close()
    this.#forget()
  }

  /** Whoever took over, or has just loaded the same plugins, has the processor first. */
  #startLater(): void {
    if (!this.#isWanted || this.#host !== null || this.#timer !== null) return
    const delayMs = this.#delay.after(performance.now() - this.#startedAt)
    this.#timer = setTimeout(() => this.#start(), delayMs).unref()
  }

  #start(): void {
    this.#timer = null
    this.#startedAt = performance.now()
    const { log, plugins, start, limits } = this.#options
    try {
      this.#host = start({
        rssCapBytes: () => limits.rssCapBytes(),
        silenceMs: () => limits.silenceMs(true),
        onMessage: (message) => this.#hear(message),
        onDeath: (death) => this.#died(death),
      })
    } catch (error) {
      log.error('plughost-not-started', { reason: (error as Error).message })
      return this.#startLater()
    }
    for (const [plugin, { request }] of plugins) {
      this.#loading.add(plugin)
      this.#host.send(TO_HOST.load, plugin, JSON.stringify(request))
    }
  }

  #hear(message: HostMessage): void {
    switch (message.type) {
      case 'loaded':
        if (this.#loading.delete(message.plugin)) return
        return this.#host?.kill('protocol', 'it loaded what it was not given')
      case 'load-failed':
        return this.#host?.kill('reload', `it did not load: ${message.fault.message}`)
      case 'ready':
      case 'progress':
      // What a plugin logs while it is evaluated was logged when it was loaded first.
      case 'log':
        return
      case 'reports':
      case 'quiet':
      case 'effect':
        return this.#host?.kill('protocol', 'it speaks without having been asked')
    }
  }

  #died({ cause, detail, blame, stderr }: Death): void {
    this.#forget()
    this.#deaths++
    const plugin = this.#options.plugins.get(blame.plugin)?.request.name ?? null
    const said = stderr.split('\n').find((line) => line.trim() !== '')
    this.#options.log.error('plughost-died', { plugin, cause, detail, stderr: said })
    this.#startLater()
  }

  #forget(): void {
    this.#host = null
    this.#loading.clear()
  }
}
