/** Whether what stands behind the server keeps up with it: its plugins, its store, and the volume of the store. */
import type { Lack, Load } from './load.ts'

/** Beyond these nobody is let in; Infinity without a limit. */
export interface BacklogLimits {
  /** Calls of plugins under way in one plughost. */
  readonly pluginCalls: number
  /** How long a plughost that mail waits for may be away, milliseconds. */
  readonly pluginAbsenceMs: number
  /** Calls the store has not answered. */
  readonly storeCalls: number
  /** How long the oldest of them may wait, milliseconds. */
  readonly storeDelayMs: number
}

export interface BacklogLoadOptions {
  readonly plugins: () => { readonly calls: number; readonly absentMs: number }
  readonly store: () => { readonly calls: number; readonly oldestMs: number }
  readonly space: { isScarce(): boolean }
  /** In force at this moment. */
  readonly limits: () => BacklogLimits
}

export class BacklogLoad implements Load {
  readonly #options: BacklogLoadOptions

  constructor(options: BacklogLoadOptions) {
    this.#options = options
  }

  overload(): Lack | null {
    const { plugins, store, space, limits } = this.#options
    const { pluginCalls, pluginAbsenceMs, storeCalls, storeDelayMs } = limits()
    const { calls, absentMs } = plugins()
    if (calls > pluginCalls || absentMs > pluginAbsenceMs) return 'plugins'
    const waiting = store()
    if (waiting.calls > storeCalls || waiting.oldestMs > storeDelayMs) return 'store'
    return space.isScarce() ? 'space' : null
  }
}
