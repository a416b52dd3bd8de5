import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { formatDestination, parseDestination, whyNotBuilt } from '../../core/mail/destination.ts'

const SMTP_FORM = 'smtp:// needs a host and perhaps a port, as in smtp://192.0.2.7:25'
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
  assert.deepEqual(parseDestination('smtp://[::1]:2526'), { kind: 'smtp', host: '::1', port: 2526 })
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
  ['mx:', MX_FORM],
  ['mx://example.test', MX_FORM],
  ['mx:example.test:25', MX_FORM],
  ['mx:example..test', MX_FORM],
  ['mx:[192.0.2]', MX_FORM],
  ['mx:[::1]', MX_FORM],
  ['mx', 'a destination begins with smtp://, mx:, maildir: or discard:'],
  ['maildir:', 'maildir: needs a path'],
  ['maildir:~/mail', '~ is not expanded, write the whole path'],
  ['maildir:/a\nb', 'the path has a control character'],
  ['discard:x', 'nothing may follow discard:'],
  ['192.0.2.7:25', 'a destination begins with smtp://, mx:, maildir: or discard:'],
  ['', 'a destination begins with smtp://, mx:, maildir: or discard:'],
  [
    'http://192.0.2.7',
    'there is no kind of destination called "http:", only smtp://, mx:, maildir: and discard:',
  ],
]
for (const [text, reason] of refused)
  test(`${JSON.stringify(text)} is no destination: ${reason}`, () => {
    assert.equal(parseDestination(text), reason)
    assert.equal(whyNotBuilt(text), null)
  })

const notBuilt: readonly (readonly [text: string, reason: string])[] = [
  ['lmtp://127.0.0.1:24', 'delivery over LMTP is not built yet'],
  ['lmtp+unix:/run/lmtp.sock', 'delivery over LMTP is not built yet'],
  ['smtp://user:pass@192.0.2.7:587', 'signing in to the next server is not built yet'],
  ['smtp://user@mx.example.test', 'signing in to the next server is not built yet'],
]
for (const [text, reason] of notBuilt)
  test(`"${text}" is refused: ${reason}`, () => {
    assert.equal(parseDestination(text), reason)
    assert.equal(whyNotBuilt(text), reason)
  })

test('whatever the text, parsing answers, and what is written is read again as the same', () => {
  const made = fc
    .array(
      fc.constantFrom(
        'smtp:',
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
