import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type DsnRecipient,
  decodeXtext,
  type EsmtpParameter,
  encodeXtext,
  formatMailDsn,
  formatRcptDsn,
  MAX_ENVID_OCTETS,
  MAX_ORCPT_OCTETS,
  NO_DSN_ENVELOPE,
  NO_DSN_RECIPIENT,
  takeMailDsn,
  takeRcptDsn,
  wantsNotice,
} from '../../../core/mail/dsn-parameters.ts'
import { decodeUtf8Address, encodeUtf8Address } from '../../../core/mail/utf8-address.ts'

/** `RET=FULL ENVID=x` as a list. */
const parameters = (text: string): EsmtpParameter[] =>
  text.split(' ').flatMap((word): EsmtpParameter[] => {
    if (word === '') return []
    const equals = word.indexOf('=')
    return equals < 0
      ? [{ keyword: word, value: null }]
      : [{ keyword: word.slice(0, equals), value: word.slice(equals + 1) }]
  })

const mailCases: readonly (readonly [string, unknown])[] = [
  ['', NO_DSN_ENVELOPE],
  ['RET=FULL', { ret: 'FULL', envid: null }],
  ['ret=hdrs envid=QQ314159', { ret: 'HDRS', envid: 'QQ314159' }],
  ['ENVID=a+2Bb+3Dc+20d', { ret: null, envid: 'a+b=c d' }],
  ['ENVID=a+2bb', { ret: null, envid: 'a+b' }],
  [`ENVID=${'x'.repeat(MAX_ENVID_OCTETS - 1)}`, { ret: null, envid: 'x'.repeat(99) }],
  [`ENVID=${'x'.repeat(MAX_ENVID_OCTETS)}`, { ret: null, envid: 'x'.repeat(100) }],
  [`ENVID=${'x'.repeat(MAX_ENVID_OCTETS + 1)}`, 'ENVID is longer than 100 octets'],
  ['RET=BODY', 'RET is FULL or HDRS'],
  ['RET', 'RET needs a value'],
  ['ENVID=', 'ENVID needs a value'],
  ['RET=FULL ret=FULL', 'RET is given twice'],
  ['ENVID=a RET=FULL ENVID=b', 'ENVID is given twice'],
  ['ENVID=a+0D+0AX-Evil:+20yes', 'ENVID is not printable US-ASCII encoded as xtext'],
  ['ENVID=a+00', 'ENVID is not printable US-ASCII encoded as xtext'],
  ['ENVID=a+7F', 'ENVID is not printable US-ASCII encoded as xtext'],
  ['ENVID=a+E4', 'ENVID is not printable US-ASCII encoded as xtext'],
  ['ENVID=a+4', 'ENVID is not printable US-ASCII encoded as xtext'],
  ['ENVID=a+zz', 'ENVID is not printable US-ASCII encoded as xtext'],
  ['ENVID=a=b', 'ENVID is not printable US-ASCII encoded as xtext'],
]

for (const [text, expected] of mailCases)
  test(`MAIL with "${text.slice(0, 40)}" (RFC 3461 §4.3, §4.4)`, () => {
    const taken = takeMailDsn(parameters(text))
    assert.deepEqual(taken.ok ? taken.dsn : taken.reason, expected)
  })

const orcpt = (length: number): string => `ORCPT=rfc822;${'x'.repeat(length - 'rfc822;'.length)}`
const LIST = 'NOTIFY is NEVER, or a list of SUCCESS, FAILURE and DELAY'
const NO_XTEXT = 'the address in ORCPT is not printable US-ASCII encoded as xtext'
const NO_TYPE = 'ORCPT needs an address type, as in rfc822;user@example.org'

const NO_UTF8 = 'the address in ORCPT is not encoded as RFC 6533 has it'
const utf8 = (address: string, type = 'utf-8'): unknown => ({ notify: null, orcpt: { type, address } })

