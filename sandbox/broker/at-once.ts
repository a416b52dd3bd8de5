/** How much of one kind a plugin may have under way at once, all its calls together. */
import { QuotaExceeded } from './effect.ts'

export class AtOnce {
  readonly #quota: string
  readonly #limit: number
  readonly #underWay = new Map<string, number>()

  /** @param quota as the metric names it */
  constructor(quota: string, limit: number) {
    this.#quota = quota
    this.#limit = limit
  }

  /** @throws QuotaExceeded when the plugin has as many under way already */
  async during<T>(plugin: string, work: () => Promise<T>): Promise<T> {
    const before = this.#underWay.get(plugin) ?? 0
    if (before >= this.#limit)
      throw new QuotaExceeded(this.#quota, `a plugin has at most ${this.#limit} of these under way at once`)
    this.#underWay.set(plugin, before + 1)
    try {
      return await work()
    } finally {
      const left = (this.#underWay.get(plugin) ?? 1) - 1
      if (left === 0) this.#underWay.delete(plugin)
      else this.#underWay.set(plugin, left)
    }
  }
}
