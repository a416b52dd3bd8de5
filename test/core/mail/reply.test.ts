import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReply, isTransient, printable, reply } from '../../../core/mail/reply.ts'

test('a reply has its code, its status and its text once', () => {
  assert.equal(formatReply(reply(250, '2.0.0', 'OK')), '250 2.0.0 OK\r\n')
})

test('a reply without a status has none (RFC 2034 §4)', () => {
  assert.equal(formatReply(reply(354, null, 'Go ahead')), '354 Go ahead\r\n')
})

test('every line but the last has a hyphen, and every line has the status (RFC 2034 §4)', () => {
  const text = formatReply({ code: 550, status: '5.7.1', lines: ['No', 'Never', 'Not at all'] })
  assert.equal(text, '550-5.7.1 No\r\n550-5.7.1 Never\r\n550 5.7.1 Not at all\r\n')
})

test('no text can add a line of its own', () => {
  const text = formatReply(reply(550, '5.7.1', 'no\r\n250 2.0.0 yes\0'))
  assert.equal(text, '550 5.7.1 no 250 2.0.0 yes \r\n')
})

test('text beyond US-ASCII is replaced', () => assert.equal(printable('Köln — €'), 'K?ln ? ?'))

test('a reply line has at most 512 octets with its line end (RFC 5321 §4.5.3.1.5)', () => {
  assert.equal(formatReply(reply(550, '5.7.1', 'x'.repeat(2_000))).length, 512)
})

test('4yz is transient, 2yz and 5yz are not', () => {
  assert.deepEqual(
    [250, 399, 400, 451, 499, 500].map((code) => isTransient(reply(code, null, ''))),
    [false, false, true, true, true, false],
  )
})
