/** Notices about and to addresses beyond US-ASCII (RFC 6533). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildDsn } from '../../../core/mail/dsn.ts'
import type { DsnReport } from '../../../core/mail/dsn-report.ts'
import { apart, assertLines, FAILED, HEADER, report } from './dsn-report-under-test.ts'

const ABROAD = {
  ...FAILED,
  address: 'jürgen@example.org',
  orcpt: { type: 'utf-8', address: 'jörg+x@example.org' },
}
const INTERNATIONAL = { localPart: 'älice', domain: 'example.com' }
const UTF8_HEADER = `${HEADER}X-Name: Jürgen\r\n`

const octets = (text: string): string => Buffer.from(text).toString('latin1')

/** Its parts, and whether the whole of it is 8-bit. */
function built(given: Partial<DsnReport>) {
  const dsn = buildDsn(report(given))
  assertLines(dsn)
  const { header, parts } = apart(dsn)
  const field = (name: string): string => header.find(([one]) => one === name)?.[1] ?? ''
  const [human, status, original] = parts
  return { dsn, field, human, status, original }
}

test('a sender in US-ASCII gets fields in US-ASCII, and the letters in a text of quoted-printable', () => {
  const { dsn, field, human, status } = built({ recipients: [ABROAD] })
  assert.doesNotMatch(Buffer.from(dsn).toString('latin1'), /[\x80-\xff]/)
  assert.equal(field('Content-Transfer-Encoding'), '7bit')
  assert.equal(status?.fields, 'Content-Type: message/delivery-status\r\n')
  assert.match(
    status?.content ?? '',
    /^Original-Recipient: utf-8; j\\x\{F6\}rg\\x\{2B\}x@example\.org\r\nFinal-Recipient: utf-8; j\\x\{FC\}rgen@example\.org\r\n/m,
  )
  assert.match(human?.fields ?? '', /charset=utf-8\r\n.*\r\nContent-Transfer-Encoding: quoted-printable\r\n$/)
  assert.match(human?.content ?? '', /<j=C3=BCrgen@example\.org>/)
})

test('a sender beyond US-ASCII gets UTF-8 everywhere', () => {
  const { field, human, status } = built({ recipients: [ABROAD], to: INTERNATIONAL })
  assert.equal(field('To'), `<${octets('älice@example.com')}>`)
  assert.equal(field('Content-Transfer-Encoding'), '8bit')
  assert.equal(
    status?.fields,
    'Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n',
  )
  assert.ok(status?.content.includes(octets('Original-Recipient: utf-8; jörg+x@example.org\r\n')))
  assert.ok(status?.content.includes(octets('Final-Recipient: utf-8; jürgen@example.org\r\n')))
  assert.match(human?.fields ?? '', /charset=utf-8\r\n.*\r\nContent-Transfer-Encoding: 8bit\r\n$/)
  assert.ok(human?.content.includes(octets('<jürgen@example.org>')))
})

test('such a sender is told of plain recipients in plain fields', () => {
  const { status, human } = built({ to: INTERNATIONAL })
  assert.equal(status?.fields, 'Content-Type: message/delivery-status\r\n')
  assert.match(status?.content ?? '', /^Final-Recipient: rfc822; bob@example\.org\r$/m)
  assert.match(human?.fields ?? '', /charset=us-ascii/)
})

for (const [what, bytes, ret, type] of [
  ['a header of UTF-8', Buffer.from(`${UTF8_HEADER}\r\nx\r\n`), 'HDRS', 'message/global-headers'],
  ['a message with one', Buffer.from(`${UTF8_HEADER}\r\nx\r\n`), 'FULL', 'message/global'],
  ['a body of UTF-8 alone', Buffer.from(`${HEADER}\r\nJürgen\r\n`), 'FULL', 'message/rfc822'],
  ['a header of Latin-1', Buffer.from(`${UTF8_HEADER}\r\nx\r\n`, 'latin1'), 'HDRS', 'text/rfc822-headers'],
] as const)
  test(`${what} comes back as ${type}`, () => {
    const { original } = built({ envelope: { ret, envid: null }, original: { bytes, isWhole: true } })
    assert.equal(original?.fields, `Content-Type: ${type}\r\nContent-Transfer-Encoding: 8bit\r\n`)
  })

test('the longest address there is stands in one field, whole', () => {
  const address = `${'ü'.repeat(32)}@${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.test`
  for (const to of [report().to, INTERNATIONAL]) {
    const { status } = built({ recipients: [{ ...ABROAD, address }], to })
    const field = /^Final-Recipient: utf-8;\s+(\S+)\r$/m.exec(status?.content ?? '')?.[1] ?? ''
    const written = to === INTERNATIONAL ? octets(address) : address.replaceAll('ü', '\\x{FC}')
    assert.equal(field, written)
  }
})
