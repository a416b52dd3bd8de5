/** Patterns of permissions: a literal, or a literal with one `*` at its end. */

export class PatternSet {
  readonly patterns: readonly string[]
  readonly #literals: ReadonlySet<string>
  readonly #prefixes: readonly string[]

  constructor(patterns: readonly string[]) {
    this.patterns = patterns
    this.#literals = new Set(patterns.filter((pattern) => !pattern.endsWith('*')))
    this.#prefixes = patterns
      .filter((pattern) => pattern.endsWith('*'))
      .map((pattern) => pattern.slice(0, -1))
  }

  get isEmpty(): boolean {
    return this.patterns.length === 0
  }

  matches(text: string): boolean {
    return this.#literals.has(text) || this.#prefixes.some((prefix) => text.startsWith(prefix))
  }
}

/** Whether `text` has the form of a pattern. */
export function isPattern(text: unknown): text is string {
  return typeof text === 'string' && text.length > 0 && text.length <= 512 && !text.slice(0, -1).includes('*')
}
