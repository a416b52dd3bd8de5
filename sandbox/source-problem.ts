/** What is wrong with a plugin's source, and where: at the author's file, line and column. */
import { basename, dirname, relative } from 'node:path'
import type { Problem } from '../config/problem.ts'

/** Of a line in question. */
const MOST_SHOWN_CHARS = 200

/** A problem with a plugin, at a place in its source when a word of it can be found. */
export function problemIn(
  code: string,
  { file, text }: { readonly file: string; readonly text: string },
  word: RegExp | null,
  message: string,
  remedy: string,
): Problem {
  const at = word === null ? -1 : text.search(word)
  if (at < 0) return problemWith(code, file, message, remedy)
  const line = text.slice(0, at).split('\n').length
  const column = at - text.lastIndexOf('\n', at - 1)
  return problemAt(code, file, text, line, column, message, remedy)
}

/** A problem at a line and column of a text, with the line shown. */
export function problemAt(
  code: string,
  file: string,
  text: string,
  line: number,
  column: number,
  message: string,
  remedy: string,
): Problem {
  const before = column > MOST_SHOWN_CHARS ? column - MOST_SHOWN_CHARS / 2 : 0
  const shown = (text.split('\n')[line - 1] ?? '').slice(before, before + MOST_SHOWN_CHARS)
  const gutter = String(line).padStart(4)
  const frame = `${gutter} | ${shown}\n     | ${' '.repeat(Math.max(0, column - before - 1))}^`
  return { code, place: `${shownPath(file)}:${line}:${column}`, message, remedy, frame }
}

/** A problem with a file as a whole. */
export function problemWith(code: string, file: string, message: string, remedy: string): Problem {
  return { code, place: shownPath(file), message, remedy }
}

/** The path as people write it: from here when it is below here. */
export function shownPath(file: string): string {
  const near = relative(process.cwd(), file)
  return near.startsWith('..') ? file : near || basename(dirname(file))
}
