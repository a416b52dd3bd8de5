/**
 * Clearance of one site: whether work may be attempted is asked before it gets its place in the line, so that nobody's
 * thinking occupies a connection. A bounded number of questions at a time; what waits for longer waits here.
 */
import type { Attempts } from './attempts.ts'
import type { DeliveryPolicy } from './policy.ts'
import type { Work } from './work.ts'

export interface ClearanceOptions {
  readonly policy: DeliveryPolicy
  readonly attempts: Pick<Attempts, 'ruled' | 'broken'>
  /** Called with work that may be attempted. */
  readonly onCleared: (work: Work) => void
  /** Called when some work less is here. */
  readonly onLess: () => void
}

/** Questions of one site at once: slow answers to a few leave the others their turn. */
const MAX_ASKED = 16

export class Clearance {
  readonly #options: ClearanceOptions
  readonly #waiting: Work[] = []
  readonly #asked = new Set<Work>()
  readonly #carriedOut = new Set<Promise<void>>()

  constructor(options: ClearanceOptions) {
    this.#options = options
  }

  /** Work that is asked about, or will be. */
  get size(): number {
    return this.#waiting.length + this.#asked.size
  }

  /** Nothing is here, and nothing is being written down. */
  get isIdle(): boolean {
    return this.size === 0 && this.#carriedOut.size === 0
  }

  ask(work: Work): void {
    this.#waiting.push(work)
    this.#next()
  }

  /** Whatever is said from now on is not heard: the work is the caller's. */
  stop(): readonly Work[] {
    const works = [...this.#asked, ...this.#waiting.splice(0)]
    this.#asked.clear()
    return works
  }

  /** Resolves when what was decided is written down; for after `stop`. */
  async ended(): Promise<void> {
    await Promise.all(this.#carriedOut)
  }

  #next(): void {
    while (this.#asked.size < MAX_ASKED) {
      const work = this.#waiting.shift()
      if (work === undefined) return
      this.#asked.add(work)
      void this.#decide(work)
    }
  }

  async #decide(work: Work): Promise<void> {
    const { policy, attempts, onCleared, onLess } = this.#options
    try {
      const ruling = await policy.decide(work.delivery)
      if (!this.#asked.delete(work)) return
      if (ruling.kind === 'go') onCleared(work)
      else
        this.#carryOut(attempts.ruled(work, ruling).catch((error: unknown) => attempts.broken(work, error)))
    } catch (error) {
      if (!this.#asked.delete(work)) return
      this.#carryOut(attempts.broken(work, error))
    }
    onLess()
    this.#next()
  }

  #carryOut(done: Promise<void>): void {
    const written: Promise<void> = done.finally(() => this.#carriedOut.delete(written))
    this.#carriedOut.add(written)
  }
}
