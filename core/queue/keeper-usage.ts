/** The usage a worker knows of when a keeper counts for all of them: its own at once, that of others a moment later. */
import type { Amounts, UsageMeter } from '../state/usage.ts'
import { LocalUsage, sum } from '../state/usage.ts'
import type { KeeperClient } from './keeper-client.ts'
import type { SharedOperations } from './keeper-protocol.ts'

/** How long counts are gathered before the keeper is told. */
const GATHER_MS = 250

export class KeeperUsage implements UsageMeter {
  readonly #client: KeeperClient
  readonly #known = new LocalUsage(() => performance.now())
  /** Counted here, and not told yet. */
  #untold = new Map<string, Amounts>()
  #timer: NodeJS.Timeout | null = null

  constructor(client: KeeperClient) {
    this.#client = client
  }

  of(key: string): Amounts {
    return this.#known.of(key)
  }

  add(key: string, amounts: Amounts): void {
    this.#count(key, amounts)
    this.#timer ??= setTimeout(() => void this.#tell(), GATHER_MS).unref()
  }

  settle(key: string, amounts: Amounts): Promise<void> {
    this.#count(key, amounts)
    return this.#tell()
  }

  #count(key: string, amounts: Amounts): void {
    this.#known.add(key, amounts)
    this.#untold.set(key, sum(this.#untold.get(key) ?? {}, amounts))
  }

  /** A keeper that does not answer leaves us with our own counts; whoever needs it for more finds out there. */
  async #tell(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const keys = [...this.#untold].map(([key, amounts]) => ({ key, amounts }))
    this.#untold = new Map()
    try {
      const { value } = await this.#client.call({
        store: 'shared',
        call: { name: 'add-usage', arguments: { keys } },
      })
      const totals = value as SharedOperations['add-usage']['answer']
      for (const [index, { key }] of keys.entries())
        this.#known.replace(key, sum(totals[index] ?? {}, this.#untold.get(key) ?? {}))
    } catch {
      // Nothing to undo: `known` has them.
    }
  }
}
