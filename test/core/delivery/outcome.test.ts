import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  type Level,
  MAX_DETAIL,
  type Met,
  mayMeanTooManyRecipients,
  type Outcome,
  outcomeOf,
  type Phase,
} from '../../../core/delivery/outcome.ts'

const replies: readonly [phase: Phase, text: string, result: Outcome['result'], level: Level][] = [
  ['dot', '250 2.0.0 taken', 'delivered', 'message'],
  ['dot', '299 odd but positive', 'delivered', 'message'],
  // A host that does not want to talk says nothing about the message.
  ['connect', '554 5.7.1 your address is listed', 'deferred', 'host'],
  ['connect', '521 no mail here', 'deferred', 'host'],
  ['connect', '421 4.3.2 busy', 'deferred', 'host'],
  ['hello', '550 who are you', 'deferred', 'host'],
  ['hello', '504 not implemented', 'deferred', 'host'],
  ['tls', '554 5.7.3 no TLS here', 'deferred', 'host'],
  ['auth', '535 5.7.8 bad credentials', 'deferred', 'host'],
  ['auth', '250 in the wrong place', 'deferred', 'host'],
  // 421 is about the connection, whatever it answers (RFC 5321 §4.2.1).
  ['mail', '421 4.7.0 slow down', 'deferred', 'host'],
  ['rcpt', '421 4.7.0 slow down', 'deferred', 'host'],
  ['data', '421 4.7.0 slow down', 'deferred', 'host'],
  ['dot', '421 4.7.0 slow down', 'deferred', 'host'],
  // Between the host and us (RFC 4954 §6).
  ['mail', '530 5.7.0 must issue STARTTLS first', 'deferred', 'host'],
  ['rcpt', '530 5.7.0 authentication required', 'deferred', 'host'],
  ['mail', '535 5.7.8 bad credentials', 'deferred', 'host'],
  ['mail', '538 5.7.11 encryption required', 'deferred', 'host'],
  ['mail', '450 4.7.1 try later', 'deferred', 'message'],
  ['mail', '550 5.7.1 sender refused', 'failed', 'message'],
  ['rcpt', '450 4.2.0 greylisted', 'deferred', 'recipient'],
  ['rcpt', '452 4.5.3 too many recipients', 'deferred', 'recipient'],
  ['rcpt', '550 5.1.1 no such user', 'failed', 'recipient'],
  ['rcpt', '551 user not local', 'failed', 'recipient'],
  // RFC 5321 §4.5.3.1.10: 552 for too many recipients is to be read as 452.
  ['rcpt', '552 too many recipients', 'deferred', 'recipient'],
  ['dot', '552 5.3.4 message too big', 'failed', 'message'],
  ['data', '451 4.3.0 no room', 'deferred', 'message'],
  ['data', '554 5.5.1 no valid recipients', 'failed', 'message'],
  // The session was out of step, not the message.
  ['data', '503 5.5.1 bad sequence', 'deferred', 'message'],
  ['mail', '503 5.5.1 nested MAIL', 'deferred', 'message'],
  ['dot', '451 4.3.0 try later', 'deferred', 'message'],
  ['dot', '554 5.7.1 spam', 'failed', 'message'],
  // Nothing SMTP knows is a yes or a no.
  ['dot', '354 go on', 'deferred', 'message'],
  ['dot', '999 whatever', 'deferred', 'message'],
  ['rcpt', '999 whatever', 'deferred', 'recipient'],
  ['rcpt', '600 whatever', 'deferred', 'recipient'],
  ['mail', '000 whatever', 'deferred', 'message'],
]

for (const [phase, text, result, level] of replies) {
  test(`"${text}" at ${phase}: ${result}, level ${level}`, () => {
    const outcome = outcomeOf({ kind: 'reply', phase, code: Number(text.slice(0, 3)), text })
    assert.equal(outcome.result, result)
    assert.equal(outcome.level, level)
    assert.ok(outcome.detail.startsWith(text), outcome.detail)
  })
}

const others: readonly [Met, Outcome['result'], Level][] = [
  [{ kind: 'trouble', phase: 'connect', text: 'connect ECONNREFUSED 192.0.2.1:25' }, 'deferred', 'host'],
  [{ kind: 'trouble', phase: 'hello', text: 'Timeout' }, 'deferred', 'host'],
  [{ kind: 'trouble', phase: 'tls', text: 'self-signed certificate' }, 'deferred', 'host'],
  [{ kind: 'trouble', phase: 'auth', text: 'Timeout' }, 'deferred', 'host'],
  [{ kind: 'trouble', phase: 'mail', text: 'Timeout' }, 'deferred', 'host'],
  // The message itself may be what the remote stumbles over.
  [{ kind: 'trouble', phase: 'dot', text: 'Connection closed unexpectedly' }, 'deferred', 'message'],
  [{ kind: 'local', text: 'ENOSPC' }, 'deferred', 'local'],
  [{ kind: 'too-large', text: 'larger than 1000' }, 'failed', 'message'],
  [{ kind: 'unsendable', text: 'an angle bracket' }, 'failed', 'recipient'],
  [{ kind: 'misrouted', text: 'no delivery to pigeon:roof' }, 'failed', 'local'],
  [{ kind: 'kept', text: 'kept as 1.2.3' }, 'delivered', 'recipient'],
]

for (const [met, result, level] of others) {
  test(`${met.kind}${'phase' in met ? ` at ${met.phase}` : ''}: ${result}, level ${level}`, () => {
    const outcome = outcomeOf(met)
    assert.deepEqual([outcome.result, outcome.level], [result, level])
    assert.ok(outcome.detail.includes(met.text))
  })
}

test('the detail of a hostile reply is one short line of printable US-ASCII', () => {
  const text = `550-\u0000\u001b[31mred\n550-${'x'.repeat(100_000)}\n550 \u00e9\u4e2d end`
  const { detail } = outcomeOf({ kind: 'reply', phase: 'rcpt', code: 550, text })
  assert.ok(detail.length <= MAX_DETAIL, String(detail.length))
  assert.match(detail, /^[\x20-\x7e]+$/)
  assert.match(detail, /^550 +\[31mred x/)
  assert.match(detail, /in reply to RCPT\)$/)
})

test('a reply of several lines keeps its words and loses the repeated code', () => {
  const text = '550-5.7.1 refused\n550-5.7.1 see https://example.test\n550 5.7.1 bye'
  const { detail } = outcomeOf({ kind: 'reply', phase: 'dot', code: 550, text })
  assert.equal(detail, '550 5.7.1 refused 5.7.1 see https://example.test 5.7.1 bye (in reply to the message)')
})

test('trouble with endless text is cut', () => {
  const { detail } = outcomeOf({ kind: 'trouble', phase: 'connect', text: 'y'.repeat(1_000_000) })
  assert.ok(detail.length <= MAX_DETAIL)
})

test('only 452 and 552 in reply to RCPT may mean that the transaction is full', () => {
  const met = (phase: Phase, code: number): Met => ({ kind: 'reply', phase, code, text: String(code) })
  assert.ok(mayMeanTooManyRecipients(met('rcpt', 452)))
  assert.ok(mayMeanTooManyRecipients(met('rcpt', 552)))
  assert.ok(!mayMeanTooManyRecipients(met('rcpt', 450)))
  assert.ok(!mayMeanTooManyRecipients(met('dot', 452)))
})
