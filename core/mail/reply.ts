/** Replies: what a client is told (RFC 5321 §4.2), with an enhanced status code (RFC 3463). */

export interface Reply {
  /** Three digits, 2yz to 5yz. */
  readonly code: number
  /** `class.subject.detail`, or null where none belongs: 220, 354 and the replies to HELO and EHLO (RFC 2034 §4). */
  readonly status: string | null
  /** At least one line, without line ends. */
  readonly lines: readonly string[]
  /** Replies to the same command behind this one: LMTP has one for each recipient (RFC 2033 §4.2). */
  readonly others?: readonly Reply[]
}

const MAX_REPLY_LINE_BYTES = 510

/** A reply of one line. */
export function reply(code: number, status: string | null, text: string): Reply {
  return { code, status, lines: [text] }
}

/** Whether the client may come back with the same mail (RFC 5321 §4.2.1). */
export function isTransient(answer: Reply): boolean {
  return answer.code >= 400 && answer.code < 500
}

/** The bytes of a reply. Control characters become spaces, so no text can add a line of its own. */
export function formatReply({ code, status, lines, others }: Reply): string {
  const prefix = status === null ? '' : `${status} `
  let out = ''
  for (let i = 0; i < lines.length; i++) {
    const separator = i < lines.length - 1 ? '-' : ' '
    out += `${code}${separator}${prefix}${printable(lines[i] ?? '')}`.slice(0, MAX_REPLY_LINE_BYTES)
    out += '\r\n'
  }
  return others === undefined ? out : out + others.map(formatReply).join('')
}

// Tested first: nearly every text is clean, and the copy of a replace is not free on the hot path.
// oxlint-disable-next-line no-control-regex
const UNPRINTABLE = /[\x00-\x1f\x7f-\uffff]/

/** Control characters and what else breaks a line; half a character too. */
const BREAKING = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]+/gu

/** Text fit for one line, its letters kept (RFC 6532 §3.1). */
export function printableUtf8(text: string): string {
  return text.replace(BREAKING, ' ')
}

/** Text fit for one reply line: printable US-ASCII (RFC 5321 §4.2). */
export function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex
  return UNPRINTABLE.test(text) ? text.replace(/[\x00-\x1f\x7f]+/g, ' ').replace(/[\x80-\uffff]/g, '?') : text
}
