/** Transfer encodings: what they were made for, and how they are abused. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { decodeEncodedWords } from '../../../core/content/encoded-words.ts'
import { decodeBase64, decodeQuotedPrintable } from '../../../core/content/transfer-encoding.ts'
import { uuencodedFiles } from '../../../core/content/uuencode.ts'
import { quotedPrintable } from '../../../core/mail/quoted-printable.ts'

const base64 = (text: string): string => decodeBase64(Buffer.from(text, 'latin1')).bytes.toString('latin1')
const printable = (text: string): string =>
  decodeQuotedPrintable(Buffer.from(text, 'latin1')).bytes.toString('latin1')

test('base64 gives back whatever was encoded, however its lines are broken', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.integer({ min: 1, max: 80 }), (bytes, width) => {
      const text = Buffer.from(bytes)
        .toString('base64')
        .replace(new RegExp(`.{${width}}`, 'g'), '$&\r\n')
      const decoded = decodeBase64(Buffer.from(text))
      assert.deepEqual(decoded.bytes, Buffer.from(bytes))
      assert.equal(decoded.isDamaged, false)
    }),
  )
})

test('base64 goes on behind padding, skips what is alien, and ends without padding', () => {
  assert.equal(base64('Zg==Zm9v'), 'ffoo')
  assert.equal(decodeBase64(Buffer.from('Zg==Zm9v')).isDamaged, true)
  assert.equal(base64('Z!m-9*v'), 'foo')
  assert.equal(decodeBase64(Buffer.from('Z!m9v')).isDamaged, true)
  assert.equal(base64('Zm9vYg'), 'foob')
  assert.equal(base64('Zm9vYmE'), 'fooba')
  assert.equal(base64('Zm9vY'), 'foo')
})

test('quoted-printable gives back whatever was encoded', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const { bytes: decoded, isDamaged } = decodeQuotedPrintable(Buffer.from(quotedPrintable(bytes)))
      assert.deepEqual(decoded, Buffer.from(bytes))
      assert.equal(isDamaged, false)
    }),
  )
})

test('quoted-printable: soft breaks with blanks, blanks at line ends, small letters, and what is none', () => {
  assert.equal(printable('a=  \r\nb'), 'ab')
  assert.equal(printable('a=\nb'), 'ab')
  assert.equal(printable('a \t\r\nb'), 'a\r\nb')
  assert.equal(printable('=c3=BC'), '\xc3\xbc')
  assert.equal(printable('1=1, 2=x'), '1=1, 2=x')
  assert.equal(decodeQuotedPrintable(Buffer.from('1=1')).isDamaged, true)
  assert.equal(printable('end='), 'end')
})

test('encoded words: of both encodings, next to each other, and none at all', () => {
  assert.equal(decodeEncodedWords('=?utf-8?q?a?= b =?utf-8?q?c?='), 'a b c')
  assert.equal(decodeEncodedWords('=?utf-8?q?a?=\r\n =?utf-8?q?b?='), 'ab')
  assert.equal(decodeEncodedWords('=?utf-8?q?a?= =?iso-8859-1?q?=FC?='), 'aü')
  assert.equal(decodeEncodedWords('=?iso-2022-jp?B?GyRCRnxLXBsoQg==?='), '日本')
  assert.equal(decodeEncodedWords('=?utf-8*en?q?a_b?='), 'a b')
  assert.equal(decodeEncodedWords('a =?b?= c'), 'a =?b?= c')
})

test('uuencode: several files, one that is cut off, and text that only looks like one', () => {
  const file = 'begin 644 cat.txt\n#0V%T\n`\nend\n'
  const files = uuencodedFiles(Buffer.from(`${file}text\n${file}begin 755 cut.txt\n#0V%T\n`), 10)
  assert.deepEqual(
    files.map(({ name, bytes, isDamaged }) => [name, bytes.toString(), isDamaged]),
    [
      ['cat.txt', 'Cat', false],
      ['cat.txt', 'Cat', false],
      ['cut.txt', 'Cat', true],
    ],
  )
  assert.deepEqual(uuencodedFiles(Buffer.from('begin the day\nbegin 12 x\n'), 10), [])
  assert.equal(uuencodedFiles(Buffer.from(file.repeat(20)), 5).length, 5)
})
