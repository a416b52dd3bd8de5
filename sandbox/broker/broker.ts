/**
 * The broker: what a plugin asks for in the middle of a call, checked against its permissions here, on the asking side
 * of the border, and carried out. One file per capability.
 */
import type { MessageReader } from '../../core/mail/hook-events.ts'
import type { Clock } from '../../core/observe/clock.ts'
import type { StateStore } from '../../core/state/state-store.ts'
import type { PermissionSet } from '../permissions.ts'
import { bodyEffects } from './body.ts'
import { keyValueEffects } from './key-value.ts'
import { type LookupTables, lookupEffects } from './lookup.ts'

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

export class Broker {
  readonly #effects: ReadonlyMap<string, Effect>

  constructor(state: StateStore, lookups: LookupTables, clock: Clock) {
    this.#effects = new Map([...keyValueEffects(state, clock), ...lookupEffects(lookups), ...bodyEffects()])
  }

  /** The effect of this name, undefined when there is none. */
  effect(method: string): Effect | undefined {
    return this.#effects.get(method)
  }
}
