/**
 * Commands out of an isolate, read without believing them: a plugin can make its own prelude write anything. What has
 * not the form is a fault of that plugin, found here, so that nothing a plugin says can discredit its plughost.
 */

export type Command =
  /** Over: no opinion, or answer and actions, which the worker checks. */
  | { readonly kind: 'ended'; readonly call: number; readonly answer?: unknown; readonly actions?: unknown }
  | { readonly kind: 'failed'; readonly call: number; readonly message: string; readonly stack: string }
  | {
      readonly kind: 'effect'
      readonly call: number
      readonly effect: number
      readonly method: string
      readonly args: readonly unknown[]
    }
  | {
      readonly kind: 'log'
      readonly call: number
      readonly level: string
      readonly text: string
      readonly fields: unknown
    }

/** The commands of a drain; null when one of them has not the form. */
export function parseCommands(json: string): readonly Command[] | null {
  const parsed: unknown = JSON.parse(json)
  if (!Array.isArray(parsed)) return null
  const commands = parsed.map(parseCommand)
  return commands.every((command) => command !== null) ? commands : null
}

function parseCommand(value: unknown): Command | null {
  if (!Array.isArray(value)) return null
  const [kind, a, b, c, d] = value as readonly unknown[]
  switch (kind) {
    case 'v':
      if (!isNumber(a)) return null
      return b === undefined && c === undefined
        ? { kind: 'ended', call: a }
        : { kind: 'ended', call: a, answer: b, actions: c }
    case 'f':
      return isNumber(a) && isText(b) && isText(c) ? { kind: 'failed', call: a, message: b, stack: c } : null
    case 'c':
      return isNumber(a) && isNumber(b) && isText(c) && Array.isArray(d)
        ? { kind: 'effect', effect: a, call: b, method: c, args: d }
        : null
    case 'l':
      return isNumber(a) && isText(b) && isText(c)
        ? { kind: 'log', call: a, level: b, text: c, fields: d ?? null }
        : null
    default:
      return null
  }
}

/** Whether later plugins are not asked: a refusal says so, and what is no answer; the worker sees it the same way. */
export function endsAsking(answer: unknown, hook: string): boolean {
  if (answer === null || answer === undefined || typeof answer !== 'object') return false
  const { kind } = answer as { kind?: unknown }
  return kind !== 'pass' && !(kind === 'accept' && hook === 'auth')
}

/** Fits the 32 bits a frame has for it. */
function isNumber(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffff_ffff
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
