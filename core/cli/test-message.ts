/** The message `postern send` writes when it is given none (RFC 5322, RFC 2045, RFC 2047). */
import { randomUUID } from 'node:crypto'

export interface TestMessage {
  /** '' is the null reverse-path; the message then names MAILER-DAEMON. */
  readonly from: string
  readonly to: readonly string[]
  readonly subject: string
  readonly body: string
  /** Milliseconds since 1970. */
  readonly at: number
}

/** The whole message, lines ended with CRLF. */
export function composeMessage({ from, to, subject, body, at }: TestMessage): Buffer {
  const sender = from === '' ? 'MAILER-DAEMON' : from
  const domain = from.slice(from.lastIndexOf('@') + 1) || 'localhost'
  const isPlain = isAscii(body) && !/[^\r\n]{999}/.test(body)
  const fields = [
    `Date: ${new Date(at).toUTCString().replace('GMT', '+0000')}`,
    `From: <${sender}>`,
    `To: ${to.map((address) => `<${address}>`).join(',\r\n\t')}`,
    `Subject: ${encodedWord(subject)}`,
    `Message-ID: <${randomUUID()}@${domain}>`,
    'MIME-Version: 1.0',
    'Content-Type: text/plain; charset=utf-8',
    `Content-Transfer-Encoding: ${isPlain ? '7bit' : 'base64'}`,
  ]
  const text = body.replace(/\r\n|\r|\n/g, '\r\n')
  const content = isPlain ? text : base64Lines(text)
  return Buffer.from(`${fields.join('\r\n')}\r\n\r\n${content}\r\n`, 'utf8')
}

/** RFC 2047 §2: pieces of at most 75 characters, none of them cutting a character in two. */
function encodedWord(text: string): string {
  const oneLine = text.replace(/[\r\n]+/g, ' ')
  if (isAscii(oneLine)) return oneLine
  const pieces: string[] = []
  let piece = ''
  for (const character of oneLine) {
    if (Buffer.byteLength(piece + character) > 42) {
      pieces.push(piece)
      piece = ''
    }
    piece += character
  }
  pieces.push(piece)
  return pieces.map((part) => `=?utf-8?B?${Buffer.from(part).toString('base64')}?=`).join('\r\n\t')
}

function base64Lines(text: string): string {
  return (
    Buffer.from(text)
      .toString('base64')
      .match(/.{1,76}/g) ?? []
  ).join('\r\n')
}

function isAscii(text: string): boolean {
  return /^[\x20-\x7e\t\r\n]*$/.test(text)
}
