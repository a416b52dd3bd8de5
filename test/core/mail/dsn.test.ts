import assert from 'node:assert/strict'
import { test } from 'node:test'
import { buildDsn } from '../../../core/mail/dsn.ts'
import { MAX_RETURNED_OCTETS } from '../../../core/mail/dsn-original.ts'
import type { DsnReport, ReportedRecipient } from '../../../core/mail/dsn-report.ts'
import {
  apart,
  assertLines,
  bytes,
  DELAYED,
  FAILED,
  HEADER,
  MESSAGE,
  report,
  unwrapped,
} from './dsn-report-under-test.ts'

test('a notice has the header of an automatic reply (RFC 3464 §2, RFC 3834 §5)', () => {
  const { header } = apart(buildDsn(report()))
  assert.deepEqual(header, [
    ['From', 'Mail gateway <admin@example.test>'],
    ['To', '<alice@example.com>'],
    ['Subject', 'Your message was not delivered'],
    ['Date', 'Tue, 06 Oct 2026 10:00:00 +0000'],
    ['Message-ID', '<dsn.k3j4h5g6f7d8@mx.example.test>'],
    ['In-Reply-To', '<1@example.com>'],
    ['References', '<1@example.com>'],
    ['Auto-Submitted', 'auto-replied'],
    ['MIME-Version', '1.0'],
    ['Content-Type', 'multipart/report; report-type=delivery-status;\r\n\tboundary="=_postern_k3j4h5g6f7d8"'],
    ['Content-Transfer-Encoding', '7bit'],
  ])
})

test('the status part has the fields of RFC 3464 §2.2 and §2.3, in groups', () => {
  const { parts } = apart(buildDsn(report({ recipients: [FAILED, DELAYED] })))
  assert.equal(parts[1]?.fields, 'Content-Type: message/delivery-status\r\n')
  assert.equal(
    parts[1]?.content,
    [
      'Original-Envelope-Id: QQ314159',
      'Reporting-MTA: dns; mx.example.test',
      'Arrival-Date: Tue, 06 Oct 2026 08:00:00 +0000',
      'X-Postern-Queue-Id: q_0123456789bc',
      '',
      'Original-Recipient: rfc822; robert@example.org',
      'Final-Recipient: rfc822; bob@example.org',
      'Action: failed',
      'Status: 5.1.1',
      'Remote-MTA: dns; mx.example.org',
      'Diagnostic-Code: smtp; 550 5.1.1 No such user Ask Eve',
      'Last-Attempt-Date: Tue, 06 Oct 2026 09:00:00 +0000',
      '',
      'Final-Recipient: rfc822; "carol d"@example.net',
      'Action: delayed',
      'Status: 4.4.1',
      'Remote-MTA: dns; [192.0.2.7]',
      'Diagnostic-Code: x-postern; connection timed out',
      'Last-Attempt-Date: Tue, 06 Oct 2026 09:00:00 +0000',
      'Will-Retry-Until: Sat, 10 Oct 2026 10:00:00 +0000',
      '',
    ].join('\r\n'),
  )
})

test('the explanation says who, what, in whose words, and whether it is tried again', () => {
  const { parts } = apart(buildDsn(report({ recipients: [DELAYED, FAILED] })))
  assert.equal(
    parts[0]?.content,
    [
      'This is an automatic notice of the mail gateway mx.example.test. It is',
      'about the message that arrived from you on Tue, 06 Oct 2026 08:00:00',
      '+0000.',
      '',
      'NOT DELIVERED, and it will not be tried again:',
      '',
      '  <bob@example.org>',
      '    which you addressed as robert@example.org',
      '    The server mx.example.org refused it for good, with the words:',
      '      550-5.1.1 No such user',
      '      550 5.1.1 Ask Eve',
      '',
      'NOT DELIVERED YET, but still being tried. You need not send it again:',
      '',
      '  <"carol d"@example.net>',
      '    The last attempt to the server 192.0.2.7 did not succeed: connection',
      '    timed out.',
      '    It will be tried again until Sat, 10 Oct 2026 10:00:00 +0000.',
      '',
      'Your message is attached.',
      'If you have questions, write to admin@example.test and name the message',
      'q_0123456789bc.',
      '',
    ].join('\r\n'),
  )
})

