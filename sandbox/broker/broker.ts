/**
 * The broker: what a plugin asks for in the middle of a call, checked against its permissions here, on the asking side
 * of the border, and carried out. One file per capability.
 */
import type { MessageContents } from '../../core/content/pool.ts'
import type { Clock } from '../../core/observe/clock.ts'
import type { Log } from '../../core/observe/log.ts'
import type { StateStore } from '../../core/state/state-store.ts'
import { PluginBounds } from '../plugin-bounds.ts'
import { withoutSecret } from '../secret.ts'
import { bodyEffects } from './body.ts'
import { dnsEffects, type NameLookups } from './dns.ts'
import { type Caller, type Effect, EffectRefused, PermissionDenied, QuotaExceeded } from './effect.ts'
import { hashEffects } from './hash.ts'
import { type HttpDoor, httpEffects } from './http.ts'
import { keyValueEffects } from './key-value.ts'
import { type LookupTables, lookupEffects } from './lookup.ts'
import { messageEffects } from './message.ts'
import { metricsEffects } from './metrics.ts'
import { notesEffects, type SessionNotes } from './notes.ts'
import type { PluginCounters } from './plugin-counters.ts'
import { Secrets } from './secrets.ts'
import { type TcpDoor, tcpEffects } from './tcp.ts'
import { type Sleep, timerEffects } from './timer.ts'

/** What the capabilities are made of. */
export interface BrokerParts {
  readonly state: StateStore
  readonly tables: LookupTables
  /** null: nobody looks into messages here. */
  readonly contents: MessageContents | null
  readonly resolver: NameLookups
  readonly http: HttpDoor
  readonly tcp: TcpDoor
  readonly sleep: Sleep
  /** Values by name. */
  readonly secrets: Readonly<Record<string, string>>
  readonly notes: SessionNotes
  readonly counters: PluginCounters
  /** Of all generations together; without them this broker has its own. */
  readonly bounds?: PluginBounds
  readonly clock: Clock
  readonly log: Log
  /** In [0, 1). */
  readonly random: () => number
}

/** Characters of a reason in the log; keys and names in it are the plugin's. */
const MAX_REASON_CHARS = 500

/** Why a plugin did not get what it asked for, as the error it may catch. */
export interface RefusedEffect {
  readonly name: string
  readonly message: string
}

/** Between two lines in the log about the same plugin and permission, or tool: what failed mostly fails again. */
const DENIAL_LINES_MS = 60_000

export class Broker {
  readonly #effects: ReadonlyMap<string, Effect>
  readonly #parts: BrokerParts
  readonly #toldAt = new Map<string, number>()

  constructor(parts: BrokerParts) {
    const { state, tables, contents, resolver, http, tcp, sleep, notes, counters, clock, random } = parts
    const { requests, exchanges, sleeps } = parts.bounds ?? new PluginBounds()
    const secrets = new Secrets(parts.secrets)
    this.#parts = parts
    this.#effects = new Map([
      ...keyValueEffects(state, clock),
      ...lookupEffects(tables),
      ...bodyEffects(),
      ...messageEffects(contents),
      ...dnsEffects(resolver),
      ...httpEffects({ door: http, resolver, secrets, requests, random }),
      ...tcpEffects({ door: tcp, resolver, exchanges, random }),
      ...timerEffects(sleep, sleeps),
      ...hashEffects(secrets),
      ...metricsEffects(counters),
      ...notesEffects(notes),
    ])
  }

  /** The effect of this name, undefined when there is none. */
  effect(method: string): Effect | undefined {
    return this.#effects.get(method)
  }

  /** Books an effect that failed. @returns what the plugin hears of it */
  failed({ plugin, question }: Caller, method: string, error: unknown): RefusedEffect {
    const { counters, log } = this.#parts
    if (!(error instanceof EffectRefused)) {
      if (this.#isNews(`${plugin} ${method}`))
        log.error('plugin-effect-failed', { plugin, method, reason: loggable(String(error), question) })
      return { name: 'Unavailable', message: `${method} is not available now` }
    }
    const { name, message } = error
    if (error instanceof QuotaExceeded) counters.quotaRefused(plugin, error.quota)
    if (error instanceof PermissionDenied) {
      const { permission } = error
      counters.denied(plugin, permission)
      if (this.#isNews(`${plugin} ${permission}`))
        log.warn('plugin-denied', {
          plugin,
          session: question.session,
          method,
          permission,
          reason: loggable(message, question),
        })
    }
    return { name, message }
  }

  #isNews(subject: string): boolean {
    const now = this.#parts.clock.monotonic()
    if (now - (this.#toldAt.get(subject) ?? Number.NEGATIVE_INFINITY) < DENIAL_LINES_MS) return false
    this.#toldAt.set(subject, now)
    return true
  }
}

/** A plugin may ask for a key that is a password. */
function loggable(reason: string, { secret }: Caller['question']): string {
  return withoutSecret(reason, secret).slice(0, MAX_REASON_CHARS)
}