const rcptCases: readonly (readonly [string, unknown])[] = [
  ['', NO_DSN_RECIPIENT],
  ['NOTIFY=NEVER', { notify: [], orcpt: null }],
  ['notify=never', { notify: [], orcpt: null }],
  ['NOTIFY=SUCCESS', { notify: ['SUCCESS'], orcpt: null }],
  ['NOTIFY=delay,FAILURE,Success', { notify: ['SUCCESS', 'FAILURE', 'DELAY'], orcpt: null }],
  ['NOTIFY=DELAY,DELAY', { notify: ['DELAY'], orcpt: null }],
  ['NOTIFY=NEVER,DELAY', 'NOTIFY=NEVER stands alone'],
  ['NOTIFY=NEVER,NEVER', 'NOTIFY=NEVER stands alone'],
  ['NOTIFY=ALWAYS', LIST],
  ['NOTIFY=SUCCESS,', LIST],
  ['NOTIFY=,', LIST],
  ['NOTIFY=__proto__', LIST],
  ['NOTIFY', 'NOTIFY needs a value'],
  ['NOTIFY=DELAY NOTIFY=DELAY', 'NOTIFY is given twice'],
  ['ORCPT=rfc822;bob@example.org', { notify: null, orcpt: { type: 'rfc822', address: 'bob@example.org' } }],
  [
    'ORCPT=rfc822;bob+2Blist@example.org',
    { notify: null, orcpt: { type: 'rfc822', address: 'bob+list@example.org' } },
  ],
  ['ORCPT=X400;/C+3DDE', { notify: null, orcpt: { type: 'X400', address: '/C=DE' } }],
  ['ORCPT=rfc822;a;b', { notify: null, orcpt: { type: 'rfc822', address: 'a;b' } }],
  [orcpt(MAX_ORCPT_OCTETS - 1), { notify: null, orcpt: { type: 'rfc822', address: 'x'.repeat(492) } }],
  [orcpt(MAX_ORCPT_OCTETS), { notify: null, orcpt: { type: 'rfc822', address: 'x'.repeat(493) } }],
  [orcpt(MAX_ORCPT_OCTETS + 1), 'ORCPT is longer than 500 octets'],
  ['ORCPT=bob@example.org', NO_TYPE],
  ['ORCPT=;bob@example.org', NO_TYPE],
  ['ORCPT=a(b;c', NO_TYPE],
  ['ORCPT=rfc822;', 'ORCPT has no address'],
  ['ORCPT=rfc822;+20', 'ORCPT has no address'],
  ['ORCPT=rfc822;a+0D+0ABcc:b', NO_XTEXT],
  ['ORCPT=rfc822;a+09', NO_XTEXT],
  ['ORCPT=rfc822;a+C3+A4', NO_XTEXT],
  ['ORCPT=rfc822;a ORCPT=rfc822;a', 'ORCPT is given twice'],
  // RFC 6533 §3.
  ['ORCPT=utf-8;j\\x{FC}rgen@example.org', utf8('jürgen@example.org')],
  ['ORCPT=UTF-8;j\\x{fc}rgen@example.org', utf8('jürgen@example.org', 'UTF-8')],
  ['ORCPT=utf-8;jürgen@example.org', utf8('jürgen@example.org')],
  ['ORCPT=utf-8;a\\x{2B}b\\x{3D}c\\x{5C}\\x{20}d@x', utf8('a+b=c\\ d@x')],
  ['ORCPT=utf-8;\\x{1F600}@x', utf8('😀@x')],
  ['ORCPT=utf-8;a\\x{0D}\\x{0A}Bcc:b', NO_UTF8],
  ['ORCPT=utf-8;a\\x{2028}b', NO_UTF8],
  ['ORCPT=utf-8;a\\x{D800}b', NO_UTF8],
  ['ORCPT=utf-8;a\\x{110000}b', NO_UTF8],
  ['ORCPT=utf-8;a\\x{FC', NO_UTF8],
  ['ORCPT=utf-8;a+2Bb', NO_UTF8],
  ['ORCPT=rfc822;jürgen@x', NO_XTEXT],
  [`ORCPT=utf-8;${'ü'.repeat(247)}`, utf8('ü'.repeat(247))],
  [`ORCPT=utf-8;${'ü'.repeat(248)}`, 'ORCPT is longer than 500 octets'],
]

for (const [text, expected] of rcptCases)
  test(`RCPT with "${text.slice(0, 40)}" (RFC 3461 §4.1, §4.2)`, () => {
    const taken = takeRcptDsn(parameters(text))
    assert.deepEqual(taken.ok ? taken.dsn : taken.reason, expected)
  })

