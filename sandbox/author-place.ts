/** Where in the author's own files a plugin failed. */
import { existsSync, readFileSync, realpathSync } from 'node:fs'
import { SourceMap } from 'node:module'
import { relative, resolve } from 'node:path'
import type { Fault } from '../core/mail/answer.ts'
import type { CompiledPlugin } from './compile.ts'
import { problemAt } from './source-problem.ts'

export interface AuthorPlace {
  /** `file:line:column` of the author's, '' when it is not known. */
  readonly place: string
  /** That line with a mark under the column; empty when it is not known. */
  readonly frame: readonly string[]
}

const UNKNOWN: AuthorPlace = { place: '', frame: [] }

/** What is needed of a plugin to find places in it. */
export type Placed = Pick<CompiledPlugin, 'file' | 'bundle'>

/** Stack traces of one plugin: those of a bundle are put back into the author's files, others are so already. */
export class AuthorStacks {
  readonly #plugin: Placed
  #map: SourceMap | null = null

  constructor(plugin: Placed) {
    this.#plugin = plugin
  }

  /** The same stack with files, lines and columns of the author's. */
  of(stack: string): string {
    const { file, bundle } = this.#plugin
    if (bundle === null || !stack.includes(file)) return stack
    this.#map ??= new SourceMap(JSON.parse(bundle.map) as SourceMap['payload'])
    const map = this.#map
    const parts = stack.split(file)
    return parts
      .slice(1)
      .reduce((text, part) => text + placed(part, file, bundle.folder, map), parts[0] ?? '')
  }
}

/** @param part of a stack behind the name of the file: `:line:column` and more */
function placed(part: string, file: string, folder: string, map: SourceMap): string {
  const [known, line, column] = /^:(\d+):(\d+)/.exec(part) ?? []
  if (known === undefined) return file + part
  const entry = map.findEntry(Number(line) - 1, Number(column) - 1)
  if (!('originalSource' in entry)) return file + part
  const { originalSource, originalLine, originalColumn } = entry
  return `${resolve(folder, originalSource)}:${originalLine + 1}:${originalColumn + 1}${part.slice(known.length)}`
}

/**
 * The first line of the stack that is the author's, of a package only when no file of the author's is in it.
 *
 * @param stack with the author's files in it
 */
export function authorPlace({ stack }: Pick<Fault, 'stack'>, { file, bundle }: Placed): AuthorPlace {
  const lines = stack.split('\n')
  const files = [file, ...(bundle?.files ?? [])]
  const line =
    lines.find((text) => files.some((one) => text.includes(`${one}:`))) ??
    lines.find((text) => bundle !== null && text.includes(bundle.folder))
  const [, at, number, column] = /(\/[^()]*?):(\d+):(\d+)\)?$/.exec(line ?? '') ?? []
  // A stack is the plugin's to write: no file but its own is opened for it.
  if (at === undefined || !existsSync(at)) return UNKNOWN
  if (!files.includes(at) && (bundle === null || !isBelow(at, bundle.folder))) return UNKNOWN
  const text = readFileSync(at, 'utf8')
  const shown = text.split('\n')[Number(number) - 1]
  if (shown === undefined || Number(column) > shown.length + 1) return UNKNOWN
  const { place, frame = '' } = problemAt('', at, text, Number(number), Number(column), '', '')
  return { place, frame: frame.split('\n') }
}

function isBelow(path: string, folder: string): boolean {
  return !relative(realpathSync(folder), realpathSync(path)).startsWith('..')
}
