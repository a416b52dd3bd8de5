import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { CommandLines } from '../../../core/smtp/command-lines.ts'

/** Lines as they come out of `text` in pieces that end at `cuts`, and what was wrong in the end. */
function read(text: string, cuts: readonly number[]): readonly string[] {
  const lines = new CommandLines()
  const out: string[] = []
  let from = 0
  for (const cut of [...cuts, text.length]) {
    if (cut <= from) continue
    lines.add(Buffer.from(text.slice(from, cut), 'latin1'))
    from = cut
    for (let line = lines.next(); line !== null; line = lines.next()) {
      if (typeof line === 'string') return [...out, `! ${line}`]
      out.push(line.toString('latin1'))
    }
  }
  assert.equal(lines.byteLength, text.length - (text.lastIndexOf('\n') + 1))
  return out
}

/** RFC 5321 §2.3.8, one line after the other. */
function expected(text: string): readonly string[] {
  const out: string[] = []
  for (const line of text.split('\n').slice(0, -1)) {
    if (!line.endsWith('\r')) return [...out, '! bare-line-feed']
    const bare = line.slice(0, -1)
    if (/[\r\0]/.test(bare)) return [...out, '! control-character']
    out.push(bare)
  }
  return out
}

test('lines end at CRLF alone, however they are cut', () => {
  const part = fc.constantFrom('\r\n', '\r\n', 'NOOP', '\r', '\n', '\0', 'a', 'MAIL FROM:<>\r\n')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 12 }), fc.array(fc.nat(60), { maxLength: 6 }), (parts, cuts) => {
      const text = parts.join('')
      const sorted = cuts.toSorted((a, b) => a - b).filter((cut) => cut < text.length)
      assert.deepEqual(read(text, sorted), expected(text))
    }),
    { numRuns: 2_000 },
  )
})

test('a line without end is given up where no line may be longer', () => {
  const lines = new CommandLines()
  for (let bytes = 0; bytes <= 12_288; bytes += 1_024) lines.add(Buffer.alloc(1_024, 'x'))
  assert.equal(lines.next(), 'line-too-long')
})

test('a line is a view of the piece it came in', () => {
  const lines = new CommandLines()
  const piece = Buffer.from('NOOP\r\nRSET\r\n')
  lines.add(piece)
  const [first, second] = [lines.next(), lines.next()]
  assert.ok(first instanceof Buffer && first.buffer === piece.buffer)
  assert.ok(second instanceof Buffer && second.toString() === 'RSET' && second.buffer === piece.buffer)
  assert.equal(lines.next(), null)
})