test('each action has its sentence and its subject', () => {
  const own = (text: string, host: string | null = null) => ({ kind: 'own', host, text }) as const
  const reply = { kind: 'reply', host: 'mx.example.org', text: '250 2.0.0 OK' } as const
  const { address, orcpt, status, lastAttemptAt } = FAILED
  const facts = { address, orcpt, status, lastAttemptAt }
  const cases: readonly (readonly [ReportedRecipient, string, string])[] = [
    [{ ...facts, action: 'failed', expired: true, lastWord: own('') }, 'not delivered', 'did not succeed.'],
    [{ ...facts, action: 'failed', expired: false, lastWord: own('no such host.') }, '', ': no such host. '],
    [{ ...facts, action: 'relayed', lastWord: reply }, 'passed on', 'mx.example.org, which'],
    [{ ...facts, action: 'delivered', lastWord: own('') }, 'was delivered', 'It was delivered. '],
  ]
  for (const [recipient, subject, sentence] of cases) {
    const { header, parts } = apart(buildDsn(report({ recipients: [recipient] })))
    assert.ok(header.find(([name]) => name === 'Subject')?.[1].includes(subject))
    assert.ok(unwrapped(parts[0]?.content).includes(sentence), parts[0]?.content)
  }
})

test('a status that does not fit its action is replaced (RFC 3464 §2.3.4)', () => {
  const cases: readonly (readonly [ReportedRecipient, string])[] = [
    [{ ...FAILED, status: '4.4.7' }, '4.4.7'],
    [{ ...FAILED, status: '2.0.0' }, '5.0.0'],
    [{ ...FAILED, status: '5.1.1\r\nX: y' }, '5.0.0'],
    [{ ...DELAYED, status: '5.1.1' }, '4.0.0'],
  ]
  for (const [recipient, status] of cases) {
    const { parts } = apart(buildDsn(report({ recipients: [recipient] })))
    assert.equal(/^Status: (.*)$/m.exec(parts[1]?.content.replaceAll('\r', '') ?? '')?.[1], status)
  }
})

/** What is asked for, and what comes back. */
const returns: readonly (readonly [string, Partial<DsnReport>, string, string])[] = [
  ['RET=FULL', {}, 'message/rfc822', MESSAGE],
  ['RET=HDRS', { envelope: { ret: 'HDRS', envid: null } }, 'text/rfc822-headers', HEADER],
  ['no RET', { envelope: { ret: null, envid: null } }, 'text/rfc822-headers', HEADER],
  ['RET=FULL of a delay (RFC 3461 §4.3)', { recipients: [DELAYED] }, 'text/rfc822-headers', HEADER],
  [
    'RET=FULL of a message known in part',
    { original: { bytes: bytes(MESSAGE), isWhole: false } },
    'text/rfc822-headers',
    HEADER,
  ],
  [
    'RET=FULL of a message without a body',
    { original: { bytes: bytes(HEADER), isWhole: true } },
    'message/rfc822',
    HEADER,
  ],
  [
    'RET=HDRS of a message without a header',
    { envelope: { ret: 'HDRS', envid: null }, original: { bytes: bytes('\r\nx'), isWhole: true } },
    'text/rfc822-headers',
    '',
  ],
]

for (const [what, given, type, content] of returns)
  test(`${what} brings back ${type}`, () => {
    const { parts } = apart(buildDsn(report(given)))
    assert.equal(parts.length, 3)
    assert.equal(parts[2]?.fields, `Content-Type: ${type}\r\nContent-Transfer-Encoding: 7bit\r\n`)
    assert.equal(parts[2]?.content, content)
  })

