/** What a trust domain is made of, and what a plugin in it is. */
import type { Clock } from '../core/observe/clock.ts'
import type { Log } from '../core/observe/log.ts'
import type { EffectBroker } from './effects.ts'
import type { PermissionSet } from './permissions.ts'
import type { IdlePlughosts } from './plughost.ts'
import type { PluginBounds } from './plugin-bounds.ts'
import type { LoadRequest } from './protocol/messages.ts'
import type { PluginUsage } from './usage.ts'

export interface LoadedPlugin {
  readonly request: LoadRequest
  readonly permissions: PermissionSet
}

export interface DomainOptions {
  readonly clock: Clock
  readonly log: Log
  readonly broker: EffectBroker
  readonly random: () => number
  /** What plugins did so far, by name. */
  readonly usage: Map<string, PluginUsage>
  /** Whether its plughost has the JIT compiler. */
  readonly jit: boolean
  /** Where it finds a plughost that is started already; null: nowhere. */
  readonly idle: IdlePlughosts | null
  /** How much of its tools each plugin may use. */
  readonly bounds: PluginBounds
  /** Whether a second plughost stands by with its plugins loaded. */
  readonly standby?: boolean
  /** Only tests have one: what is run in the place of a plughost. */
  readonly entry?: string
}
