/** Tools at work: each effect a plugin asks for is checked, held against its quotas, and carried out by the broker. */
import type { Broker } from './broker/broker.ts'
import { type Caller, type Effect, QuotaExceeded } from './broker/effect.ts'
import type { Call } from './call.ts'
import type { LoadedPlugin } from './domain-options.ts'
import { isBeyondPatience, type ToolQuotas } from './tool-quotas.ts'

/** An effect as the plughost asks for it, the plugin known to be loaded and its turn. */
export interface EffectAsked {
  readonly call: Call
  readonly loaded: LoadedPlugin
  readonly method: string
  readonly args: readonly unknown[]
  /** Size of the request. */
  readonly chars: number
}

const MAX_RESULT_CHARS = 262_144
/** Holds its answers to a size itself: of a server's answer more may be wanted than of the others. */
const OWN_LIMIT = 'http.fetch'

/** As much of the broker as is needed here. */
export type EffectBroker = Pick<Broker, 'effect' | 'failed'>

export class Effects {
  readonly #broker: EffectBroker
  readonly #quotas: ToolQuotas

  constructor(broker: EffectBroker, quotas: ToolQuotas) {
    this.#broker = broker
    this.#quotas = quotas
  }

  /**
   * Carries one out. `settle` is called once: with JSON of the value ('' without one), or with the reason it was refused.
   *
   * @returns false when this plugin has tried so often that its call is to be ended
   */
  carryOut(asked: EffectAsked, settle: (ok: boolean, json: string) => void): boolean {
    const { call, loaded, method, chars } = asked
    const { exceeded, end } = this.#quotas.begin({ call, plugin: loaded.request.name, method, chars })
    if (exceeded !== null) {
      end()
      settle(false, this.#refused(asked, exceeded))
      return !isBeyondPatience(call)
    }
    this.#run(asked, (ok, json) => {
      end()
      settle(ok, json)
    })
    return true
  }

  #run(asked: EffectAsked, end: (ok: boolean, json: string) => void): void {
    const { call, method, args } = asked
    const known = this.#broker.effect(method)
    if (known === undefined) return end(false, JSON.stringify(`there is no tool called ${method}`))
    if (known.write) call.wrote = true
    begun(known, callerOf(asked), args).then(
      (value) => {
        const json = JSON.stringify(value) ?? ''
        if (method === OWN_LIMIT || json.length <= MAX_RESULT_CHARS) return end(true, json)
        const exceeded = `a result of more than ${MAX_RESULT_CHARS} characters`
        end(false, this.#refused(asked, new QuotaExceeded('effects.result-size', exceeded)))
      },
      (error: unknown) => end(false, this.#refused(asked, error)),
    )
  }

  #refused(asked: EffectAsked, error: unknown): string {
    return JSON.stringify(this.#broker.failed(callerOf(asked), asked.method, error))
  }
}

function callerOf({ call: { question }, loaded: { permissions, request } }: EffectAsked): Caller {
  return { plugin: request.name, permissions, message: question.message, question }
}

/** What it throws at once is a refusal like any other. */
async function begun(effect: Effect, caller: Caller, args: readonly unknown[]): Promise<unknown> {
  return await effect.run(caller, args)
}
