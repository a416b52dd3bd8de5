/** Tools at work: each effect a plugin asks for is checked, held against its quotas, and carried out by the broker. */
import type { Broker } from './broker/broker.ts'
import type { Caller, Effect } from './broker/effect.ts'
import type { Call } from './call.ts'
import type { LoadedPlugin } from './trust-domain.ts'
import type { PluginUsage } from './usage.ts'

/** An effect as the plughost asks for it, the plugin known to be loaded and its turn. */
export interface EffectAsked {
  readonly call: Call
  readonly loaded: LoadedPlugin
  readonly usage: PluginUsage
  readonly method: string
  readonly args: readonly unknown[]
  /** Size of the request. */
  readonly chars: number
}

/** Of one call at once: results of all of them may lie in memory together. */
const MAX_AT_ONCE = 16
/** Of one plugin in one call of a hook, beside reading the body once. */
const MAX_IN_CALL = 64
/** A plugin that goes on after so many refusals is not asked on. */
const MAX_TRIES = 2 * MAX_IN_CALL
const MAX_REQUEST_CHARS = 70_000
const MAX_RESULT_CHARS = 262_144
const BODY_PIECE_BYTES = 65_536
/** Holds its answers to a size itself: of a server's answer more may be wanted than of the others. */
const OWN_LIMIT = 'http.fetch'

/** As much of the broker as is needed here. */
export type EffectBroker = Pick<Broker, 'effect' | 'failed'>

export class Effects {
  readonly #broker: EffectBroker

  constructor(broker: EffectBroker) {
    this.#broker = broker
  }

  /**
   * Carries one out. `settle` is called once: with JSON of the value ('' without one), or with the reason it was refused.
   *
   * @returns false when this plugin has tried so often that its call is to be ended
   */
  carryOut(asked: EffectAsked, settle: (ok: boolean, json: string) => void): boolean {
    const { call, usage } = asked
    call.effects++
    call.effectsUnderWay++
    const end = (ok: boolean, json: string): void => {
      call.effectsUnderWay--
      settle(ok, json)
    }
    const exceeded = quotaExceeded(asked)
    if (exceeded !== null) {
      usage.quotaErrors++
      end(false, JSON.stringify(exceeded))
      return call.effects <= allowed(call) + MAX_TRIES
    }
    this.#run(asked, end)
    return true
  }

  #run({ call, loaded, usage, method, args }: EffectAsked, end: (ok: boolean, json: string) => void): void {
    const known = this.#broker.effect(method)
    if (known === undefined) return end(false, JSON.stringify(`there is no tool called ${method}`))
    if (known.write) call.wrote = true
    const { question } = call
    const { permissions, request } = loaded
    const caller: Caller = { plugin: request.name, permissions, message: question.message, question }
    begun(known, caller, args).then(
      (value) => {
        const json = JSON.stringify(value) ?? ''
        if (method === OWN_LIMIT || json.length <= MAX_RESULT_CHARS) return end(true, json)
        usage.quotaErrors++
        end(false, JSON.stringify(`a result of more than ${MAX_RESULT_CHARS} characters`))
      },
      (error: unknown) => end(false, JSON.stringify(this.#broker.failed(caller, method, error))),
    )
  }
}

/** What it throws at once is a refusal like any other. */
async function begun(effect: Effect, caller: Caller, args: readonly unknown[]): Promise<unknown> {
  return await effect.run(caller, args)
}

function quotaExceeded({ call, chars }: EffectAsked): string | null {
  if (call.effectsUnderWay > MAX_AT_ONCE) return `more than ${MAX_AT_ONCE} tools of one call at work at once`
  if (call.effects > allowed(call)) return `tools used more than ${allowed(call)} times in one call`
  if (chars > MAX_REQUEST_CHARS) return `arguments of more than ${MAX_REQUEST_CHARS} characters`
  return null
}

/** A body can be read to its end, whatever its size. */
function allowed({ question: { message } }: Call): number {
  return MAX_IN_CALL + Math.ceil((message?.sizeBytes ?? 0) / BODY_PIECE_BYTES)
}
