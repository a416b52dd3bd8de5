import assert from 'node:assert/strict'
import { test } from 'node:test'
import { withIsoTimes } from '../../../core/cli/iso-times.ts'
import {
  counted,
  formatBytes,
  formatDuration,
  formatMicros,
  formatMoment,
  formatRelative,
} from '../../../core/cli/quantity.ts'
import { formatTable } from '../../../core/cli/table.ts'
import { composeMessage } from '../../../core/cli/test-message.ts'
import { fenced, visible } from '../../../core/cli/visible-text.ts'

const table: readonly (readonly [shown: string, expected: string])[] = [
  [formatDuration(0), '0 s'],
  [formatDuration(-5), '0 s'],
  [formatDuration(432), '0.4 s'],
  [formatDuration(59_999), '59 s'],
  [formatDuration(60_000), '1 min'],
  [formatDuration(3_600_000), '1 h'],
  [formatDuration(3_660_000), '1 h 1 min'],
  [formatDuration(266_400_000), '3 d 2 h'],
  [formatDuration(259_200_000), '3 d'],
  [formatRelative(1_000_500, 1_000_000), 'now'],
  [formatRelative(1_120_000, 1_000_000), 'in 2 min'],
  [formatRelative(1_000_000, 1_120_000), '2 min ago'],
  [formatBytes(0), '0 B'],
  [formatBytes(999), '999 B'],
  [formatBytes(1_000), '1 KB'],
  [formatBytes(38_400), '38 KB'],
  [formatBytes(999_499), '999 KB'],
  [formatBytes(999_500), '1 MB'],
  [formatBytes(1_240_000), '1.2 MB'],
  [formatBytes(5e15), '5000 TB'],
  [formatMicros(0), '0 ms'],
  [formatMicros(640), '0.6 ms'],
  [formatMicros(12_340), '12 ms'],
  [formatMoment(Number.POSITIVE_INFINITY), 'never'],
  [counted(1, 'message'), '1 message'],
  [counted(0, 'message'), '0 messages'],
]

for (const [i, [shown, expected]] of table.entries())
  test(`quantity ${i + 1} reads ${expected}`, () => assert.equal(shown, expected))

test('a table is aligned and has no spaces at the ends of its lines', () => {
  assert.deepEqual(
    formatTable(
      [{ title: 'A' }, { title: 'N', align: 'right' }, { title: 'Z' }],
      [
        ['x', '12', ''],
        ['long', '3', 'end'],
      ],
      null,
    ),
    ['A      N  Z', 'x     12', 'long   3  end'],
  )
})

test('a table fits the terminal and says where it was cut', () => {
  const rows = [['a'.repeat(100), 'b'.repeat(100)]]
  const [, line = ''] = formatTable([{ title: 'A' }, { title: 'B' }], rows, 120)
  assert.equal(line, `${'a'.repeat(43)}…  ${'b'.repeat(73)}…`)
})

test('on a narrow terminal the last column keeps enough to be read', () => {
  const [, line = ''] = formatTable([{ title: 'A' }, { title: 'B' }], [['aaa', 'b'.repeat(100)]], 20)
  assert.equal(line, `aaa  ${'b'.repeat(39)}…`)
})

test('invisible characters are written out', () => {
  assert.equal(
    visible('a\u0000\n\t\u001b[0m\u009b\u202e\u2028\ud800ü€😀'),
    'a\\x00\\n\\t\\x1b[0m\\x9b\\u202e\\u2028\\ud800ü€😀',
  )
})

test('the last fence lets colours and line ends pass, and nothing else', () => {
  assert.equal(
    fenced('\u001b[1mbold\u001b[22m\n\tx\u001b[2J\u0007\r'),
    '\u001b[1mbold\u001b[22m\n\tx\\x1b[2J\\x07\\r',
  )
})

test('times become ISO texts, facts of plugins and impossible moments do not', () => {
  assert.deepEqual(
    withIsoTimes({
      at: 0,
      list: [{ dueAt: 1_000 }],
      facts: { at: 0 },
      detail: { dueAt: 1 },
      expiresAt: Number.POSITIVE_INFINITY,
    }),
    {
      at: '1970-01-01T00:00:00.000Z',
      list: [{ dueAt: '1970-01-01T00:00:01.000Z' }],
      facts: { at: 0 },
      detail: { dueAt: 1 },
      expiresAt: null,
    },
  )
})

function compose(changes: { subject?: string; body?: string; from?: string }): string {
  const message = {
    from: 'a@b.test',
    to: ['c@d.test', 'e@f.test'],
    subject: 'hello',
    body: 'text',
    at: 0,
    ...changes,
  }
  return composeMessage(message).toString()
}

test('a test message has the fields every message needs', () => {
  const text = compose({})
  for (const field of [
    /^Date: Thu, 01 Jan 1970 00:00:00 \+0000\r\n/,
    /\r\nFrom: <a@b\.test>\r\n/,
    /\r\nTo: <c@d\.test>,\r\n\t<e@f\.test>\r\n/,
    /\r\nSubject: hello\r\n/,
    /\r\nMessage-ID: <[0-9a-f-]{36}@b\.test>\r\n/,
    /\r\n\r\ntext\r\n$/,
  ])
    assert.match(text, field)
})

test('a subject cannot add a field, and a long one is cut into words', () => {
  assert.match(compose({ subject: 'a\r\nBcc: x@y.test' }), /\r\nSubject: a Bcc: x@y\.test\r\n/)
  const lines =
    /Subject: ([^]*?)\r\nMessage-ID/.exec(compose({ subject: 'ü'.repeat(100) }))?.[1]?.split('\r\n\t') ?? []
  assert.ok(lines.length > 1 && lines.every((line) => line.length <= 75))
  const decoded = lines.map((line) => Buffer.from(/\?B\?(.*)\?=/.exec(line)?.[1] ?? '', 'base64').toString())
  assert.equal(decoded.join(''), 'ü'.repeat(100))
})

test('a body that 7bit cannot carry is encoded', () => {
  assert.match(compose({ body: 'plain\nlines' }), /7bit\r\n\r\nplain\r\nlines\r\n$/)
  assert.match(compose({ body: 'ü' }), /base64\r\n\r\nw7w=\r\n$/)
  const long = compose({ body: 'x'.repeat(999) })
  assert.ok(long.split('\r\n').every((line) => line.length <= 76))
})
