/** The conversations of chasquid's tests, and why we answer otherwise where we do. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Listener } from '../../../core/smtp/client-session.ts'
import type { Credentials } from '../../../core/smtp/ports.ts'
import { TestServer } from '../../core/smtp/test-server.ts'
import { testCertificate } from '../../support/test-certificate.ts'
import { playDialog, type Respelt } from './chasquid-dialog.ts'
import { fixture } from './folder.ts'

interface Played {
  readonly listener?: Listener
  readonly messageBytes?: number
  readonly errorsPerSession?: number
  readonly respelt?: Respelt
  /** What we say instead, by line, and the rule by which that is right. */
  readonly otherwise?: Readonly<Record<number, readonly [heard: string, why: string]>>
  readonly stored?: number
}

const MX: Listener = { role: 'mx', address: '127.0.0.1:25', tls: 'off' }
const SUBMISSION: Listener = { role: 'submission', address: '127.0.0.1:465', tls: 'implicit' }
const BRACKETS = 'RFC 5321 §4.1.1.3: a forward-path stands in angle brackets'
const UNKNOWN_VERB =
  'RFC 5321 §4.2.4: 500 for a command that is not recognized, 502 for one that is and not implemented'

const PLAYED: Readonly<Record<string, Played>> = {
  'auth_multi_dialog.cmy': {
    listener: SUBMISSION,
    otherwise: {
      9: ['504 5.5.4', 'RFC 4954 §4: 504 for a mechanism that is not known; 534 is for one that is too weak'],
    },
  },
  'auth_too_many_failures.cmy': {
    listener: SUBMISSION,
    errorsPerSession: 2,
    otherwise: {
      13: ['421 4.7.0', 'RFC 3463 §3.8: X.7.0, a matter of policy; X.5.0 would be one of protocol'],
    },
  },
  'bad_data_dot.cmy': {
    respelt: { 9: 'RCPT TO:<user@testserver>' },
    otherwise: {
      9: ['501 5.1.3', BRACKETS],
      28: [
        '554 5.6.0',
        'RFC 7504 §3: 521 says that a host takes no mail at all; RFC 3463 §3.7: X.6.0, the content',
      ],
    },
  },
  'bad_data_dot_on_message_too_big.cmy': {
    messageBytes: 1_048_576,
    respelt: { 9: 'RCPT TO:<user@testserver>' },
    otherwise: {
      9: ['501 5.1.3', BRACKETS],
      36: ['552 5.3.4', 'RFC 1870 §6.3: 552 behind the final dot for a message that is too large'],
    },
  },
  'bad_rcpt_to.cmy': {
    otherwise: {
      11: ['501 5.1.3', 'RFC 5321 §4.2.2: the verb is known, its argument is not: 501'],
      14: ['501 5.1.3', 'RFC 5321 §4.2.2: the verb is known, its argument is not: 501'],
      29: ['501 5.1.3', 'RFC 3463 §3.2: X.1.3, what is no address; X.1.2 is for a host that does not exist'],
      41: ['553 5.6.7', 'RFC 6531 §3.5: without SMTPUTF8 at MAIL, 553 5.6.7 at RCPT'],
    },
  },
  'empty_helo.cmy': {},
  'line_too_long.cmy': {
    otherwise: {
      5: ['501 5.5.4', 'RFC 5321 §4.5.3.1: longer lines than must be taken are; the name in it is none'],
    },
  },
  'sendmail.cmy': {
    respelt: { 9: 'RCPT TO:<user@testserver>' },
    otherwise: { 9: ['501 5.1.3', BRACKETS] },
    stored: 1,
  },
  'wrong_proto.cmy': {
    otherwise: {
      5: ['500 5.5.2', UNKNOWN_VERB],
      10: ['500 5.5.2', UNKNOWN_VERB],
      15: ['500 5.5.2', UNKNOWN_VERB],
    },
  },
}

const credentials: Credentials = {
  verify: async ({ name, password }) =>
    name === 'user@testserver' && password === 'secretpassword'
      ? { kind: 'verified', identity: name }
      : { kind: 'wrong' },
}

for (const [file, played] of Object.entries(PLAYED)) {
  test(`${file} goes as chasquid wants it, but for what the RFC has otherwise`, async () => {
    const { listener = MX, messageBytes = 100_000, errorsPerSession = 20, otherwise = {} } = played
    const server = await TestServer.start({
      listener,
      limits: { messageBytes, errorsPerSession },
      settings: { domains: { testserver: { deliver: 'discard:' } } },
      tls: testCertificate(),
      credentials,
    })
    try {
      const differences = await playDialog(fixture(`smtp-dialogs/${file}`), server, played.respelt)
      assert.deepEqual(
        differences.map(({ line, heard }) => [line, heard]),
        Object.entries(otherwise).map(([line, [heard]]) => [Number(line), heard]),
        JSON.stringify(differences),
      )
      for (const [, why] of Object.values(otherwise)) assert.match(why, /^RFC \d+ §/)
      assert.equal(server.smtp.counters.accepted, played.stored ?? 0)
    } finally {
      await server.stop()
    }
  })
}

test('every conversation is played', () => {
  const files = readdirSync(join(import.meta.dirname, '..', '..', 'fixtures', 'smtp-dialogs'))
  assert.deepEqual(files.filter((name) => name.endsWith('.cmy')).toSorted(), Object.keys(PLAYED).toSorted())
})
