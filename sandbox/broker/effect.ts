/** One thing a plugin can ask for in the middle of a call: what every capability's file is made of. */
import type { HookName, MessageReader } from '../../core/mail/hook-events.ts'
import type { PermissionName, PermissionSet } from '../permissions.ts'

/** Who asks, and about what. */
export interface Caller {
  /** The plugin's name. */
  readonly plugin: string
  readonly permissions: PermissionSet
  readonly message: MessageReader | null
  /** One object for each call, so that what one call may use can be counted by it. */
  readonly question: AskedQuestion
}

/** What a plugin was asked when it asks for something itself. */
export interface AskedQuestion {
  readonly hook: HookName
  readonly session: string
  /** Number of the transaction within the session; null where the event has none. */
  readonly transaction: number | null
  /** A password that was told, '' without one: it goes into no log. */
  readonly secret: string
  /** Wall time of one plugin at this hook. */
  readonly pluginMs: number
}

/** Carries out one effect. `write` effects change something, so a call that made one is not simply asked again. */
export interface Effect {
  readonly write: boolean
  run(caller: Caller, args: readonly unknown[]): Promise<unknown>
}

/** An effect by its name at the border. */
export type NamedEffect = readonly [method: string, effect: Effect]

/** Refused or impossible; the plugin gets the sentence as an error it may catch, under the name of the class. */
export class EffectRefused extends Error {
  override readonly name: string = 'InvalidArgument'
}

/** The plugin may not do this. */
export class PermissionDenied extends EffectRefused {
  override readonly name = 'PermissionDenied'
  readonly permission: PermissionName

  constructor(permission: PermissionName, message: string) {
    super(message)
    this.permission = permission
  }
}

/** The plugin may do this, but not so much of it. */
export class QuotaExceeded extends EffectRefused {
  override readonly name = 'QuotaExceeded'
  /** Label of the metric: `dns.questions`. */
  readonly quota: string

  constructor(quota: string, message: string) {
    super(message)
    this.quota = quota
  }
}

/** What was asked for cannot be had now: a server that does not answer. Asking later may help. */
export class Unavailable extends EffectRefused {
  override readonly name = 'Unavailable'
}
