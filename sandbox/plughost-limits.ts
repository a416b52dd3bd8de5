/** What a plughost may use at a moment, by the plugins it has: memory, and time without a word. */
import type { LoadedPlugin } from './domain-options.ts'

const BOOT_MS = 10_000
const RSS_BASE_BYTES = 192 * 1024 * 1024
const RSS_PER_PLUGIN_BYTES = 8 * 1024 * 1024
/** Plugins there is always memory for. */
const LEAST_PLUGINS = 8
/** Behind its deadline an isolate is to give up; with what it says after that, at once. */
const GRACE_MS = 100
/** More than a plugin may take to be loaded, whatever its plughost says it took. */
const MAX_LOAD_MS = 1_000

export class PlughostLimits {
  readonly #plugins: ReadonlyMap<number, LoadedPlugin>
  #loadMs = 0

  /** @param plugins those it has, by number */
  constructor(plugins: ReadonlyMap<number, LoadedPlugin>) {
    this.#plugins = plugins
  }

  /** Loading one of its plugins took so long; in the middle of its work it takes as long again to replace an isolate. */
  loaded(wallMicros: number): void {
    this.#loadMs = Math.min(MAX_LOAD_MS, Math.max(this.#loadMs, wallMicros / 1_000))
  }

  rssCapBytes(): number {
    return RSS_BASE_BYTES + RSS_PER_PLUGIN_BYTES * Math.max(LEAST_PLUGINS, this.#plugins.size)
  }

  /** @param isLoading it is starting, or plugins are being loaded */
  silenceMs(isLoading: boolean): number {
    if (isLoading) return BOOT_MS
    let longest = 2 * this.#loadMs
    for (const { request } of this.#plugins.values()) longest = Math.max(longest, request.sliceMs)
    return longest + GRACE_MS
  }
}
