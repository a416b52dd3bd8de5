import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  enhancedStatusOf,
  isEnhancedStatus,
  MAX_REPLY_CHARACTERS,
  replyLines,
  replyOnOneLine,
  statusClass,
  withClass,
} from '../../../core/mail/enhanced-status.ts'

const cases: readonly (readonly [number, string, string])[] = [
  [550, '550 5.1.1 No such user', '5.1.1'],
  [550, '550-5.1.1 No such user\r\n550 5.1.1 Sorry', '5.1.1'],
  [550, '5.1.1 No such user', '5.1.1'],
  [550, '550 5.1.1', '5.1.1'],
  [550, '550 #5.1.0 Address rejected', '5.1.0'],
  [250, '250 2.0.0 OK', '2.0.0'],
  [451, '451 4.7.650 Too fast', '4.7.650'],
  // The class must fit (RFC 2034 §4): what the reply code says is what counts.
  [550, '550 4.2.2 Mailbox full', '5.0.0'],
  [450, '450 5.1.1 No such user', '4.2.0'],
  [250, '250 5.0.0 OK', '2.0.0'],
  [550, '550 5.1.1x', '5.0.0'],
  [550, '550 5.1.1.1 no', '5.0.0'],
  [550, '550 5.01.1 no', '5.0.0'],
  [550, '550 5.1.1234 no', '5.0.0'],
  [550, '550 No 5.1.1 such user', '5.0.0'],
  [550, '550 User unknown', '5.0.0'],
  [552, '552 too much', '5.2.2'],
  [556, '556 null MX', '5.1.10'],
  [421, '421 closing', '4.3.2'],
  [499, '499 odd', '4.0.0'],
  [599, '599 odd', '5.0.0'],
  [0, '', '4.5.0'],
  [199, '199 5.1.1 x', '4.5.0'],
  [354, '354 Go ahead', '4.5.0'],
  [600, '600 5.1.1 x', '4.5.0'],
  [Number.NaN, '', '4.5.0'],
]

for (const [code, text, status] of cases)
  test(`${code} with ${JSON.stringify(text)} is ${status}`, () =>
    assert.equal(enhancedStatusOf(code, text), status))

test('whatever a remote says, the status is one, and permanent only behind 5yz', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1, max: 1_000 }), fc.string({ unit: 'binary' }), (code, text) => {
      const status = enhancedStatusOf(code, text)
      assert.ok(isEnhancedStatus(status), status)
      assert.equal(statusClass(status) === '5', code >= 500 && code < 600)
    }),
  )
})

test('a status moves to another class, what is none becomes the general one', () => {
  assert.equal(withClass('5.2.2', '4'), '4.2.2')
  assert.equal(withClass('4.4.1', '4'), '4.4.1')
  assert.equal(withClass('5.2.2\r\nX: y', '5'), '5.0.0')
  assert.equal(withClass('', '2'), '2.0.0')
  assert.equal(statusClass('3.1.1'), null)
})

test('a reply of several lines becomes one, its code and status said once', () => {
  assert.equal(
    replyOnOneLine('550-5.1.1 No such user\r\n550 5.1.1 Ask Bob'),
    '550 5.1.1 No such user Ask Bob',
  )
  assert.equal(replyOnOneLine('550-No\n550-\n550 Never'), '550 No Never')
  assert.equal(replyOnOneLine('550'), '550')
  assert.equal(replyOnOneLine('550 a\r\n551 b'), '550 a 551 b')
  assert.equal(replyOnOneLine('connection timed out'), 'connection timed out')
  assert.equal(replyOnOneLine(''), '')
})

test('control characters and octets beyond US-ASCII do not survive', () => {
  assert.equal(replyOnOneLine('550 a\0b\x1b[31mc\rd Köln'), '550 a b [31mc d K?ln')
  assert.deepEqual(replyLines('550-a\tb\r\n\r\n550 \x07\x7fc\u2028', 5), ['550-a b', '550  c?'])
})

test('long replies are cut and say so, below, at and above the bound', () => {
  const line = (length: number): string => `550 ${'x'.repeat(length - 4)}`
  assert.equal(replyOnOneLine(line(MAX_REPLY_CHARACTERS - 1)).length, MAX_REPLY_CHARACTERS - 1)
  assert.equal(replyOnOneLine(line(MAX_REPLY_CHARACTERS)), line(MAX_REPLY_CHARACTERS))
  const cut = replyOnOneLine(line(MAX_REPLY_CHARACTERS + 1))
  assert.equal(cut.length, MAX_REPLY_CHARACTERS)
  assert.ok(cut.endsWith('...'))
  assert.deepEqual(replyLines('1\n2\n3', 3), ['1', '2', '3'])
  assert.deepEqual(replyLines('1\n2\n3\n4', 3), ['1', '2', '3', '...'])
})

test('a reply of ten megabytes costs no more than its beginning', () => {
  const startedAt = process.threadCpuUsage()
  for (const text of ['x'.repeat(10_000_000), '550-a\r\n'.repeat(1_400_000), ' '.repeat(10_000_000)]) {
    assert.ok(replyOnOneLine(text).length <= MAX_REPLY_CHARACTERS)
    assert.ok(replyLines(text, 5).length <= 6)
    assert.ok(isEnhancedStatus(enhancedStatusOf(550, text)))
  }
  const { user, system } = process.threadCpuUsage(startedAt)
  assert.ok(user + system < 1_000_000, 'less than a second of the processor')
})

test('no reply yields anything but printable US-ASCII on bounded lines', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 3_000 }), (text) => {
      for (const line of [replyOnOneLine(text), ...replyLines(text, 4)]) {
        assert.match(line, /^[\x20-\x7e]*$/)
        assert.ok(line.length <= MAX_REPLY_CHARACTERS)
      }
    }),
  )
})
