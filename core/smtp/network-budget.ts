/** What one client network uses up at one listener in ten minutes, whatever connection it comes by. */
import type { UsageMeter } from '../state/usage.ts'
import { NETWORK_KINDS, type NetworkKind, type NetworkLimits } from './settings.ts'

/** What nobody needs much of: half the limit makes replies slow. */
const NUISANCES: readonly NetworkKind[] = ['errors', 'junk', 'unknownRecipients', 'authFailures']

export interface NetworkBudgetOptions {
  readonly meter: UsageMeter
  /** Listener and network. */
  readonly key: string
  /** In force now; null for a client without limits. */
  readonly limits: () => NetworkLimits | null
}

export class NetworkBudget {
  readonly #options: NetworkBudgetOptions

  constructor(options: NetworkBudgetOptions) {
    this.#options = options
  }

  /** Counts a connection, and waits for what other workers have counted. */
  enter(): Promise<void> | void {
    const { meter, key, limits } = this.#options
    if (limits() !== null) return meter.settle(key, { connections: 1 })
  }

  book(kind: NetworkKind, amount = 1): void {
    const { meter, key, limits } = this.#options
    if (limits() !== null) meter.add(key, { [kind]: amount })
  }

  /** Whether more than the limit was counted. */
  isPast(kind: NetworkKind): boolean {
    return this.#used(kind) > this.limitOf(kind)
  }

  /** Whether nothing is left. */
  isFull(kind: NetworkKind): boolean {
    return this.#used(kind) >= this.limitOf(kind)
  }

  /** What keeps it from connecting again; null when nothing does. */
  get closed(): NetworkKind | null {
    return NETWORK_KINDS.find((kind) => this.#closes(kind) && this.isPast(kind)) ?? null
  }

  /** Whether replies to it are slow. */
  get isStrained(): boolean {
    return NUISANCES.some((kind) => this.#used(kind) > this.limitOf(kind) / 2)
  }

  limitOf(kind: NetworkKind): number {
    return this.#options.limits()?.[kind] ?? Number.POSITIVE_INFINITY
  }

  #used(kind: NetworkKind): number {
    const { meter, key, limits } = this.#options
    return limits() === null ? 0 : (meter.of(key)[kind] ?? 0)
  }

  #closes(kind: NetworkKind): boolean {
    return kind === 'connections' || NUISANCES.includes(kind)
  }
}
