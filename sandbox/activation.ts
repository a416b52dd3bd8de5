/**
 * Activations: one plugin asked once, with everything that came into its isolate and what it said. Clock and random
 * numbers come with the call and effects are answered from outside, so an activation can be run again exactly. Here is
 * the form they are written down in, and what gathers one while it happens.
 */
import type { Answer, Fault } from '../core/mail/answer.ts'
import type { HookName } from '../core/mail/hook-events.ts'

/** One use of a tool that was answered from outside the isolate. */
export interface RecordedEffect {
  readonly method: string
  readonly args: readonly unknown[]
  /** It changes something. */
  readonly write: boolean
  /** When it was answered, a step of the load; null: the activation was over before. */
  readonly at: number | null
  readonly ok: boolean
  /** What the plugin got, or why it got nothing. */
  readonly value?: unknown
  /** The value is content of a message or of a server's answer, or it was sent to a server, and was not kept. */
  readonly withheld?: true
}

/** What a plugin said, or how it failed, as it counted for the mail. */
export type Said = Pick<Answer, 'refusal' | 'note' | 'actions'> | { readonly fault: Fault }

/** Who was recorded: stands before the first activation of it in each file. */
export interface RecordedPlugin {
  readonly kind: 'plugin'
  /** Names the life of an isolate: one worker, one generation. */
  readonly load: string
  readonly name: string
  readonly version: string
  readonly build: string
  /** `bundled`, or the file, absolute. */
  readonly source: string
  readonly hooks: readonly string[]
}

export interface Activation {
  readonly kind: 'activation'
  readonly load: string
  /** When it began: a step of the load. Whatever enters or leaves its isolate is one, so their order is that of then. */
  readonly n: number
  /** When it was over. */
  readonly end: number
  /** What the plugin's clock said, milliseconds since 1970. */
  readonly t: number
  /** Of its random numbers. */
  readonly seed: number
  readonly hook: HookName
  readonly session: string
  readonly event: unknown
  /** Header fields, where the plugin was told them. */
  readonly fields?: unknown
  readonly effects: readonly RecordedEffect[]
  readonly said: Said
  readonly cpuMicros: number
}

/** An activation of which nothing is kept. */
export interface WithheldActivation {
  readonly kind: 'withheld'
  readonly load: string
  readonly n: number
  readonly hook: HookName
  readonly session: string
  readonly why: 'password' | 'size'
}

/** Tools whose values are content of a message, or of a server's answer. */
const CONTENT = /^(?:body|message|parts?|http|tcp)\./

interface Begun {
  n: number
  readonly t: number
  readonly seed: number
  readonly effects: GatheredEffect[]
}

type GatheredEffect = { -readonly [key in keyof RecordedEffect]: RecordedEffect[key] }

/** Arguments without what is sent to servers; the same when nothing is. */
function withoutContent(method: string, args: readonly unknown[]): readonly unknown[] {
  const [place, sent, ...rest] = args
  if (method.startsWith('tcp.')) return [place, null, ...rest]
  if (!method.startsWith('http.') || typeof sent !== 'object' || sent === null) return args
  const { body = null } = sent as { readonly body?: unknown }
  return body === null ? args : [place, { ...sent, body: null }, ...rest]
}

/** Told when an effect was answered. */
export type Settled = (ok: boolean, value: unknown) => void

/** What is known of one call while it is under way, for each plugin it asks. */
export class ActivationTrace {
  readonly #step: () => number
  readonly #keepContent: boolean
  /** In the order of asking. */
  readonly #begun = new Map<number, Begun>()

  /** @param step the next step of the load */
  constructor(step: () => number, keepContent: boolean) {
    this.#step = step
    this.#keepContent = keepContent
  }

  /** Plugins are asked, for the first time or again: what they did before is forgotten. */
  asked(plugins: readonly number[], t: number, seed: number): void {
    const n = this.#step()
    for (const plugin of plugins) this.#begun.set(plugin, { n, t, seed, effects: [] })
  }

  /** A plugin asks for an effect. @returns what to call when it is answered */
  effect(plugin: number, method: string, args: readonly unknown[], write: boolean): Settled {
    const begun = this.#begun.get(plugin)
    if (begun === undefined) return () => {}
    const kept = this.#keepContent ? args : withoutContent(method, args)
    const effect: GatheredEffect = { method, args: kept, write, at: null, ok: false }
    if (kept !== args) effect.withheld = true
    begun.effects.push(effect)
    return (ok, value) => {
      effect.at = this.#step()
      effect.ok = ok
      if (ok && !this.#keepContent && CONTENT.test(method)) effect.withheld = true
      else effect.value = value
      this.#beginLater(plugin, effect.at)
    }
  }

  /** What came into the isolate for a plugin; undefined when it was never asked. */
  of(plugin: number): Pick<Activation, 'n' | 't' | 'seed' | 'effects'> | undefined {
    return this.#begun.get(plugin)
  }

  /** Those behind a plugin that still had to wait have their turn after its answer. */
  #beginLater(plugin: number, step: number): void {
    let isBehind = false
    for (const [number, begun] of this.#begun) {
      if (isBehind && begun.effects.length === 0) begun.n = step
      if (number === plugin) isBehind = true
    }
  }
}