test('a message comes back whole up to 64 KB, above that its header does', () => {
  const ofSize = (size: number): DsnReport['original'] => {
    const line = `${'x'.repeat(78)}\r\n`
    const body = line.repeat(Math.ceil(size / 80)).slice(0, size - HEADER.length - 2)
    return { bytes: bytes(`${HEADER}\r\n${body}`), isWhole: true }
  }
  for (const [size, type] of [
    [MAX_RETURNED_OCTETS - 1, 'message/rfc822'],
    [MAX_RETURNED_OCTETS, 'message/rfc822'],
    [MAX_RETURNED_OCTETS + 1, 'text/rfc822-headers'],
  ] as const) {
    const original = ofSize(size)
    // A line may end in the midst of CRLF: that would be a bare CR.
    if (original.bytes.at(-1) === 0x0d) original.bytes[original.bytes.length - 1] = 0x78
    assert.equal(original.bytes.byteLength, size)
    const dsn = buildDsn(report({ original }))
    assertLines(dsn)
    assert.ok(apart(dsn).parts[2]?.fields.includes(type), `${size}`)
  }
})

test('a header too long comes back as whole lines', () => {
  const long = Array.from({ length: 2_000 }, (_, i) => `X-Field-${i}: ${'y'.repeat(40)}\r\n`).join('')
  const dsn = buildDsn(report({ original: { bytes: bytes(`${long}\r\nbody`), isWhole: true } }))
  const content = apart(dsn).parts[2]?.content ?? ''
  assert.ok(content.length <= MAX_RETURNED_OCTETS && content.length > MAX_RETURNED_OCTETS - 100)
  assert.ok(long.startsWith(content) && content.endsWith('\r\n'))
})

test('8-bit content is passed on as it is and declared all the way up (RFC 2045 §6.2)', () => {
  const message = 'Subject: K\xf6ln\r\n\r\n\xe4\xff\r\n'
  const dsn = buildDsn(report({ original: { bytes: bytes(message), isWhole: true } }))
  const { header, parts } = apart(dsn)
  assert.equal(header.find(([name]) => name === 'Content-Transfer-Encoding')?.[1], '8bit')
  assert.equal(parts[2]?.fields, 'Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n')
  assert.equal(parts[2]?.content, message)
})

for (const [what, message] of [
  ['a bare CR', 'A: 1\r\n\r\nx\ry\r\n'],
  ['a bare LF', 'A: 1\r\n\r\nx\ny\r\n'],
  ['NUL', 'A: 1\r\n\r\n\0\r\n'],
  ['a line of 999 octets', `A: 1\r\n\r\n${'x'.repeat(999)}\r\n`],
  ['a last line of 999 octets', `A: 1\r\n\r\n${'x'.repeat(999)}`],
] as const)
  test(`a message with ${what} is not altered: its header comes back`, () => {
    const dsn = buildDsn(report({ original: { bytes: bytes(message), isWhole: true } }))
    assertLines(dsn)
    const { parts } = apart(dsn)
    assert.ok(parts[2]?.fields.includes('text/rfc822-headers'))
    assert.equal(parts[2]?.content, 'A: 1\r\n')
    assert.ok(unwrapped(parts[0]?.content).includes('only its header is attached'))
  })

test('a line of 998 octets comes back', () => {
  const message = `A: 1\r\n\r\n${'x'.repeat(998)}\r\n`
  const dsn = buildDsn(report({ original: { bytes: bytes(message), isWhole: true } }))
  assertLines(dsn)
  assert.equal(apart(dsn).parts[2]?.content, message)
})

test('a boundary that occurs in the original is not taken', () => {
  const message = `${HEADER}\r\n--=_postern_k3j4h5g6f7d8\r\n--=_postern_k3j4h5g6f7d8_1--\r\n`
  const dsn = buildDsn(report({ original: { bytes: bytes(message), isWhole: true } }))
  const { parts } = apart(dsn)
  assert.equal(parts.length, 3)
  assert.equal(parts[2]?.content, message)
})

test('the null reverse-path is never told anything (RFC 5321 §4.5.5)', () => {
  assert.throws(() => buildDsn(report({ to: { localPart: '', domain: '' } })), RangeError)
})

test('a thousand recipients with replies of ten megabytes make a notice of bounded size', () => {
  const text = '550-x\r\n'.repeat(1_400_000)
  const one: ReportedRecipient = { ...FAILED, lastWord: { kind: 'reply', host: 'mx.example.org', text } }
  const dsn = buildDsn(report({ recipients: [one, ...Array.from({ length: 999 }, () => one)] }))
  assert.ok(dsn.byteLength < 2_000 * 1_000)
  assertLines(dsn)
})
