import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ContentCheck, type Malformed } from '../../../core/smtp/content-check.ts'

function check(...pieces: readonly string[]): Malformed | null {
  const content = new ContentCheck()
  for (const piece of pieces) {
    const malformed = content.take(Buffer.from(piece, 'latin1'))
    if (malformed !== null) return malformed
  }
  return null
}

for (const [content, verdict] of [
  ['a\r\nb\r\n', null],
  ['', null],
  ['\r\n\r\n', null],
  ['a\nb\r\n', 'bare-lf'],
  ['\n', 'bare-lf'],
  ['a\r\n\nb', 'bare-lf'],
  ['a\rb\r\n', 'bare-cr'],
  ['a\r\r\n', 'bare-cr'],
  ['a\0b\r\n', 'nul'],
  ['\xff\xfe\x80\r\n', null],
] as const) {
  test(`${JSON.stringify(content)} is ${verdict ?? 'well-formed'} (RFC 5321 §2.3.8), however it is cut`, () => {
    assert.equal(check(content), verdict)
    for (let cut = 0; cut <= content.length; cut++)
      assert.equal(check(content.slice(0, cut), content.slice(cut)), verdict, `cut at ${cut}`)
    assert.equal(check(...content.split('')), verdict)
  })
}

test('what is wrong is found wherever it is cut', () => {
  const text = fc.array(fc.constantFrom('\r', '\n', '\r\n', 'a', '\0'), { maxLength: 20 })
  fc.assert(
    fc.property(text, fc.nat(40), (parts, cut) => {
      const content = parts.join('')
      const isWrong = /\r(?!\n)|(?<!\r)\n|\0/.test(`${content}\r\n`.replace(/\r\r\n$/, '\r\n'))
      assert.equal(
        check(content.slice(0, cut), content.slice(cut), content.endsWith('\r') ? '\n' : '') !== null,
        isWrong,
      )
    }),
  )
})
