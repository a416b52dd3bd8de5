/** Where in the author's own files a plugin failed. */
import { readFileSync } from 'node:fs'
import type { Fault } from '../core/mail/answer.ts'
import { problemAt } from './compile.ts'

export interface AuthorPlace {
  /** `file:line:column` of the author's, '' when it is not known. */
  readonly place: string
  /** That line with a mark under the column; empty when it is not known. */
  readonly frame: readonly string[]
}

const UNKNOWN: AuthorPlace = { place: '', frame: [] }

/** The first line of the stack that is the author's. @param file of the plugin, absolute */
export function authorPlace({ stack }: Pick<Fault, 'stack'>, file: string): AuthorPlace {
  const line = stack.split('\n').find((text) => text.includes(file))
  const [, number, column] = /:(\d+):(\d+)\)?$/.exec(line ?? '') ?? []
  if (number === undefined) return UNKNOWN
  const text = readFileSync(file, 'utf8')
  const { place, frame = '' } = problemAt('', file, text, Number(number), Number(column), '', '')
  return { place, frame: frame.split('\n') }
}
