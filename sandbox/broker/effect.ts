/** One thing a plugin can ask for in the middle of a call: what every capability's file is made of. */
import type { MessageReader } from '../../core/mail/hook-events.ts'
import type { PermissionSet } from '../permissions.ts'

/** Who asks, and about what. */
export interface Caller {
  readonly permissions: PermissionSet
  readonly message: MessageReader | null
}

/** Carries out one effect. `write` effects change something, so a call that made one is not simply asked again. */
export interface Effect {
  readonly write: boolean
  run(caller: Caller, args: readonly unknown[]): Promise<unknown>
}

/** Refused or impossible; the plugin gets the sentence as an error it may catch. */
export class EffectRefused extends Error {}
