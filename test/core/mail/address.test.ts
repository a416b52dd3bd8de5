import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { domainOf, formatAddress, parseMailbox, parsePath, whyNotDomain } from '../../../core/mail/address.ts'

const label = (length: number): string => 'a'.repeat(length)

for (const [what, text] of [
  ['a plain mailbox', 'user@example.test'],
  ['dots in the local part', 'first.last@example.test'],
  ['every character of an atom', "!#$%&'*+-/=?^_`{|}~@example.test"],
  ['a space in a quoted local part', '"a b"@example.test'],
  ['an at sign in a quoted local part', '"a@b"@example.test'],
  ['an angle bracket in a quoted local part', '"a>b"@example.test'],
  ['a quoted quote', '"a\\"b"@example.test'],
  ['an empty quoted local part', '""@example.test'],
  ['an IPv4 literal', 'user@[192.0.2.1]'],
  ['an IPv6 literal', 'user@[IPv6:2001:db8::1]'],
  ['an IPv6 literal that ends in IPv4', 'user@[IPv6:::ffff:192.0.2.1]'],
  ['a domain of one label', 'user@localhost'],
  ['a local part of 64 octets', `${label(64)}@example.test`],
  ['a label of 63 octets', `user@${label(63)}.test`],
] as const) {
  test(`${what} is an address`, () => {
    const parsed = parsePath(`<${text}>`)
    assert.ok(parsed.ok)
    assert.equal(formatAddress(parsed.address), text.replace('IPv6', 'ipv6'))
  })
}

for (const [what, text, meant] of [
  ['a local part in Greek', 'χρήστης@example.test', 'χρήστης@example.test'],
  ['a quoted local part in Greek', '"χρήστης α"@example.test', '"χρήστης α"@example.test'],
  ['a local part with an emoji', '🦉@example.test', '🦉@example.test'],
  ['a domain in U-labels', 'user@παράδειγμα.test', 'user@xn--hxajbheg2az3al.test'],
  ['a domain in capitals', 'user@BÜCHER.test', 'user@xn--bcher-kva.test'],
  ['a local part of 64 octets', `${'ä'.repeat(32)}@example.test`, `${'ä'.repeat(32)}@example.test`],
] as const) {
  test(`${what} is an address beyond US-ASCII (RFC 6531 §3.3)`, () => {
    const parsed = parsePath(`<${text}>`)
    assert.ok(parsed.ok)
    assert.equal(formatAddress(parsed.address), meant)
    assert.equal(typeof parseMailbox(text), 'string', 'and none where US-ASCII is asked for')
  })
}

for (const [what, text] of [
  ['a control character of Latin-1', 'a\u0085b@example.test'],
  ['a control character in quotes', '"a\u0085b"@example.test'],
  ['a space that is not that of US-ASCII', 'a\u00a0b@example.test'],
  ['a line separator', 'a\u2028b@example.test'],
  ['half a surrogate pair', 'a\ud800b@example.test'],
  ['a local part of 65 octets in 33 characters', `a${'ä'.repeat(32)}@example.test`],
  ['a full stop of another script', 'user@example。test'],
  ['wide letters', 'user@ｅxample.test'],
  ['a soft hyphen', 'user@exam\u00adple.test'],
  ['a label that begins with a combining mark', 'user@\u0300a.test'],
] as const) {
  test(`${what} makes no address beyond US-ASCII`, () => assert.equal(parsePath(`<${text}>`).ok, false))
}

for (const [what, text] of [
  ['no domain', 'user'],
  ['no local part', '@'],
  ['an empty domain', 'user@'],
  ['a dot at the start', '.user@example.test'],
  ['a dot at the end', 'user.@example.test'],
  ['two dots in a row', 'a..b@example.test'],
  ['a space outside quotes', 'a b@example.test'],
  ['a control character', 'a\x07@example.test'],
  ['a control character behind a backslash', '"a\\\x07"@example.test'],
  ['a tab in quotes', '"a\tb"@example.test'],
  ['an open quote', '"a@example.test'],
  ['text behind the quoted string', '"a"b@example.test'],
  ['a hyphen at the start of a label', 'user@-example.test'],
  ['a hyphen at the end of a label', 'user@example-.test'],
  ['an underscore in the domain', 'user@ex_ample.test'],
  ['an octet above 255 in a literal', 'user@[192.0.2.256]'],
  ['too few groups in a literal', 'user@[IPv6:1:2:3]'],
  ['a local part of 65 octets', `${label(65)}@example.test`],
  ['a label of 64 octets', `user@${label(64)}.test`],
] as const) {
  test(`${what} makes no address`, () => assert.equal(parsePath(`<${text}>`).ok, false))
}

