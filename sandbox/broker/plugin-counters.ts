/** What is counted of plugins while they run: what they count themselves, and what they were refused. Outlives reloads. */
import { QuotaExceeded } from './effect.ts'

/** A total and what it is the total of. */
export interface Counted {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Series one plugin may count. */
export const MAX_SERIES = 100

class Totals {
  readonly #counted = new Map<string, { readonly labels: Readonly<Record<string, string>>; value: number }>()

  add(labels: Readonly<Record<string, string>>, by: number): void {
    const key = JSON.stringify(Object.values(labels))
    const known = this.#counted.get(key)
    if (known === undefined) this.#counted.set(key, { labels, value: by })
    else known.value += by
  }

  has(labels: Readonly<Record<string, string>>): boolean {
    return this.#counted.has(JSON.stringify(Object.values(labels)))
  }

  list(): readonly Counted[] {
    return [...this.#counted.values()]
  }
}

export class PluginCounters {
  readonly #quotas = new Totals()
  readonly #denials = new Totals()
  readonly #counts = new Totals()
  readonly #series = new Map<string, number>()

  /** `plugin`, `quota`. */
  get quotaRefusals(): readonly Counted[] {
    return this.#quotas.list()
  }

  /** `plugin`, `permission`. */
  get denials(): readonly Counted[] {
    return this.#denials.list()
  }

  /** `plugin`, `name`, `label`: what plugins count themselves. */
  get counts(): readonly Counted[] {
    return this.#counts.list()
  }

  quotaRefused(plugin: string, quota: string): void {
    this.#quotas.add({ plugin, quota }, 1)
  }

  denied(plugin: string, permission: string): void {
    this.#denials.add({ plugin, permission }, 1)
  }

  /** @throws QuotaExceeded when it would be one series too many */
  count(plugin: string, name: string, label: string, by: number): void {
    const labels = { plugin, name, label }
    if (!this.#counts.has(labels)) {
      const series = this.#series.get(plugin) ?? 0
      if (series >= MAX_SERIES)
        throw new QuotaExceeded('metrics.series', `a plugin counts at most ${MAX_SERIES} series`)
      this.#series.set(plugin, series + 1)
    }
    this.#counts.add(labels, by)
  }
}
