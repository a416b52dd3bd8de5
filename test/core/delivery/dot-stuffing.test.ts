import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DotStuffing } from '../../../core/delivery/dot-stuffing.ts'

/** What is sent of `content`, by the definition: octet by octet. */
function sentBy(content: string): string {
  let out = ''
  let before = '\n'
  for (const octet of content.replaceAll('\0', ' ')) {
    if (before === '\r' && octet !== '\n') out += octet === '.' ? '\n.' : '\n'
    else if (octet === '\n' && before !== '\r') out += '\r'
    else if (octet === '.' && before === '\n') out += '.'
    out += octet
    before = octet
  }
  return out
}

function stuffed(pieces: readonly string[]): string {
  const stuffing = new DotStuffing()
  return pieces.map((piece) => stuffing.take(Buffer.from(piece, 'latin1')).toString('latin1')).join('')
}

const ROWS: readonly (readonly [string, readonly string[], string])[] = [
  [
    'a line that begins with a dot gets another (RFC 5321 §4.5.2)',
    ['.a\r\n.\r\nb.\r\n'],
    '..a\r\n..\r\nb.\r\n',
  ],
  ['so does one whose dot begins a piece', ['a\r\n', '.b\r\n'], 'a\r\n..b\r\n'],
  ['a line end may lie in two pieces', ['a\r', '\n.b\r\n'], 'a\r\n..b\r\n'],
  ['a bare CR and a bare LF become line ends', ['a\rb\nc\n.\r\n'], 'a\r\nb\r\nc\r\n..\r\n'],
  ['NUL becomes a space, and hides no dot', ['\r\n\0.\r\n.', '\0\r\n'], '\r\n .\r\n.. \r\n'],
  ['a dot behind a bare CR ends nothing', ['a\r', '.\r\n'], 'a\r\n..\r\n'],
]

for (const [name, pieces, sent] of ROWS) test(name, () => assert.equal(stuffed(pieces), sent))

test('what is sent does not depend on how the content is cut', () => {
  const octets = fc.array(fc.constantFrom('\r', '\n', '\0', '.', 'a', 'é'), { maxLength: 12 })
  fc.assert(
    fc.property(fc.array(octets, { maxLength: 5 }), (cut) => {
      const pieces = cut.map((piece) => piece.join(''))
      assert.equal(stuffed(pieces), sentBy(pieces.join('')))
    }),
    { numRuns: 2_000 },
  )
})

test('content that is ready is not copied', () => {
  const piece = Buffer.from('a.\r\nb\r\n')
  assert.equal(new DotStuffing().take(piece), piece)
})
