/**
 * A plugin's fault is charged first to its input: what brought it down once is not put to it again for an hour, nor is
 * anything else of that client network. Only when many networks bring it down is the plugin itself left alone for a
 * while. Everything here is in memory and bounded; what is forgotten early is asked again.
 */
import type { Fault } from '../core/mail/answer.ts'
import type { Clock } from '../core/observe/clock.ts'
import { type Log, silentLog } from '../core/observe/log.ts'
import { Breaker } from './breaker.ts'

/** What a plugin was asked about, as far as it matters who else sends the like. */
export interface Input {
  /** Of the content, or of what else the event is about. */
  readonly fingerprint: string
  /** null where no client is behind it. */
  readonly network: string | null
}

/** How bad a fault was: its isolate was lost, or its whole process. */
export type Charge = 'isolate' | 'process'

const QUARANTINE_MS = 3_600_000
const PENALTY_MS = 600_000
/** Processes one network may cost before it is sent away. */
const DEATHS_PER_NETWORK = 3
const MAX_ENTRIES = 10_000

export class Quarantine {
  readonly #clock: Clock
  readonly #breaker: Breaker
  /** By plugin and fingerprint, and by plugin and network: until when, in monotonic milliseconds. */
  readonly #until = new Map<string, number>()
  /** Moments of the deaths each network caused. */
  readonly #deaths = new Map<string, number[]>()

  constructor(clock: Clock, log: Log) {
    this.#clock = clock
    this.#breaker = new Breaker(clock, log)
  }

  /** Whether nothing is kept from anybody, so that an input need not be looked at. */
  get isEmpty(): boolean {
    return this.#until.size === 0
  }

  /** Whether nothing is kept from anybody and no breaker has seen a death: `fault` is null and `answered` does nothing. */
  get isCalm(): boolean {
    return this.#until.size === 0 && this.#breaker.isCalm
  }

  /** Why the plugin is not asked about this, null when it is. `plugin`: name and build, so that a mended one starts anew. */
  fault(plugin: string, input: Input | null): Fault | null {
    if (input !== null && this.#isHeld(plugin, input))
      return { kind: 'quarantined', message: 'not asked: the like of this brought it down', stack: '' }
    return this.#breaker.fault(plugin)
  }

  /** Its input brought a plugin down. */
  charge(plugin: string, { fingerprint, network }: Input, charge: Charge): void {
    const now = this.#clock.monotonic()
    keep(this.#until, messageKey(plugin, fingerprint), now + QUARANTINE_MS)
    if (network !== null) keep(this.#until, networkKey(plugin, network), now + QUARANTINE_MS)
    if (charge === 'isolate') return
    this.#breaker.died(plugin, network ?? fingerprint)
    if (network === null) return
    const recent = (this.#deaths.get(network) ?? []).filter((at) => now - at < PENALTY_MS)
    keep(this.#deaths, network, [...recent, now].slice(-DEATHS_PER_NETWORK))
  }

  /** It answered, whatever it said. */
  answered(plugin: string): void {
    this.#breaker.answered(plugin)
  }

  /** Whether this network has cost so many processes of late that it is to be sent away. */
  isPenalized(network: string): boolean {
    const deaths = this.#deaths.get(network)
    if (deaths === undefined || deaths.length < DEATHS_PER_NETWORK) return false
    return this.#clock.monotonic() - (deaths.at(-1) ?? 0) < PENALTY_MS
  }

  #isHeld(plugin: string, { fingerprint, network }: Input): boolean {
    const keys = [messageKey(plugin, fingerprint), ...(network === null ? [] : [networkKey(plugin, network)])]
    const now = this.#clock.monotonic()
    return keys.some((key) => {
      const until = this.#until.get(key)
      if (until !== undefined && until <= now) this.#until.delete(key)
      return until !== undefined && until > now
    })
  }
}

function messageKey(plugin: string, fingerprint: string): string {
  return `message ${plugin} ${fingerprint}`
}

function networkKey(plugin: string, network: string): string {
  return `network ${plugin} ${network}`
}

/** The newest entries are kept. */
function keep<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key)
  map.set(key, value)
  const [oldest] = map.keys()
  if (oldest !== undefined && map.size > MAX_ENTRIES) map.delete(oldest)
}

/** Every question is put to the plugin, whatever came of the one before: a day passes with each look at the clock. */
export function forgetfulQuarantine(): Quarantine {
  let day = 0
  const clock = { now: () => Date.now(), monotonic: () => ++day * 86_400_000 }
  return new Quarantine(clock, silentLog)
}
