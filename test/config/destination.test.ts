import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDestination, parseDestination, separatePassword } from '../../core/mail/destination.ts'

const SMTP_FORM = 'smtp:// needs a host and perhaps a port, as in smtp://192.0.2.7:25'
const SMTPS_FORM = 'smtps:// needs a host and perhaps a port, as in smtps://mail.example.com:465'
const LMTP_FORM = 'lmtp:// needs a host and perhaps a port, as in lmtp://192.0.2.7:24'
const PASSWORD = 'a password stands in the configuration alone, and the route without it'
const BEGINS = 'a destination begins with smtp://, smtps://, lmtp://, lmtp+unix:, mx:, maildir: or discard:'
const MX_FORM = 'mx: needs a domain, as in mx:example.com'
const PORT = 'a port is a number from 1 to 65535'

const written: readonly (readonly [text: string, same: string])[] = [
  ['smtp://192.0.2.7:2525', 'smtp://192.0.2.7:2525'],
  ['smtp://192.0.2.7', 'smtp://192.0.2.7:25'],
  ['SMTP://192.0.2.7:1', 'smtp://192.0.2.7:1'],
  ['smtp://192.0.2.7:65535', 'smtp://192.0.2.7:65535'],
  ['smtp://localhost:2526', 'smtp://127.0.0.1:2526'],
  ['smtp://[::1]:2526', 'smtp://[::1]:2526'],
  ['smtp://[2001:DB8:0:0::7]', 'smtp://[2001:db8::7]:25'],
  ['smtp://MX.example.test', 'smtp://mx.example.test:25'],
  ['smtp://mailhub:2525', 'smtp://mailhub:2525'],
  ['smtp://4.example', 'smtp://4.example:25'],
  ['smtp://user@MX.example.test', 'smtp://user@mx.example.test:587'],
  ['smtp://user@[2001:DB8::7]:25', 'smtp://user@[2001:db8::7]:25'],
  ['smtp://anna%40example.test@mx.example.test', 'smtp://anna%40example.test@mx.example.test:587'],
  ['smtp://anna@example.test@mx.example.test', 'smtp://anna%40example.test@mx.example.test:587'],
  ['smtp://a%3ab%25@mx.example.test', 'smtp://a%3Ab%25@mx.example.test:587'],
  ['smtps://mx.example.test', 'smtps://mx.example.test:465'],
  ['SMTPS://User@192.0.2.7:4465', 'smtps://User@192.0.2.7:4465'],
  ['lmtp://192.0.2.7', 'lmtp://192.0.2.7:24'],
  ['lmtp://Mail.example.test:2424', 'lmtp://mail.example.test:2424'],
  ['lmtp+unix:/run//lmtp', 'lmtp+unix:/run/lmtp'],
  ['mx:example.test', 'mx:example.test'],
  ['MX:Example.TEST', 'mx:example.test'],
  ['mx:[192.0.2.7]', 'mx:[192.0.2.7]'],
  ['mx:[ipv6:2001:DB8:0:0::7]', 'mx:[IPv6:2001:db8::7]'],
  ['mx:[IPv6:::ffff:192.0.2.7]', 'mx:[IPv6:::ffff:c000:207]'],
  ['maildir:/var/mail/in', 'maildir:/var/mail/in'],
  ['maildir:/var//mail/../mail/in/', 'maildir:/var/mail/in'],
  ['discard:', 'discard:'],
]
for (const [text, same] of written)
  test(`"${text}" is the destination ${same}`, () => {
    const destination = parseDestination(text)
    assert.ok(typeof destination !== 'string')
    assert.equal(formatDestination(destination), same)
    assert.deepEqual(parseDestination(same), destination)
  })

test('a destination is a plain value', () => {
  const smtp = { kind: 'smtp', user: null, host: '::1', port: 2526 }
  assert.deepEqual(parseDestination('smtp://[::1]:2526'), smtp)
  const smtps = { kind: 'smtps', user: 'a@b', host: 'c.test', port: 465 }
  assert.deepEqual(parseDestination('smtps://a%40b@c.test'), smtps)
  assert.deepEqual(parseDestination('lmtp://[::1]'), { kind: 'lmtp', host: '::1', port: 24 })
  assert.deepEqual(parseDestination('lmtp+unix:/a'), { kind: 'lmtp+unix', path: '/a' })
  assert.deepEqual(parseDestination('mx:example.test'), { kind: 'mx', domain: 'example.test' })
  assert.deepEqual(parseDestination('maildir:/a'), { kind: 'maildir', path: '/a' })
  assert.deepEqual(parseDestination('discard:'), { kind: 'discard' })
})

test('a relative maildir starts at the folder given, and is refused without one', () => {
  assert.deepEqual(parseDestination('maildir:../mail', '/etc/postern'), {
    kind: 'maildir',
    path: '/etc/mail',
  })
  assert.equal(parseDestination('maildir:../mail'), 'the path must be absolute')
  assert.deepEqual(parseDestination('lmtp+unix:lmtp', '/run'), { kind: 'lmtp+unix', path: '/run/lmtp' })
  assert.equal(parseDestination('lmtp+unix:lmtp'), 'the path must be absolute')
})

