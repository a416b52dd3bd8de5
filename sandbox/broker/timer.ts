/** Capability `timer`: waiting, for less time than the hook has. */
import { AtOnce } from './at-once.ts'
import { EffectRefused, type NamedEffect } from './effect.ts'

/** Waits of one plugin at once: a client that is kept waiting keeps a call from others. */
const MAX_SLEEPS = 256

export type Sleep = (ms: number) => Promise<unknown>

export function timerEffects(sleep: Sleep): readonly NamedEffect[] {
  const sleeps = new AtOnce('timer.sleeps', MAX_SLEEPS)
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
