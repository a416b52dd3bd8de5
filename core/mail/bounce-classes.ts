/** Bounce classes: a word for what a reply is about, by rules. They inform; what follows from a reply is decided elsewhere. */
import { MAX_REPLY_CHARACTERS } from './enhanced-status.ts'

/** A rule fits when each member that is given does; the first that fits names the class. */
export interface BounceRule {
  /** Small letters, digits and hyphens. */
  readonly class: string
  /** Reply codes, `x` for any digit. */
  readonly code?: readonly string[]
  /** Enhanced status codes, `x` for any number. */
  readonly status?: readonly string[]
  /** One of these stands in the reply, whatever the case. */
  readonly text?: readonly string[]
}

/** What a recipient heard. */
export interface Heard {
  /** Reply code; 0 when there was none. */
  readonly code: number
  /** RFC 3463. */
  readonly status: string
  /** With or without codes in front, on any number of lines; what is behind MAX_REPLY_CHARACTERS does not count. */
  readonly text: string
}

/** What no rule fits. */
export const UNCLASSIFIED = 'other'

/** A rule made ready: texts are searched for, never matched, so no rule can be slow. */
interface ReadyRule {
  readonly name: string
  readonly code: RegExp | null
  readonly status: RegExp | null
  readonly text: readonly string[] | null
}

export class BounceClasses {
  readonly #rules: readonly ReadyRule[]

  constructor(rules: readonly BounceRule[]) {
    this.#rules = rules.map(ready)
  }

  classOf({ code, status, text }: Heard): string {
    const words = oneBlank(text.slice(0, MAX_REPLY_CHARACTERS))
    const rule = this.#rules.find(
      (one) =>
        (one.code === null || one.code.test(String(code))) &&
        (one.status === null || one.status.test(status)) &&
        (one.text === null || one.text.some((part) => words.includes(part))),
    )
    return rule?.name ?? UNCLASSIFIED
  }
}

function ready({ class: name, code, status, text }: BounceRule): ReadyRule {
  return {
    name,
    code: code === undefined ? null : pattern(code, '\\d'),
    status: status === undefined ? null : pattern(status, '\\d{1,3}'),
    text: text?.map(oneBlank) ?? null,
  }
}

function pattern(forms: readonly string[], any: string): RegExp {
  return new RegExp(
    `^(?:${forms.map((form) => form.replaceAll('.', '\\.').replaceAll('x', any)).join('|')})$`,
  )
}

/** Small letters; the code and status that each line of a reply begins with are no words. */
function oneBlank(text: string): string {
  return text
    .toLowerCase()
    .replace(/(?:^|[\r\n]+)\d{3}[ -](?:\d\.\d{1,3}\.\d{1,3} )?/g, ' ')
    .replace(/\s+/g, ' ')
}