const refused: readonly (readonly [text: string, reason: string])[] = [
  ['smtp://192.0.2.7:0', PORT],
  ['smtp://192.0.2.7:65536', PORT],
  ['smtp://192.0.2.7:', PORT],
  ['smtp://192.0.2.7:000025', PORT],
  ['smtp://192.0.2.7:25/path', SMTP_FORM],
  ['smtp://192.0.2.256', SMTP_FORM],
  ['smtp://192.0.2', SMTP_FORM],
  ['smtp://::1', SMTP_FORM],
  ['smtp://[192.0.2.7]', SMTP_FORM],
  ['smtp://[::1%lo]:25', SMTP_FORM],
  ['smtp://', SMTP_FORM],
  ['smtp:192.0.2.7', SMTP_FORM],
  ['smtp://under_score:25', SMTP_FORM],
  ['smtp://mx.example.test.:25', SMTP_FORM],
  ['smtp://example.4', SMTP_FORM],
  [`smtp://${'a.'.repeat(126)}ab`, SMTP_FORM],
  ['smtp://user:pass@192.0.2.7:587', PASSWORD],
  ['smtps://user:@192.0.2.7', PASSWORD],
  ['smtp://@192.0.2.7', 'the user is empty'],
  ['smtp://us%00er@192.0.2.7', 'the user has a control character'],
  ['smtp://us%er@192.0.2.7', 'the user is not percent-encoded as it should be: a % is written %25'],
  [`smtp://${'u'.repeat(256)}@192.0.2.7`, 'the user is longer than 255 octets'],
  ['smtp://user@', SMTP_FORM],
  ['smtp:user@192.0.2.7', SMTP_FORM],
  ['smtps://', SMTPS_FORM],
  ['lmtp://', LMTP_FORM],
  ['lmtp:/run/lmtp', LMTP_FORM],
  ['lmtp://user@192.0.2.7', LMTP_FORM],
  ['lmtp+unix:', 'lmtp+unix: needs a path'],
  ['mx:', MX_FORM],
  ['mx://example.test', MX_FORM],
  ['mx:example.test:25', MX_FORM],
  ['mx:example..test', MX_FORM],
  ['mx:[192.0.2]', MX_FORM],
  ['mx:[::1]', MX_FORM],
  ['mx', BEGINS],
  ['maildir:', 'maildir: needs a path'],
  ['maildir:~/mail', '~ is not expanded, write the whole path'],
  ['maildir:/a\nb', 'the path has a control character'],
  ['discard:x', 'nothing may follow discard:'],
  ['192.0.2.7:25', BEGINS],
  ['', BEGINS],
  [
    'http://192.0.2.7',
    'there is no kind of destination called "http:", only smtp://, smtps://, lmtp://, lmtp+unix:, mx:, maildir: and discard:',
  ],
]
for (const [text, reason] of refused)
  test(`${JSON.stringify(text)} is no destination: ${reason}`, () => {
    assert.equal(parseDestination(text), reason)
  })

test('a user may have 255 octets', () => {
  const destination = parseDestination(`smtp://${'u'.repeat(255)}@192.0.2.7`)
  assert.ok(typeof destination !== 'string')
})

const separated: readonly (readonly [text: string, destination: string, password: string | null])[] = [
  ['smtp://user:pass@192.0.2.7:587', 'smtp://user@192.0.2.7:587', 'pass'],
  ['SMTPS://user:pass@[::1]', 'smtps://user@[::1]', 'pass'],
  ['smtp://user:p%40%3A%25%2Fs@a.test', 'smtp://user@a.test', 'p@:%/s'],
  ['smtp://user:p@s:s/@a.test', 'smtp://user@a.test', 'p@s:s/'],
  ['smtp://anna@example.test:pass@a.test', 'smtp://anna@example.test@a.test', 'pass'],
  ['smtp://user@a.test:587', 'smtp://user@a.test:587', null],
  ['smtp://[::1]:25', 'smtp://[::1]:25', null],
  ['maildir:/a:b@c', 'maildir:/a:b@c', null],
  ['mx', 'mx', null],
]
for (const [text, destination, password] of separated)
  test(`the password of "${text}" is taken out of it`, () => {
    assert.deepEqual(separatePassword(text), { destination, password })
  })

for (const [password, reason] of [
  ['', 'the password is empty'],
  ['s3cr%zzet', 'the password is not percent-encoded as it should be: a % is written %25'],
  ['s3cr\net', 'the password has a control character'],
  ['s'.repeat(256), 'the password is longer than 255 octets'],
] as const)
  test(`${reason}, and it is not repeated`, () => {
    assert.equal(separatePassword(`smtp://user:${password}@a.test`), reason)
  })

test('whatever the text, parsing answers, and what is written is read again as the same', () => {
  const made = fc
    .array(
      fc.constantFrom(
        'smtp:',
        'smtps:',
        'lmtp:',
        'lmtp+unix:',
        'user@',
        'mx:',
        'IPv6:',
        '//',
        'maildir:',
        'discard:',
        '[',
        ']',
        '::1',
        '192.0.2.1',
        ':',
        '25',
        '/',
        'a',
        '@',
        '%',
        '~',
      ),
    )
    .map((parts) => parts.join(''))
  fc.assert(
    fc.property(fc.oneof(made, fc.string({ unit: 'binary' })), (text) => {
      const destination = parseDestination(text, '/srv')
      if (typeof destination === 'string') return destination !== ''
      assert.deepEqual(parseDestination(formatDestination(destination)), destination)
      return true
    }),
    { numRuns: 2000 },
  )
})
