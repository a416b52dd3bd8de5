import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mailDate, receivedField, receivedHops } from '../../../core/mail/received.ts'
import type { Session } from '../../../core/mail/session.ts'

const session: Session = {
  id: 's_bcdfghjklmnpqrst',
  client: { address: '192.0.2.9', port: 4_321, network: '192.0.2.9' },
  role: 'mx',
  listener: '192.0.2.1:25',
  trusted: false,
  hello: { verb: 'EHLO', name: 'client.example' },
  tls: null,
  identity: null,
}
const facts = {
  session,
  hostname: 'mx.example.test',
  queueId: 'q_bcdfghjklmnp',
  recipient: 'user@example.test',
  at: Date.UTC(2026, 1, 3, 4, 5, 6),
}

test('a trace field names client, server, protocol, queue id, recipient and moment (RFC 5321 §4.4)', () => {
  assert.equal(
    receivedField(facts),
    'Received: from client.example ([192.0.2.9])\r\n' +
      '\tby mx.example.test with ESMTP id q_bcdfghjklmnp\r\n' +
      '\tfor <user@example.test>;\r\n' +
      '\tTue, 03 Feb 2026 04:05:06 +0000\r\n',
  )
})

test('with several recipients none of them is named', () => {
  assert.doesNotMatch(receivedField({ ...facts, recipient: null }), /for </)
})

test('an IPv6 client is written as an address literal (RFC 5321 §4.1.3)', () => {
  const client = { address: '2001:db8::9', port: 1, network: '2001:db8::/64' }
  assert.match(receivedField({ ...facts, session: { ...session, client } }), /\(\[IPv6:2001:db8::9\]\)/)
})

const TLS = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', servername: null }

for (const [verb, tls, identity, protocol] of [
  ['HELO', null, null, 'SMTP'],
  ['HELO', TLS, null, 'SMTP'],
  ['EHLO', null, null, 'ESMTP'],
  ['EHLO', null, 'user', 'ESMTPA'],
  ['EHLO', TLS, null, 'ESMTPS'],
  ['EHLO', TLS, 'user', 'ESMTPSA'],
  ['LHLO', null, null, 'LMTP'],
  ['LHLO', TLS, 'user', 'LMTPSA'],
] as const) {
  const [secured, signedIn] = [tls, identity].map((fact) => (fact === null ? 'without' : 'with'))
  test(`${verb}, ${secured} TLS, ${signedIn} AUTH, is ${protocol} (RFC 3848)`, () => {
    const hello = { verb, name: 'c.example' }
    const field = receivedField({ ...facts, session: { ...session, hello, tls, identity } })
    assert.ok(field.includes(` with ${protocol} id `))
  })
}

test('no HELO name can break out of the field', () => {
  const name = 'a\r\nX: y (z) \\\0é'
  const field = receivedField({ ...facts, session: { ...session, hello: { verb: 'EHLO', name } } })
  assert.equal(field.split('\r\n').length, 5)
  assert.match(field, /^Received: from [!-~]+ \(\[192/)
})

test('hops are counted by name, in any case, and not in continuation lines', () => {
  const header = 'Received: a\r\n received: no\r\nRECEIVED : b\r\nX-Received: c\r\nreceived:\r\n\r\n'
  assert.equal(receivedHops(Buffer.from(header)), 3)
})

test('a date is in UTC with a numeric zone (RFC 5322 §3.3)', () => {
  assert.equal(mailDate(0), 'Thu, 01 Jan 1970 00:00:00 +0000')
})
