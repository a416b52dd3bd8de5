import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DataReader } from '../../../core/smtp/data-reader.ts'

/** Content and what is behind the final dot, null without one, of `wire` sent in pieces that end at `cuts`. */
function read(wire: string, cuts: readonly number[] = []): { content: string; rest: string | null } {
  const bytes = Buffer.from(wire, 'latin1')
  const reader = new DataReader()
  const ends = [...cuts.filter((cut) => cut < bytes.length), bytes.length]
  let content = ''
  let start = 0
  for (const [index, end] of ends.entries()) {
    content += reader.take(Buffer.from(bytes.subarray(start, end))).toString('latin1')
    start = end
    const { rest } = reader
    if (rest === null) continue
    const behind = ends.slice(index + 1).at(-1) ?? end
    return { content, rest: rest.toString('latin1') + bytes.subarray(end, behind).toString('latin1') }
  }
  return { content, rest: null }
}

for (const [what, wire, content, rest] of [
  ['a message', 'a\r\nb\r\n.\r\n', 'a\r\nb\r\n', ''],
  ['an empty message', '.\r\n', '', ''],
  ['an empty line', '\r\n.\r\n', '\r\n', ''],
  ['a doubled dot', '..a\r\n..\r\n...\r\n.\r\n', '.a\r\n.\r\n..\r\n', ''],
  ['a dot before text', '.a\r\n.\r\n', 'a\r\n', ''],
  ['dots within a line', 'a.\r\n.\r\n', 'a.\r\n', ''],
  ['commands behind the end', 'a\r\n.\r\nQUIT\r\n', 'a\r\n', 'QUIT\r\n'],
  ['two ends', 'a\r\n.\r\n.\r\n', 'a\r\n', '.\r\n'],
  ['a dot behind a bare LF', 'a\n.\n..b\r\n.\r\n', 'a\n.\n..b\r\n', ''],
  ['a dot behind a bare CR', 'a\r.\r\nb\r\n.\r\n', 'a\r.\r\nb\r\n', ''],
  ['a dot and a bare LF', 'a\r\n.\nb\r\n.\r\n', 'a\r\n\nb\r\n', ''],
  ['a dot and a bare CR', 'a\r\n.\rb\r\n.\r\n', 'a\r\n\rb\r\n', ''],
  ['a dot and NUL', 'a\r\n.\0\r\n.\r\n', 'a\r\n\0\r\n', ''],
  ['a dot, a space and a line end', 'a\r\n. \r\n.\r\n', 'a\r\n \r\n', ''],
] as const) {
  test(`${what} is read alike however it is cut`, () => {
    assert.deepEqual(read(wire), { content, rest })
    for (let first = 0; first <= wire.length; first++)
      for (let second = first; second <= wire.length; second++)
        assert.deepEqual(read(wire, [first, second]), { content, rest }, `cut at ${first} and ${second}`)
    assert.deepEqual(
      read(
        wire,
        Array.from({ length: wire.length }, (_, index) => index),
      ),
      { content, rest },
    )
  })
}

/** RFC 5321 §4.5.2 word for word, one line after the other. */
function expected(wire: string): { content: string; rest: string | null } {
  let content = ''
  let from = 0
  while (true) {
    if (wire.startsWith('.\r\n', from)) return { content, rest: wire.slice(from + 3) }
    const end = wire.indexOf('\r\n', from)
    if (end < 0) return { content: '', rest: null }
    const line = wire.slice(from, end + 2)
    content += line.startsWith('.') ? line.slice(1) : line
    from = end + 2
  }
}

test('any octets cut anywhere are read as RFC 5321 says, line by line', () => {
  const piece = fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.', '\r\n.\r\n', 'a', '\0')
  const wire = fc.array(piece, { maxLength: 30 }).map((pieces) => `${pieces.join('')}\r\n.\r\n`)
  const cuts = fc.array(fc.nat(60), { maxLength: 5 }).map((list) => list.toSorted((a, b) => a - b))
  fc.assert(
    fc.property(wire, cuts, (text, list) => assert.deepEqual(read(text, list), expected(text))),
    { numRuns: 2_000 },
  )
})

test('lines that are all dots cost no more than a few times plain text', () => {
  const wire = Buffer.from('..\r\n'.repeat(262_144))
  const reader = new DataReader()
  const start = performance.now()
  let octets = 0
  for (let at = 0; at < wire.length; at += 65_536)
    octets += reader.take(wire.subarray(at, at + 65_536)).length
  assert.ok(octets >= 786_430)
  assert.ok(performance.now() - start < 2_000, `${performance.now() - start} ms for a megabyte`)
})
