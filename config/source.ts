/** The text of a configuration file, and where in it things stand. */
import { LineCounter } from 'yaml'
import { maskPasswords } from './mask.ts'
import type { Problem, ProblemCode } from './problem.ts'

/** Offsets into the text: the first character marked, and the first one that is not. */
export type Span = readonly [start: number, end: number]

const MAX_FRAME_WIDTH = 100
/** Characters kept in front of the mark when a line is too long to show. */
const FRAME_LEAD = 40

export class Source {
  /** The file's name as the person gave it. */
  readonly file: string
  readonly text: string
  readonly #lines = new LineCounter()
  readonly #found: { readonly start: number; readonly problem: Problem }[] = []

  constructor(file: string, text: string) {
    this.file = file
    this.text = text
    this.#lines.addNewLine(0)
    for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) this.#lines.addNewLine(at + 1)
  }

  /** `file:line:column` of an offset. */
  place(offset: number): string {
    const { line, col } = this.#lines.linePos(offset)
    return `${this.file}:${line}:${col}`
  }

  /** The number of the line an offset is in, from 1. */
  line(offset: number): number {
    return this.#lines.linePos(offset).line
  }

  report(span: Span, code: ProblemCode, message: string, remedy: string): void {
    const frame = this.#frame(span)
    const problem = { code, place: this.place(span[0]), message, remedy }
    this.#found.push({ start: span[0], problem: frame === null ? problem : { ...problem, frame } })
  }

  /** What was reported so far, in the order of the text. */
  problems(): readonly Problem[] {
    return this.#found.toSorted((a, b) => a.start - b.start).map(({ problem }) => problem)
  }

  /** The line with a mark under the span; null when there is nothing on it to see, or a password. */
  #frame([start, end]: Span): string | null {
    const { line, col } = this.#lines.linePos(start)
    const whole = this.text.slice(start - col + 1).split('\n', 1)[0] ?? ''
    // Tabs, control characters and turns of the writing direction would shift the mark, or the terminal.
    // oxlint-disable-next-line no-control-regex
    const unsteady = /[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
    const clean = whole.replace(/\r$/, '').replace(unsteady, ' ')
    if (clean.trim() === '' || maskPasswords(clean) !== clean) return null
    const from = clean.length > MAX_FRAME_WIDTH ? Math.max(0, col - 1 - FRAME_LEAD) : 0
    const shown = clean.slice(from, from + MAX_FRAME_WIDTH)
    const indent = col - 1 - from
    const width = Math.max(1, Math.min(end - start, shown.trimEnd().length - indent))
    const gutter = String(line).padStart(4)
    const mark = `${' '.repeat(indent)}${'^'.repeat(width)}`
    return `${gutter} | ${shown.trimEnd()}\n${' '.repeat(gutter.length)} | ${mark}`
  }
}
