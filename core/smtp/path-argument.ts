/** Arguments of MAIL and RCPT: a path and ESMTP parameters (RFC 5321 §4.1.1.2, §4.1.1.3, §4.1.2). */
import { type Address, isAscii, parsePath } from '../mail/address.ts'

export type PathArgument =
  | { readonly ok: true; readonly address: Address | null; readonly parameters: readonly Parameter[] }
  /** `non-ascii`: an address that needs SMTPUTF8 (RFC 6531 §3.4), which was not asked for. */
  | { readonly ok: false; readonly problem: 'syntax' | 'non-ascii' | 'parameter'; readonly reason: string }

export interface Parameter {
  /** Upper-cased. */
  readonly keyword: string
  /** null: no value was given. */
  readonly value: string | null
}

/** A value may have UTF8-non-ascii (RFC 6531 §3.3), where SMTPUTF8 was asked for. */
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=((?:[!-<>-~]|[^\p{ASCII}\p{Cc}\p{Z}])+))?$/u
const NO_PARAMETERS: readonly Parameter[] = Object.freeze([])

/**
 * Reads `FROM:<path> parameters`. Spaces behind the colon are against RFC 5321 §3.3 and common, so they pass.
 *
 * @param argument one character an octet
 * @param prefix   `FROM:` or `TO:`
 * @param isUtf8   whether SMTPUTF8 was asked for before; null: whether it is one of these parameters
 */
export function parsePathArgument(argument: string, prefix: string, isUtf8: boolean | null): PathArgument {
  if (argument.slice(0, prefix.length).toUpperCase() !== prefix) return bad('syntax', `${prefix} is missing`)
  if (isUtf8 === false && !isAscii(argument)) return bad('non-ascii', 'the address is not US-ASCII')
  const text = decoded(argument.slice(prefix.length).replace(/^ +/, ''))
  if (text === null) return bad('syntax', 'it is not UTF-8')
  const path = parsePath(text)
  if (!path.ok) return bad(isAscii(text) || asksForUtf8(text) ? 'syntax' : 'non-ascii', path.reason)
  const { address, rest } = path
  const parameters = rest === '' ? NO_PARAMETERS : parseParameters(rest)
  if (typeof parameters === 'string') return bad('parameter', parameters)
  const isAsked = isUtf8 ?? parameters.some(({ keyword }) => keyword === 'SMTPUTF8')
  if (!isAsked && !isAscii(argument)) return bad('non-ascii', 'the address is not US-ASCII')
  return { ok: true, address, parameters }
}

/** The octets as UTF-8; null when they are not. */
function decoded(text: string): string | null {
  if (isAscii(text)) return text
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(text, 'latin1'))
  } catch {
    return null
  }
}

/** Whether the parameter is there, where the path before it cannot be read. */
function asksForUtf8(text: string): boolean {
  return /> (?:.* )?SMTPUTF8(?: |$)/i.test(text)
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
