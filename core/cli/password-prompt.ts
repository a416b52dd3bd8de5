/** Asking for a password: at a terminal without showing it, or from a pipe. */
import type { Readable, Writable } from 'node:stream'

/** A terminal, or what stands in its place. */
export interface Terminal extends Readable {
  readonly isTTY?: boolean
  setRawMode?(isRaw: boolean): unknown
}

const BACKSPACES = new Set(['\b', '\x7f'])
const MAX_BYTES = 4_096

/**
 * Reads one line without showing it.
 *
 * @returns null when the person gave up with Ctrl-C or Ctrl-D
 */
export async function askPassword(
  terminal: Terminal,
  output: Writable,
  question: string,
): Promise<string | null> {
  output.write(question)
  terminal.setRawMode?.(true)
  terminal.setEncoding('utf8')
  let text = ''
  try {
    for await (const typed of keys(terminal)) {
      if (typed === '\r' || typed === '\n') return text
      if (typed === '\x03' || typed === '\x04') return null
      if (BACKSPACES.has(typed)) text = text.replace(/.$/su, '')
      else if (typed >= ' ' && text.length < MAX_BYTES) text += typed
    }
    return null
  } finally {
    terminal.setRawMode?.(false)
    terminal.pause()
    output.write('\n')
  }
}

/** One character after the other; what was typed ahead stays for the next question. */
async function* keys(terminal: Terminal): AsyncGenerator<string> {
  for await (const piece of terminal.iterator({ destroyOnReturn: false })) {
    const [first, ...rest] = String(piece)
    if (rest.length > 0) terminal.unshift(rest.join(''))
    if (first !== undefined) yield first
  }
}

/** The first line of a pipe, without its end. The rest is not read. */
export async function passwordFrom(pipe: Readable): Promise<string> {
  pipe.setEncoding('utf8')
  let text = ''
  for await (const piece of pipe) {
    text += String(piece)
    if (text.includes('\n') || text.length > MAX_BYTES) break
  }
  return text.split('\n', 1)[0]?.replace(/\r$/, '') ?? ''
}
