/**
 * The generations of a worker: the one in force, one being prepared, and those that transactions still stand on. What
 * was reloaded is in force for what begins from then on.
 */
import type { Problem } from '../../config/problem.ts'
import type { PlughostView } from '../../sandbox/domains.ts'
import {
  closeGeneration,
  type Generation,
  type GenerationSource,
  type Lasting,
  openGeneration,
} from './generation.ts'

/** Generations kept for transactions that began with them; the oldest beyond that is closed under its transactions. */
const MAX_RETIRED = 4

export class Generations {
  readonly #lasting: Lasting
  readonly #retired = new Set<Generation>()
  #current: Generation
  #prepared: Generation | null = null
  /** One after the other. */
  #opening: Promise<unknown> = Promise.resolve()
  /** Numbers up to this one are not wanted any more, should one still be opening. */
  #discarded = 0
  #deaths = 0

  constructor(first: Generation, lasting: Lasting) {
    this.#current = first
    this.#lasting = lasting
  }

  /** In force. */
  get current(): Generation {
    return this.#current
  }

  /** Those of the generation in force, and the one that is spare. */
  get plughosts(): readonly PlughostView[] {
    return [...this.#current.sandbox.plughosts(), ...this.#lasting.spare.views()]
  }

  /** Plughosts that died since the start, in all generations. */
  get plughostDeaths(): number {
    const open = [this.#current, ...this.#retired]
    return (
      this.#deaths +
      this.#lasting.spare.deaths +
      open.reduce((sum, { sandbox }) => sum + sandbox.plughostDeaths(), 0)
    )
  }

  /** Opens one beside the one in force; empty when it can be activated. */
  async prepare(source: GenerationSource): Promise<readonly Problem[]> {
    const opening = this.#opening.then(() => this.#open(source))
    this.#opening = opening.catch(() => [])
    return await opening
  }

  async #open(source: GenerationSource): Promise<readonly Problem[]> {
    if (this.#prepared !== null) this.#letGo(this.#prepared)
    this.#prepared = null
    const opened = await openGeneration(source, this.#lasting, this.#current)
    if ('problems' in opened) return opened.problems
    if (source.number <= this.#discarded) {
      this.#letGo(opened)
      return []
    }
    this.#prepared = opened
    return []
  }

  /** @throws Error when no generation of this number was prepared */
  activate(number: number): void {
    const next = this.#prepared
    if (next?.number !== number) throw new Error(`generation ${number} is not prepared`)
    this.#prepared = null
    const before = this.#current
    this.#current = next
    this.#retired.add(before)
    before.sandbox.standDown()
    before.hooks.retire(() => this.#close(before))
    const [oldest] = this.#retired
    if (oldest !== undefined && this.#retired.size > MAX_RETIRED) {
      this.#lasting.log.warn('generation-cut-off', { generation: oldest.number })
      this.#close(oldest)
    }
  }

  discard(number: number): void {
    this.#discarded = Math.max(this.#discarded, number)
    const discarded = this.#prepared
    if (discarded?.number !== number) return
    this.#prepared = null
    this.#letGo(discarded)
  }

  async close(): Promise<void> {
    if (this.#prepared !== null) this.#letGo(this.#prepared)
    for (const retired of this.#retired) this.#close(retired)
    await closeGeneration(this.#current, null)
    await this.#lasting.recorder.close()
  }

  #close(retired: Generation): void {
    if (!this.#retired.delete(retired)) return
    this.#deaths += retired.sandbox.plughostDeaths()
    this.#letGo(retired)
  }

  #letGo(generation: Generation): void {
    closeGeneration(generation, this.#current).catch((error: unknown) =>
      this.#lasting.log.error('generation-close-failed', {
        generation: generation.number,
        reason: String(error),
      }),
    )
  }
}
