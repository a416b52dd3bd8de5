/** Capability `timer`: waiting, for less time than the hook has. */
import type { AtOnce } from './at-once.ts'
import { EffectRefused, type NamedEffect } from './effect.ts'

export type Sleep = (ms: number) => Promise<unknown>

/** @param sleeps how many of one plugin's at once */
export function timerEffects(sleep: Sleep, sleeps: AtOnce): readonly NamedEffect[] {
  return [
    [
      'timer.sleep',
      {
        write: false,
        run: async ({ plugin, question }, [ms]) => {
          if (typeof ms !== 'number' || !(ms >= 0 && ms < question.pluginMs))
            throw new EffectRefused(`a wait in ${question.hook} is 0 to less than ${question.pluginMs} ms`)
          await sleeps.during(plugin, () => sleep(ms))
        },
      },
    ],
  ]
}
