/**
 * The broker: what a plugin asks for in the middle of a call, checked against its permissions here, on the asking side
 * of the border, and carried out. One file per capability.
 */
import type { MessageContents } from '../../core/content/pool.ts'
import type { Clock } from '../../core/observe/clock.ts'
import type { StateStore } from '../../core/state/state-store.ts'
import { bodyEffects } from './body.ts'
import type { Effect } from './effect.ts'
import { keyValueEffects } from './key-value.ts'
import { type LookupTables, lookupEffects } from './lookup.ts'
import { messageEffects } from './message.ts'

export class Broker {
  readonly #effects: ReadonlyMap<string, Effect>

  /** @param contents null: nobody looks into messages here */
  constructor(state: StateStore, lookups: LookupTables, clock: Clock, contents: MessageContents | null) {
    this.#effects = new Map([
      ...keyValueEffects(state, clock),
      ...lookupEffects(lookups),
      ...bodyEffects(),
      ...messageEffects(contents),
    ])
  }

  /** The effect of this name, undefined when there is none. */
  effect(method: string): Effect | undefined {
    return this.#effects.get(method)
  }
}
