/** Happy eyeballs: addresses of one host are tried a little apart, and the first connection stands (RFC 8305 §5). */
import type { Socket } from 'node:net'

export interface ConnectionRaceOptions<Target> {
  /** In the order they are tried; not empty. */
  readonly targets: readonly Target[]
  /** Never rejects. An aborted signal ends the try. */
  readonly connect: (target: Target, signal: AbortSignal) => Promise<Socket | Error>
  /** An address has so long before the next one is tried beside it, milliseconds. */
  readonly staggerMs: number
  readonly signal: AbortSignal
}

export type Raced<Target> =
  | { readonly isWon: true; readonly target: Target; readonly socket: Socket }
  | {
      readonly isWon: false
      readonly failures: readonly { readonly target: Target; readonly error: Error }[]
    }

/** RFC 8305 §8. */
export const STAGGER_MS = 250

/** Resolves with the first connection; with what each address met when there is none. */
export function raceConnections<Target>(options: ConnectionRaceOptions<Target>): Promise<Raced<Target>> {
  return new ConnectionRace(options).run()
}

class ConnectionRace<Target> {
  readonly #options: ConnectionRaceOptions<Target>
  readonly #over = new AbortController()
  readonly #failures: { target: Target; error: Error }[] = []
  readonly #raced = Promise.withResolvers<Raced<Target>>()
  #started = 0
  #isWon = false
  #stagger: NodeJS.Timeout | undefined

  constructor(options: ConnectionRaceOptions<Target>) {
    this.#options = options
  }

  async run(): Promise<Raced<Target>> {
    const { signal } = this.#options
    const giveUp = (): void => this.#over.abort()
    signal.addEventListener('abort', giveUp, { once: true })
    if (signal.aborted) giveUp()
    this.#startNext()
    const raced = await this.#raced.promise
    signal.removeEventListener('abort', giveUp)
    clearTimeout(this.#stagger)
    return raced
  }

  #startNext(): void {
    clearTimeout(this.#stagger)
    const { targets, staggerMs } = this.#options
    const target = targets[this.#started]
    if (target === undefined || this.#isWon) return
    this.#started += 1
    if (this.#started < targets.length) this.#stagger = setTimeout(() => this.#startNext(), staggerMs)
    void this.#try(target)
  }

  async #try(target: Target): Promise<void> {
    const result = await this.#options.connect(target, this.#over.signal)
    if (this.#over.signal.aborted || result instanceof Error) {
      if (!(result instanceof Error)) result.destroy()
      this.#failed(target, result instanceof Error ? result : new Error('given up'))
    } else {
      // At once, or another one could be taken in the same turn.
      this.#isWon = true
      this.#over.abort()
      this.#raced.resolve({ isWon: true, target, socket: result })
    }
  }

  #failed(target: Target, error: Error): void {
    this.#failures.push({ target, error })
    if (this.#failures.length < this.#options.targets.length) this.#startNext()
    // When the race was won already nothing comes of it.
    else this.#raced.resolve({ isWon: false, failures: this.#failures })
  }
}
