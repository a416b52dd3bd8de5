/**
 * A source with what is no code blanked: comments, texts, regular expressions. Every character keeps its place, so what
 * is found has the author's line and column. What begins a regular expression is guessed by what stands before it.
 */

/** Behind one of these a slash begins a regular expression. */
const BEFORE_REGEX =
  /(?:^|[=(,:;!&|?{}[+\-*%~^<>]|\b(?:return|typeof|case|in|of|do|else|void|yield|await))\s*$/

const SKIPPED: readonly RegExp[] = [
  /\/\/[^\n]*/y,
  /\/\*[\s\S]*?\*\//y,
  /'(?:[^'\\\n]|\\[\s\S])*'/y,
  /"(?:[^"\\\n]|\\[\s\S])*"/y,
]
const REGEX = /\/(?:[^/\\\n[]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y
/** Up to the next `${`, or to the end. */
const TEMPLATE = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*(`|\$\{)?/y

/** @param source JavaScript or TypeScript */
export function codeOnly(source: string): string {
  let out = ''
  let at = 0
  // Of each template that is open: how many braces its code has open.
  const braces: number[] = []
  const blank = (length: number): void => {
    out += source.slice(at, at + length).replace(/[^\n]/g, ' ')
    at += length
  }
  const template = (): void => {
    TEMPLATE.lastIndex = at
    const [text = '', end] = TEMPLATE.exec(source) ?? []
    blank(text.length)
    if (end === '${') braces.push(0)
  }
  while (at < source.length) {
    const char = source[at] as string
    const length = skippedAt(source, at, char === '/' && BEFORE_REGEX.test(out.slice(-30)))
    if (length > 0) blank(length)
    else if (char === '`') {
      blank(1)
      template()
    } else if (char === '}' && braces.at(-1) === 0) {
      braces.pop()
      blank(1)
      template()
    } else {
      if (braces.length > 0 && (char === '{' || char === '}'))
        braces.push((braces.pop() as number) + (char === '{' ? 1 : -1))
      out += char
      at++
    }
  }
  return out
}

/** Length of the comment, text or regular expression that begins here; 0 for none. */
function skippedAt(source: string, at: number, mayBeRegex: boolean): number {
  for (const pattern of mayBeRegex ? [...SKIPPED, REGEX] : SKIPPED) {
    pattern.lastIndex = at
    const [text] = pattern.exec(source) ?? []
    if (text !== undefined) return text.length
  }
  return 0
}
