/** Capability `metrics`: counters of a plugin's own. */
import { EffectRefused, type NamedEffect } from './effect.ts'
import type { PluginCounters } from './plugin-counters.ts'

const NAME = /^[a-z][a-z0-9_]{0,39}$/
const LABEL = /^[^\p{C}]{0,60}$/u
const MAX_STEP = 1_000_000_000

export function metricsEffects(counters: PluginCounters): readonly NamedEffect[] {
  return [
    [
      'metrics.count',
      {
        write: false,
        run: async ({ plugin }, [name, label, by]) => {
          if (typeof name !== 'string' || !NAME.test(name))
            throw new EffectRefused('a counter has 1 to 40 lower-case letters, digits and underscores')
          if (typeof label !== 'string' || !LABEL.test(label))
            throw new EffectRefused('a label has at most 60 printable characters')
          if (typeof by !== 'number' || !(by >= 0 && by <= MAX_STEP))
            throw new EffectRefused(`"by" is 0 to ${MAX_STEP}`)
          counters.count(plugin, name, label, by)
        },
      },
    ],
  ]
}
