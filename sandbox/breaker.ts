/**
 * The breakers of the plugins: one that many networks bring down within minutes is not asked for a while, then with one
 * question to see how it does, and again as always when it answers.
 */
import type { Fault } from '../core/mail/answer.ts'
import type { Clock } from '../core/observe/clock.ts'
import type { Log } from '../core/observe/log.ts'

/** So many networks within the window: it is not one sender's fault. */
const NETWORKS = 5
const WINDOW_MS = 600_000
const FIRST_REST_MS = 30_000
const LAST_REST_MS = 600_000
/** A trial that has come to nothing by then, for want of its turn, is made again. */
const TRIAL_MS = 30_000

const OPEN: Fault = Object.freeze({
  kind: 'unavailable',
  message: 'not asked: many networks brought it down, its breaker is open',
  stack: '',
})

interface State {
  /** When each network last brought it down. */
  readonly deaths: Map<string, number>
  restMs: number
  /** Monotonic milliseconds; null while it is closed. */
  openUntil: number | null
  triedAt: number | null
}

export class Breaker {
  readonly #clock: Clock
  readonly #log: Log
  readonly #states = new Map<string, State>()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#log = log
  }

  /** Whether no plugin died of late. */
  get isCalm(): boolean {
    return this.#states.size === 0
  }

  /** A fault while it is open, null when the plugin may be asked: always, or now for trial. */
  fault(plugin: string): Fault | null {
    const state = this.#states.get(plugin)
    if (state === undefined || state.openUntil === null) return null
    const now = this.#clock.monotonic()
    if (now < state.openUntil || (state.triedAt !== null && now - state.triedAt < TRIAL_MS)) return OPEN
    state.triedAt = now
    return null
  }

  /** This network, or where there is none this input, brought it down. */
  died(plugin: string, network: string): void {
    const now = this.#clock.monotonic()
    const state = this.#states.get(plugin) ?? {
      deaths: new Map<string, number>(),
      restMs: FIRST_REST_MS,
      openUntil: null,
      triedAt: null,
    }
    this.#states.set(plugin, state)
    for (const [one, at] of state.deaths) if (now - at > WINDOW_MS) state.deaths.delete(one)
    state.deaths.set(network, now)
    const failedTrial = state.triedAt !== null
    if (!failedTrial && (state.openUntil !== null || state.deaths.size < NETWORKS)) return
    state.restMs = failedTrial ? Math.min(2 * state.restMs, LAST_REST_MS) : FIRST_REST_MS
    state.openUntil = now + state.restMs
    state.triedAt = null
    this.#log.error('breaker-opened', { plugin, networks: state.deaths.size, restMs: state.restMs })
  }

  /** It answered: a trial that ends so closes the breaker. */
  answered(plugin: string): void {
    const state = this.#states.get(plugin)
    if (state === undefined || state.triedAt === null) return
    this.#states.delete(plugin)
    this.#log.info('breaker-closed', { plugin })
  }
}
