/** Where a command's words go: results to stdout, complaints and progress to stderr. */
import type { Writable } from 'node:stream'
import { styleText } from 'node:util'
import { withIsoTimes } from './iso-times.ts'
import { fenced, visibleJson } from './visible-text.ts'

type Style = Parameters<typeof styleText>[0]
type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number }

export class Output {
  readonly #stdout: Stream
  readonly #stderr: Stream

  constructor(stdout: Stream, stderr: Stream) {
    this.#stdout = stdout
    this.#stderr = stderr
    for (const stream of [stdout, stderr]) stream.on('error', ignoreBrokenPipe)
  }

  /** Columns of the terminal; null when stdout is none. */
  get width(): number | null {
    return this.#stdout.isTTY === true ? (this.#stdout.columns ?? 80) : null
  }

  /** A line, or several, of the result. */
  print(text = ''): void {
    this.#stdout.write(`${fenced(text)}\n`)
  }

  /** The result for a machine, times as ISO texts. */
  json(value: unknown): void {
    this.#stdout.write(`${visibleJson(withIsoTimes(value))}\n`)
  }

  /** A line, or several, about what went wrong or is worth knowing. */
  complain(text: string): void {
    this.#stderr.write(`${fenced(text)}\n`)
  }

  /** A line that the next one replaces; '' removes it. Only on a terminal. */
  progress(text: string): void {
    if (this.#stderr.isTTY === true) this.#stderr.write(`\r\u001b[K${fenced(text)}`)
  }

  /** `text` in colour when stdout is a terminal and NO_COLOR is not set. */
  style(style: Style, text: string): string {
    return this.#stdout.isTTY === true ? styleText(style, text, { stream: this.#stdout }) : text
  }
}

/** Whoever read the output has seen enough: not an error of ours, and not a reason to stop a gateway. */
function ignoreBrokenPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') throw error
}
