/** Reports to build notices from, and notices taken apart again. */
import assert from 'node:assert/strict'
import type { DsnReport, ReportedRecipient } from '../../../core/mail/dsn-report.ts'
import { bodyOffset, parseHeaderFields } from '../../../core/mail/header-fields.ts'

export const AT = Date.UTC(2026, 9, 6, 10, 0, 0)
export const HOUR = 3_600_000
export const HEADER = 'Received: from a\r\n\tby b\r\nMessage-ID: <1@example.com>\r\nSubject: Hello\r\n'
export const MESSAGE = `${HEADER}\r\nHello Bob\r\n.\r\n--\r\nAlice\r\n`

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

export const FAILED: ReportedRecipient = {
  action: 'failed',
  expired: false,
  address: 'bob@example.org',
  orcpt: { type: 'rfc822', address: 'robert@example.org' },
  status: '5.1.1',
  lastWord: {
    kind: 'reply',
    host: 'mx.example.org',
    text: '550-5.1.1 No such user\r\n550 5.1.1 Ask Eve',
  },
  lastAttemptAt: AT - HOUR,
}
export const DELAYED: ReportedRecipient = {
  action: 'delayed',
  retryUntil: AT + 96 * HOUR,
  address: '"carol d"@example.net',
  orcpt: null,
  status: '4.4.1',
  lastWord: { kind: 'own', host: '192.0.2.7', text: 'connection timed out' },
  lastAttemptAt: AT - HOUR,
}

export const report = (given: Partial<DsnReport> = {}): DsnReport => ({
  hostname: 'mx.example.test',
  postmaster: 'admin@example.test',
  to: { localPart: 'alice', domain: 'example.com' },
  at: AT,
  seed: 'k3j4h5g6f7d8',
  queueId: 'q_0123456789bc',
  arrivedAt: AT - 2 * HOUR,
  envelope: { ret: 'FULL', envid: 'QQ314159' },
  recipients: [FAILED],
  original: { bytes: bytes(MESSAGE), isWhole: true },
  ...given,
})

export interface Parts {
  readonly header: readonly (readonly [string, string])[]
  readonly parts: readonly { readonly fields: string; readonly content: string }[]
}

/** Takes a notice apart at its boundary, as latin1 text. */
export function apart(dsn: Uint8Array): Parts {
  const header = dsn.subarray(0, bodyOffset(dsn))
  const fields = parseHeaderFields(header).map(({ name, value }) => [name, value] as const)
  const type = fields.find(([name]) => name === 'Content-Type')?.[1] ?? ''
  const boundary = /boundary="([^"]+)"/.exec(type)?.[1]
  assert.ok(boundary !== undefined)
  const body = Buffer.from(dsn.subarray(header.byteLength)).toString('latin1')
  const [, ...pieces] = body.split(`\r\n--${boundary}`)
  assert.equal(pieces.pop(), '--\r\n')
  const parts = pieces.map((piece) => {
    assert.ok(piece.startsWith('\r\n'))
    const end = piece.indexOf('\r\n\r\n')
    return { fields: piece.slice(2, end + 2), content: piece.slice(end + 4) }
  })
  return { header: fields, parts }
}

/** What SMTP can carry (RFC 5321 §4.5.3.1.6), 8BITMIME included. */
export function assertLines(dsn: Uint8Array): void {
  const text = Buffer.from(dsn).toString('latin1')
  assert.ok(text.endsWith('\r\n'))
  assert.ok(!text.includes('\0'))
  for (const line of text.slice(0, -2).split('\r\n')) {
    assert.ok(!/[\r\n]/.test(line), JSON.stringify(line))
    assert.ok(line.length <= 998, `${line.length}: ${line.slice(0, 60)}`)
  }
}

/** Text without its line ends: where a sentence was broken does not matter. */
export function unwrapped(text = ''): string {
  return text.replaceAll(/\s+/g, ' ')
}
