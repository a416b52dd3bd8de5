/** Arguments of MAIL and RCPT: a path and ESMTP parameters (RFC 5321 §4.1.1.2, §4.1.1.3, §4.1.2). */
import { type Address, parsePath } from '../mail/address.ts'

export type PathArgument =
  | { readonly ok: true; readonly address: Address | null; readonly parameters: readonly Parameter[] }
  /** `non-ascii`: an address that needs SMTPUTF8 (RFC 6531), which is not offered. */
  | { readonly ok: false; readonly problem: 'syntax' | 'non-ascii' | 'parameter'; readonly reason: string }

export interface Parameter {
  /** Upper-cased. */
  readonly keyword: string
  /** null: no value was given. */
  readonly value: string | null
}

const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~]+))?$/
const NO_PARAMETERS: readonly Parameter[] = Object.freeze([])

/**
 * Reads `FROM:<path> parameters`. Spaces behind the colon are against RFC 5321 §3.3 and common, so they pass.
 *
 * @param prefix `FROM:` or `TO:`
 */
export function parsePathArgument(argument: string, prefix: string): PathArgument {
  if (argument.slice(0, prefix.length).toUpperCase() !== prefix) return bad('syntax', `${prefix} is missing`)
  // oxlint-disable-next-line no-control-regex
  if (/[^\x00-\x7f]/.test(argument)) return bad('non-ascii', 'the address is not US-ASCII')
  const path = parsePath(argument.slice(prefix.length).replace(/^ +/, ''))
  if (!path.ok) return bad('syntax', path.reason)
  const { address, rest } = path
  if (rest === '') return { ok: true, address, parameters: NO_PARAMETERS }
  const parameters = parseParameters(rest)
  return typeof parameters === 'string' ? bad('parameter', parameters) : { ok: true, address, parameters }
}

/** A string is the reason why the parameters are none. */
function parseParameters(text: string): readonly Parameter[] | string {
  const parameters: Parameter[] = []
  for (const word of text.split(' ')) {
    if (word === '') continue
    const match = PARAMETER.exec(word)
    if (match === null) return 'a parameter is malformed'
    const keyword = (match[1] as string).toUpperCase()
    if (parameters.some((parameter) => parameter.keyword === keyword)) return `${keyword} is given twice`
    parameters.push({ keyword, value: match[2] ?? null })
  }
  return parameters
}

function bad(problem: 'syntax' | 'non-ascii' | 'parameter', reason: string): PathArgument {
  return { ok: false, problem, reason }
}
