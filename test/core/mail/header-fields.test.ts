import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  bodyOffset,
  formatField,
  isFieldName,
  isFieldValue,
  parseHeaderFields,
  withoutFields,
} from '../../../core/mail/header-fields.ts'

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const fields = (text: string): readonly (readonly [string, string])[] =>
  parseHeaderFields(bytes(text)).map(({ name, value }) => [name, value] as const)

test('the body begins behind the first empty line', () => {
  assert.equal(bodyOffset(bytes('A: 1\r\n\r\nbody')), 8)
  assert.equal(bodyOffset(bytes('\r\nbody')), 2)
  assert.equal(bodyOffset(bytes('A: 1\r\n')), 6)
  assert.equal(bodyOffset(bytes('')), 0)
})

test('fields come in order, with their folding', () => {
  assert.deepEqual(fields('A: 1\r\nB: x\r\n\ty\r\nA: 2\r\n\r\nC: body\r\n'), [
    ['A', '1'],
    ['B', 'x\r\n\ty'],
    ['A', '2'],
  ])
})

test('only one space behind the colon belongs to the syntax', () => {
  assert.deepEqual(fields('A:  two\r\nB:none\r\n\r\n'), [
    ['A', ' two'],
    ['B', 'none'],
  ])
})

test('a line without a colon is no field and does not end the header', () => {
  assert.deepEqual(fields('garbage\r\nA: 1\r\n\r\n'), [['A', '1']])
})

test('field names of the object prototype are names like any other', () => {
  assert.deepEqual(fields('__proto__: 1\r\nconstructor: 2\r\n\r\n'), [
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
})

test('removing a field takes its folded lines with it and leaves the rest as it was', () => {
  const header = bytes('A: 1\r\nX-Spam: yes,\r\n really\r\nb: \xe4\r\nx-SPAM: no\r\n\r\n')
  assert.equal(
    Buffer.from(withoutFields(header, new Set(['x-spam']))).toString('latin1'),
    'A: 1\r\nb: \xe4\r\n\r\n',
  )
})

test('removing from a header without an empty line', () => {
  assert.equal(Buffer.from(withoutFields(bytes('A: 1\r\nB: 2\r\n'), new Set(['a']))).toString(), 'B: 2\r\n')
})

test('removing nothing changes no octet of any header', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (header) => {
      assert.deepEqual(Buffer.from(withoutFields(header, new Set())), Buffer.from(header))
    }),
  )
})

test('a field name is printable US-ASCII without a colon, at most 76 of it', () => {
  assert.deepEqual(
    ['X-Spam', 'a', 'x'.repeat(76)]
      .map(isFieldName)
      .concat(['', 'a b', 'a:b', 'ä', 'a\r\nb', 'x'.repeat(77)].map(isFieldName)),
    [true, true, true, false, false, false, false, false, false],
  )
})

test('a field value is one logical line', () => {
  assert.ok(isFieldValue('yes\tand more'))
  for (const value of ['a\r\nB: c', 'a\nb', 'a\0', 'x'.repeat(900)]) assert.equal(isFieldValue(value), false)
  assert.ok(isFieldValue(`${'x'.repeat(899)} y`))
})

test('a short field is one line', () => assert.equal(formatField('A', 'b c'), 'A: b c\r\n'))

test('a long field is folded in front of words, and reads the same when unfolded', () => {
  const words = fc.array(fc.stringMatching(/^[!-~]{1,60}$/), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(words, fc.stringMatching(/^[A-Za-z-]{1,40}$/), (list, name) => {
      const field = formatField(name, list.join(' '))
      assert.equal(field.replaceAll('\r\n ', ' '), `${name}: ${list.join(' ')}\r\n`)
      for (const line of field.split('\r\n').slice(0, -1)) {
        assert.notEqual(line.trim(), '')
        assert.ok(line.length <= 78 || line.trim().split(' ').length <= 2, line)
      }
    }),
  )
})

test('text beyond US-ASCII becomes encoded words (RFC 2047)', () => {
  assert.equal(formatField('X', 'Köln'), 'X: =?utf-8?B?S8O2bG4=?=\r\n')
  const long = 'Übergrößenträger '.repeat(10)
  const field = formatField('X-Reason', long)
  const words = field.match(/=\?utf-8\?B\?[^?]*\?=/g) ?? []
  assert.ok(words.every((word) => word.length <= 75))
  const decoded = words.map((word) => Buffer.from(word.slice(10, -2), 'base64').toString()).join('')
  assert.equal(decoded, long)
})