test('a path of 256 octets is the longest (RFC 5321 §4.5.3.1.3)', () => {
  const domain = `${label(63)}.${label(63)}.${label(63)}`
  const path = (octets: number): string => `<${label(octets - domain.length - 3)}@${domain}>`
  assert.equal(path(256).length, 256)
  assert.ok(parsePath(path(256)).ok)
  assert.equal(parsePath(path(257)).ok, false)
})

test('the null reverse-path is no address and no error (RFC 5321 §4.5.5)', () => {
  assert.deepEqual(parsePath('<>'), { ok: true, address: null, rest: '' })
  assert.equal(formatAddress(null), '')
})

test('a source route is accepted and dropped (RFC 5321 Appendix C)', () => {
  const parsed = parsePath('<@relay.example,@other.example:user@example.test>')
  assert.ok(parsed.ok)
  assert.deepEqual(parsed.address, { localPart: 'user', domain: 'example.test' })
})

for (const route of ['<@:user@example.test>', '<@relay.example user@example.test>', '<relay@x,@y:user@z>'])
  test(`${route} has no well-formed source route`, () => assert.equal(parsePath(route).ok, false))

test('Postmaster needs no domain, in any case (RFC 5321 §4.5.1)', () => {
  for (const name of ['postmaster', 'Postmaster', 'POSTMASTER']) {
    const parsed = parsePath(`<${name}>`)
    assert.ok(parsed.ok)
    assert.deepEqual(parsed.address, { localPart: name, domain: '' })
  }
})

test('what stands behind a path is handed back, and must be set off by a space', () => {
  const parsed = parsePath('<user@example.test> SIZE=10')
  assert.ok(parsed.ok)
  assert.equal(parsed.rest, ' SIZE=10')
  assert.equal(parsePath('<user@example.test>SIZE=10').ok, false)
})

test('the domain is lower-cased, the local part is left alone', () => {
  assert.deepEqual(parseMailbox('User@Example.TEST'), { localPart: 'User', domain: 'example.test' })
})

test('the domain of an address is what stands behind its last at sign', () => {
  assert.equal(domainOf('"a@b"@example.test'), 'example.test')
  assert.equal(domainOf('postmaster'), '')
})

test('a domain of 255 octets is the longest', () => {
  const name = `${label(63)}.${label(63)}.${label(63)}.${label(61)}.ab`
  assert.equal(whyNotDomain(name.slice(0, 255)), null)
  assert.match(whyNotDomain(`${name}c`) ?? '', /255/)
})

test('whatever is parsed is written as it was, but for the case of the domain', () => {
  const local = fc.stringMatching(/^[a-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}$/)
  const domain = fc.stringMatching(/^[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{2,5})?$/)
  fc.assert(
    fc.property(local, domain, (localPart, name) => {
      const parsed = parseMailbox(`${localPart}@${name}`)
      assert.notEqual(typeof parsed, 'string')
      assert.equal(formatAddress(parsed as Exclude<typeof parsed, string>), `${localPart}@${name}`)
    }),
  )
})

test('no text at all makes the parser throw or let a control character through', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary-ascii', maxLength: 60 }), (text) => {
      const parsed = parsePath(`<${text}>`)
      // oxlint-disable-next-line no-control-regex
      if (parsed.ok) assert.doesNotMatch(formatAddress(parsed.address), /[\x00-\x1f\x7f]/)
    }),
  )
})

/** Diagnoses of the isemail suite that are addresses in SMTP. The rest of RFC 5322's syntax is none here. */
const VALID: ReadonlySet<string> = new Set([
  'valid',
  'dnsWarnNoRecord',
  'dnsWarnNoMXRecord',
  'rfc5321TLD',
  'rfc5321TLDNumeric',
  'rfc5321QuotedString',
  'rfc5321AddressLiteral',
  // One group behind `::`: RFC 4291 has it, RFC 5321 §4.1.3 wants two. Taken.
  'deprecatedIPv6',
])

const suite = JSON.parse(
  readFileSync(new URL('../../fixtures/addresses/isemail.json', import.meta.url), 'utf8'),
) as readonly (readonly [address: string, diagnosis: string])[]

for (const [address, diagnosis] of suite) {
  test(`isemail: ${JSON.stringify(address).slice(0, 70)} is ${diagnosis}`, () => {
    assert.equal(parsePath(`<${address}>`).ok, VALID.has(diagnosis))
  })
}
