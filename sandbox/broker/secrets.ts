/**
 * Secrets of the configuration, used by name: a plugin writes `secret:NAME` where a value belongs, and the value is put
 * in here, on the way out. No value crosses the border, in what comes back neither.
 */
import { MASK } from '../../config/mask.ts'
import { type Caller, EffectRefused, PermissionDenied } from './effect.ts'

/** A reference alone, or behind a word: `Bearer secret:token`. */
const REFERENCE = /^(\S{1,40} )?secret:([a-z][a-z0-9-]{0,39})$/

export class Secrets {
  readonly #values: Readonly<Record<string, string>>
  /** One may be the beginning of another, of which the rest would stay. */
  readonly #longestFirst: readonly (readonly [name: string, value: string])[]

  constructor(values: Readonly<Record<string, string>>) {
    this.#values = values
    this.#longestFirst = Object.entries(values).toSorted(([, a], [, b]) => b.length - a.length)
  }

  /**
   * The text with the value in the place of its reference; as it is when it has none.
   *
   * @throws PermissionDenied, EffectRefused when there is no such secret
   */
  filled(caller: Caller, text: string): string {
    const [, word = '', name] = REFERENCE.exec(text) ?? []
    return name === undefined ? text : word + this.value(caller, `secret:${name}`)
  }

  /** The value a reference stands for. @throws PermissionDenied, EffectRefused */
  value({ permissions }: Caller, reference: string): string {
    const name = /^secret:(.*)$/.exec(reference)?.[1] ?? ''
    if (!permissions.secrets.matches(name))
      throw new PermissionDenied('secrets', `the permission secrets does not cover "${name}"`)
    const value = Object.hasOwn(this.#values, name) ? this.#values[name] : undefined
    if (value === undefined)
      throw new EffectRefused(`there is no secret "${name}"; see "secrets" in the configuration`)
    return value
  }

  /** A text with every value the plugin may use masked: a server may say again what it was told. */
  masked({ permissions }: Caller, text: string): string {
    let out = text
    for (const [name, value] of this.#longestFirst)
      if (permissions.secrets.matches(name)) out = out.replaceAll(value, MASK)
    return out
  }
}
