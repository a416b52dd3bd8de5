import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineLengths } from '../../../core/smtp/line-lengths.ts'

function isPast(...pieces: readonly string[]): boolean {
  const lengths = new LineLengths()
  return pieces.some((piece) => lengths.isPast(Buffer.from(piece, 'latin1')))
}

for (const [octets, past] of [
  [997, false],
  [998, false],
  [999, true],
  [5_000, true],
] as const)
  test(`a line of ${octets} octets is ${past ? 'too long' : 'short enough'} (RFC 5321 §4.5.3.1.6)`, () => {
    const line = `${'x'.repeat(octets)}\r\n`
    assert.equal(isPast(line), past)
    assert.equal(isPast(`Subject: x\r\n\r\n${line}${line}.\r\n`), past)
    for (const cut of [1, 500, 997, 998, 999, 1_000])
      assert.equal(isPast(`\r\n${line.slice(0, cut)}`, `${line.slice(cut)}a\r\n`), past, `cut at ${cut}`)
    assert.equal(isPast(...line.split('')), past)
  })

test('it is what a look at each line says, however it is cut', () => {
  const lines = fc.array(fc.oneof(fc.nat(3), fc.integer({ min: 996, max: 1_001 })), { maxLength: 8 })
  fc.assert(
    fc.property(lines, fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 1 }), (lengths, cuts) => {
      const text = lengths.map((length) => `${'x'.repeat(length)}\r\n`).join('')
      const pieces: string[] = []
      for (let from = 0, index = 0; from < text.length; index++) {
        const length = cuts[index % cuts.length] as number
        pieces.push(text.slice(from, from + length))
        from += length
      }
      assert.equal(
        isPast(...pieces),
        lengths.some((length) => length > 998),
      )
    }),
  )
})
