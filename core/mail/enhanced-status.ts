/** What a remote's reply says: its enhanced status code (RFC 3463, RFC 2034), and its text made safe to repeat. */
import { printable } from './reply.ts'

/** First digit of an enhanced status code: success, persistent transient failure, permanent failure. */
export type StatusClass = '2' | '4' | '5'

/** Longest text of `replyOnOneLine`, and longest line of `replyLines`, in characters. */
export const MAX_REPLY_CHARACTERS = 500
/** What is looked at of a reply, in characters: a hostile one may have a hundred thousand lines. */
const LOOKED_AT = 4 * MAX_REPLY_CHARACTERS

/** No leading zeros (RFC 2034 §4). The number sign is against the letter; much used appliances write it. */
const IN_REPLY = /^(?:\d{3}[ -])? *#?([245])(\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2}))(?=\s|$)/
const STATUS = /^([245])(\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2}))$/

/** Codes that mean one thing only, whoever says them (RFC 5321 §4.2.3, RFC 5248, RFC 7504, RFC 7505). */
const BY_CODE: Readonly<Record<number, string>> = {
  421: '4.3.2',
  450: '4.2.0',
  451: '4.3.0',
  452: '4.3.1',
  454: '4.7.0',
  455: '4.5.4',
  500: '5.5.2',
  501: '5.5.4',
  502: '5.5.1',
  503: '5.5.1',
  504: '5.5.4',
  521: '5.3.2',
  530: '5.7.0',
  534: '5.7.9',
  535: '5.7.8',
  538: '5.7.11',
  551: '5.1.6',
  552: '5.2.2',
  553: '5.1.3',
  555: '5.5.4',
  556: '5.1.10',
}

/**
 * The enhanced status code of a reply: the one in its text when that begins with one whose class fits the reply code
 * (RFC 2034 §4), else the one the reply code stands for. A code that SMTP does not know, 0 for none among them, is
 * 4.5.0: nothing permanent may follow from it.
 *
 * @param code reply code, 0 when there was none
 * @param text the reply as it was sent, with or without its code in front
 */
export function enhancedStatusOf(code: number, text: string): string {
  const own = classOf(code)
  if (own === null) return '4.5.0'
  const match = IN_REPLY.exec(text.slice(0, 40))
  if (match !== null && match[1] === own) return `${own}${match[2]}`
  return (Object.hasOwn(BY_CODE, code) ? BY_CODE[code] : undefined) ?? `${own}.0.0`
}

/** The same subject and detail in another class: `5.2.2` that is only tried later is `4.2.2`. No status: `class.0.0`. */
export function withClass(status: string, wanted: StatusClass): string {
  const match = STATUS.exec(status)
  return match === null ? `${wanted}.0.0` : `${wanted}${match[2]}`
}

/** `class.subject.detail` without anything around it (RFC 3463 §2). */
export function isEnhancedStatus(text: string): boolean {
  return STATUS.test(text)
}

/** Class of a well-formed status, null of anything else. */
export function statusClass(status: string): StatusClass | null {
  return (STATUS.exec(status)?.[1] as StatusClass | undefined) ?? null
}

/**
 * A reply as lines that can be shown: printable US-ASCII, codes as the remote sent them.
 *
 * @param atMost lines, at least 1; what is left out is said by a last line `...`
 */
export function replyLines(text: string, atMost: number): readonly string[] {
  const lines = text
    .slice(0, LOOKED_AT)
    .split(/[\r\n]+/)
    .map((line) => shortened(printable(line).trim()))
    .filter((line) => line !== '')
  const isWhole = lines.length <= atMost && text.length <= LOOKED_AT
  return isWhole ? lines : [...lines.slice(0, atMost), '...']
}

/**
 * A reply as one line of at most MAX_REPLY_CHARACTERS of printable US-ASCII, its code and status in front and not
 * repeated: `550 5.1.1 No such user Ask somebody else`.
 */
export function replyOnOneLine(text: string): string {
  const code = /^\d{3}(?=[ -]|$)/.exec(text)?.[0]
  const status = IN_REPLY.exec(text.slice(0, 40))
  const repeated = status === null ? '' : `${status[1]}${status[2]}`
  const [first = '', ...others] = text.slice(0, LOOKED_AT).split(/[\r\n]+/)
  const rest = others.map((line) => withoutPrefix(withoutPrefix(line, code ?? ''), repeated))
  const start = code === undefined ? first : `${code} ${first.slice(4)}`
  return shortened(
    printable([start, ...rest].join(' '))
      .replace(/ {2,}/g, ' ')
      .trim(),
    text.length > LOOKED_AT,
  )
}

function classOf(code: number): StatusClass | null {
  if (!Number.isInteger(code) || code < 200 || code > 599) return null
  const first = String(code).charAt(0)
  return first === '2' || first === '4' || first === '5' ? first : null
}

function withoutPrefix(line: string, prefix: string): string {
  if (prefix === '') return line
  const follows = line.charAt(prefix.length)
  return line.startsWith(prefix) && (follows === ' ' || follows === '-' || follows === '')
    ? line.slice(prefix.length + 1)
    : line
}

function shortened(text: string, isCut = false): string {
  if (text.length <= MAX_REPLY_CHARACTERS)
    return isCut ? `${text.slice(0, MAX_REPLY_CHARACTERS - 3)}...` : text
  return `${text.slice(0, MAX_REPLY_CHARACTERS - 3)}...`
}
