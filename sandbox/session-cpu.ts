/**
 * How much of the processor one plugin may use for one session of a client. Whoever knows what is dear to a plugin could
 * keep it busy with one connection; behind the limit the plugin is not asked for that session, and time gives it back.
 */
import type { HookName } from '../core/mail/hook-events.ts'

/** At once. */
const BUDGET_MICROS = 250_000
/** Given back: a quarter of one processor, so that a long session with many messages is not held up. */
const MICROS_PER_MS = 250
/** Shorter calls are not counted: an ordinary plugin needs a fraction, and a session may have thousands of recipients. */
export const LEAST_MICROS = 1_000
const MAX_SESSIONS = 10_000

/** Outside of sessions, where the gateway itself sets the pace. */
const NO_SESSION: ReadonlySet<HookName> = new Set<HookName>(['deliver', 'tell'])

export interface SessionUse {
  readonly hook: HookName
  readonly session: string
  /** Its name. */
  readonly plugin: string
}

export class SessionCpu {
  readonly #now: () => number
  /** By session and plugin: what is used and not given back, and when that was looked at. */
  readonly #used = new Map<string, { micros: number; at: number }>()
  /** Those beyond their budget, about: some may have got it back. */
  readonly #spent = new Set<string>()

  /** @param now monotonic, milliseconds */
  constructor(now: () => number) {
    this.#now = now
  }

  /** Whether nobody is beyond a budget: `isSpent` is false for everybody. */
  get isCalm(): boolean {
    return this.#spent.size === 0
  }

  /** Whether the plugin is not to be asked for this session just now. */
  isSpent({ hook, session, plugin }: SessionUse): boolean {
    const key = `${session} ${plugin}`
    if (NO_SESSION.has(hook) || !this.#spent.has(key)) return false
    const used = this.#used.get(key)
    if (used !== undefined && this.#left(used) >= BUDGET_MICROS) return true
    this.#spent.delete(key)
    return false
  }

  /** Books a call; one of less than `LEAST_MICROS` need not be told. */
  used({ hook, session, plugin }: SessionUse, cpuMicros: number): void {
    if (cpuMicros < LEAST_MICROS || NO_SESSION.has(hook)) return
    const key = `${session} ${plugin}`
    const known = this.#used.get(key)
    const micros = cpuMicros + (known === undefined ? 0 : this.#left(known))
    this.#used.delete(key)
    this.#used.set(key, { micros, at: this.#now() })
    if (micros >= BUDGET_MICROS) this.#spent.add(key)
    const [oldest] = this.#used.keys()
    if (oldest === undefined || this.#used.size <= MAX_SESSIONS) return
    this.#used.delete(oldest)
    this.#spent.delete(oldest)
  }

  #left({ micros, at }: { readonly micros: number; readonly at: number }): number {
    return Math.max(0, micros - (this.#now() - at) * MICROS_PER_MS)
  }
}
