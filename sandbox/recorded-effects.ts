/** The effects of one recorded activation: each is answered as it was, and what is asked for otherwise is noticed. */
import type { RecordedEffect } from './activation.ts'
import { EffectRefused } from './broker/effect.ts'

/** A use of a tool, in short. */
export interface EffectName {
  readonly method: string
  readonly args: readonly unknown[]
}

/** How tools were used otherwise than recorded. */
export interface UsedOtherwise {
  /** Asked for now and not recorded: it was refused, and what followed may differ for that reason alone. */
  readonly askedFor: readonly EffectName[]
  /** What changed something then and was not asked for now. */
  readonly notAskedFor: readonly EffectName[]
}

/** How long the next step waits for an effect to be asked for that is not asked for any more. */
const MISSING_MS = 50

interface Part {
  readonly effect: RecordedEffect
  /** Resolved when it is asked for. */
  readonly asked: PromiseWithResolvers<void>
  /** Resolved when its time has come. */
  readonly due: PromiseWithResolvers<void>
  isAsked: boolean
}

export class RecordedEffects {
  readonly #parts: readonly Part[]
  readonly #askedFor: EffectName[] = []

  constructor(effects: readonly RecordedEffect[]) {
    this.#parts = effects.map((effect) => ({
      effect,
      asked: Promise.withResolvers<void>(),
      due: Promise.withResolvers<void>(),
      isAsked: false,
    }))
  }

  /** What the plugin asks for. @throws EffectRefused when it was not recorded, or was refused then */
  async ask(method: string, args: readonly unknown[]): Promise<unknown> {
    const wanted = JSON.stringify(args)
    const part = this.#parts.find(
      ({ effect, isAsked }) => !isAsked && effect.method === method && JSON.stringify(effect.args) === wanted,
    )
    if (part === undefined) {
      this.#askedFor.push({ method, args })
      throw new EffectRefused(`${method} was not recorded with these arguments`)
    }
    part.isAsked = true
    part.asked.resolve()
    await part.due.promise
    const { ok, value } = part.effect
    if (!ok) throw refusedThen(value)
    return value
  }

  /** Answers one effect, when it has been asked for or is not going to be. @param over when the plugin is done */
  async answer(effect: RecordedEffect, over: Promise<unknown>): Promise<void> {
    const part = this.#parts.find((one) => one.effect === effect)
    if (part === undefined) return
    const { promise: missed, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, MISSING_MS)
    await Promise.race([part.asked.promise, over, missed])
    clearTimeout(timer)
    part.due.resolve()
  }

  /** To be asked when the activation is over. */
  usedOtherwise(): UsedOtherwise {
    const missing = this.#parts.filter(({ effect, isAsked }) => effect.write && !isAsked)
    return {
      askedFor: this.#askedFor,
      notAskedFor: missing.map(({ effect: { method, args } }) => ({ method, args })),
    }
  }
}

/** The error of then, under its name. */
function refusedThen(value: unknown): EffectRefused {
  if (typeof value !== 'object' || value === null) return new EffectRefused(String(value))
  const { name, message } = value as { readonly name?: unknown; readonly message?: unknown }
  return Object.defineProperty(new EffectRefused(String(message)), 'name', { value: String(name) })
}
