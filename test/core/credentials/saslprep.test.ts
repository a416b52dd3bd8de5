import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  MAX_NAME_OCTETS,
  MAX_PASSWORD_OCTETS,
  prepareName,
  preparePassword,
} from '../../../core/credentials/saslprep.ts'

const TYPED = 'has a character that cannot be typed'

const passwords: readonly (readonly [string, string | { readonly no: string }])[] = [
  ['user', 'user'],
  ['USER', 'USER'],
  // RFC 4013 §3, the examples.
  ['I\u00adX', 'IX'],
  ['\u00aa', 'a'],
  ['\u2168', 'IX'],
  ['\u0007', { no: `the password ${TYPED}` }],
  ['a b', 'a b'],
  ['a\u00a0b', 'a b'],
  ['a\u3000b', 'a b'],
  ['Ko\u0308ln', 'Köln'],
  ['\ud83d\udc1f', '🐟'],
  ['', { no: 'the password is empty' }],
  ['\u00ad\u200b', { no: 'the password is empty' }],
  ['a\0b', { no: `the password ${TYPED}` }],
  ['a\r\nb', { no: `the password ${TYPED}` }],
  ['a\tb', { no: `the password ${TYPED}` }],
  ['a\u0085', { no: `the password ${TYPED}` }],
  ['a\u2028', { no: `the password ${TYPED}` }],
  ['a\u202eb', { no: `the password ${TYPED}` }],
  ['a\ue000', { no: `the password ${TYPED}` }],
  ['a\ud800', { no: `the password ${TYPED}` }],
  ['a\ufffd', { no: `the password ${TYPED}` }],
  ['a\uffff', { no: `the password ${TYPED}` }],
  ['x'.repeat(MAX_PASSWORD_OCTETS - 1), 'x'.repeat(1023)],
  ['x'.repeat(MAX_PASSWORD_OCTETS), 'x'.repeat(1024)],
  ['x'.repeat(MAX_PASSWORD_OCTETS + 1), { no: 'the password is longer than 1024 octets' }],
  ['ä'.repeat(513), { no: 'the password is longer than 1024 octets' }],
  ['x'.repeat(10_000_000), { no: 'the password is longer than 1024 octets' }],
]

for (const [text, expected] of passwords)
  test(`password ${JSON.stringify(text.slice(0, 20))} of ${text.length} (RFC 4013)`, () => {
    const prepared = preparePassword(text)
    assert.deepEqual(prepared.ok ? prepared.text : { no: prepared.reason }, expected)
  })

const names: readonly (readonly [string, string | { readonly no: string }])[] = [
  ['bob@example.org', 'bob@example.org'],
  ['__proto__', '__proto__'],
  ['Bo\u0308b', 'Böb'],
  ['a b', { no: 'a name has no space and no colon' }],
  ['a\u2003b', { no: 'a name has no space and no colon' }],
  ['a:b', { no: 'a name has no space and no colon' }],
  ['a\uff1ab', { no: 'a name has no space and no colon' }],
  ['#a', { no: 'a name does not begin with #' }],
  ['\u200b#a', { no: 'a name does not begin with #' }],
  ['a#', 'a#'],
  ['a\nb', { no: `the name ${TYPED}` }],
  ['x'.repeat(MAX_NAME_OCTETS), 'x'.repeat(255)],
  ['x'.repeat(MAX_NAME_OCTETS + 1), { no: 'the name is longer than 255 octets' }],
]

for (const [text, expected] of names)
  test(`name ${JSON.stringify(text.slice(0, 20))} of ${text.length}`, () => {
    const prepared = prepareName(text)
    assert.deepEqual(prepared.ok ? prepared.text : { no: prepared.reason }, expected)
  })

test('what was prepared is prepared: once more changes nothing', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      for (const prepare of [prepareName, preparePassword]) {
        const once = prepare(text)
        if (once.ok) assert.deepEqual(prepare(once.text), once)
      }
    }),
    { numRuns: 2_000 },
  )
})
