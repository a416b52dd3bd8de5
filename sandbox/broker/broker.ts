/**
 * The broker: what a plugin asks for in the middle of a call, checked against its permissions here, on the asking side
 * of the border, and carried out. One file per capability.
 */
import type { Clock } from '../../core/observe/clock.ts'
import type { StateStore } from '../../core/state/state-store.ts'
import { bodyEffects } from './body.ts'
import type { Effect } from './effect.ts'
import { keyValueEffects } from './key-value.ts'
import { type LookupTables, lookupEffects } from './lookup.ts'

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