test('parameters of other extensions are left for others, in their order', () => {
  const taken = takeMailDsn(parameters('SIZE=1 RET=FULL SMTPUTF8 NOTIFY=NEVER'))
  assert.ok(taken.ok)
  assert.deepEqual(taken.others, parameters('SIZE=1 SMTPUTF8 NOTIFY=NEVER'))
})

test('what was read is sent on as it was meant (RFC 3461 §5.2.1)', () => {
  for (const text of ['RET=HDRS ENVID=a+2Bb+20c', '', 'ENVID=x']) {
    const taken = takeMailDsn(parameters(text))
    assert.ok(taken.ok)
    assert.equal(formatMailDsn(taken.dsn).join(' '), text)
  }
  for (const text of ['NOTIFY=NEVER ORCPT=rfc822;a+2Bb@c', '', 'NOTIFY=SUCCESS,DELAY']) {
    const taken = takeRcptDsn(parameters(text))
    assert.ok(taken.ok)
    assert.equal(formatRcptDsn(taken.dsn, false).join(' '), text)
  }
})

test('an address beyond US-ASCII is sent on as the next server can read it (RFC 6533 §3)', () => {
  const taken = takeRcptDsn(parameters('ORCPT=utf-8;j\\x{FC}r\\x{2B}gen@x'))
  assert.ok(taken.ok)
  assert.deepEqual(formatRcptDsn(taken.dsn, false), ['ORCPT=utf-8;j\\x{FC}r\\x{2B}gen@x'])
  assert.deepEqual(formatRcptDsn(taken.dsn, true), ['ORCPT=utf-8;jür\\x{2B}gen@x'])
  const long = takeRcptDsn(parameters(`ORCPT=utf-8;${'ü'.repeat(200)} NOTIFY=DELAY`))
  assert.ok(long.ok)
  assert.deepEqual(formatRcptDsn(long.dsn, false), ['NOTIFY=DELAY'], 'six octets a letter are too many')
})

test('every address that is encoded is read again as it was', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), fc.boolean(), (address, isUtf8) => {
      const encoded = encodeUtf8Address(address, isUtf8)
      assert.match(encoded, isUtf8 ? /^[^ +=\\]*(?:\\x\{[0-9A-F]{2,6}\}[^ +=\\]*)*$/ : /^[!-~]*$/)
      if (!/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(address)) assert.equal(decodeUtf8Address(encoded), address)
    }),
  )
})

test('the parameters survive JSON', () => {
  const taken = takeRcptDsn(parameters('NOTIFY=DELAY ORCPT=rfc822;a@b'))
  assert.ok(taken.ok)
  assert.deepEqual(JSON.parse(JSON.stringify(taken.dsn)), taken.dsn)
})

test('who did not say hears of failure and delay, who said NEVER of nothing', () => {
  const heard = (dsn: DsnRecipient): readonly boolean[] =>
    (['SUCCESS', 'FAILURE', 'DELAY'] as const).map((event) => wantsNotice(dsn, event))
  assert.deepEqual(heard(NO_DSN_RECIPIENT), [false, true, true])
  assert.deepEqual(heard({ notify: [], orcpt: null }), [false, false, false])
  assert.deepEqual(heard({ notify: ['SUCCESS'], orcpt: null }), [true, false, false])
})

test('xtext decodes to what was encoded, and has no character a command could trip over', () => {
  fc.assert(
    fc.property(fc.stringMatching(/^[\x20-\x7e]*$/), (text) => {
      const xtext = encodeXtext(text)
      assert.match(xtext, /^[!-<>-~]*$/)
      assert.equal(decodeXtext(xtext), text)
    }),
  )
})

test('no parameters whatsoever yield a control character', () => {
  const words = fc.array(
    fc.record({
      keyword: fc.constantFrom('RET', 'ENVID', 'NOTIFY', 'ORCPT', 'x'),
      value: fc.option(fc.oneof(fc.string({ unit: 'binary' }), fc.stringMatching(/^(\+[0-9A-F]{2}|;|a)*$/))),
    }),
  )
  fc.assert(
    fc.property(words, (list) => {
      for (const taken of [takeMailDsn(list), takeRcptDsn(list)])
        if (taken.ok) assert.match(Object.values(taken.dsn).flatMap(texts).join(''), /^[\x20-\x7e]*$/)
    }),
  )
})

function texts(value: unknown): readonly string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : []
}
