/** Whatever a stranger writes: an answer of bounded size, in bounded time. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { searchMessage } from '../../../core/content/literal-search.ts'
import type { MessageParts } from '../../../core/mail/message-parts.ts'
import { attached, lines, PROGRAM, partsOf } from './message-stand.ts'
import { makeTar, makeZip } from './zip-maker.ts'

/** Far above what any of these takes, far below what something quadratic would. */
const LONG_MS = 15_000
const RUNS = 300
const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures', 'mime')

function bounded(message: Buffer | string): MessageParts {
  const startedAt = performance.now()
  const answer = partsOf(message)
  const tookMs = performance.now() - startedAt
  assert.ok(tookMs < LONG_MS, `${tookMs} ms`)
  assert.ok(Buffer.byteLength(JSON.stringify(answer)) <= 256 * 1024)
  assert.ok(answer.parts.length >= 1 && answer.parts.length <= 1000)
  return answer
}

/** Pieces messages are made of, in any order. */
const piece = fc.constantFrom(
  '\r\n',
  '\n',
  '--b',
  '--b--',
  '--',
  'Content-Type: multipart/mixed; boundary=b\r\n',
  'Content-Type: multipart/digest; boundary="b"\r\n',
  'Content-Type: message/rfc822\r\n',
  "Content-Type: text/plain; name*0*=utf-8''%e2; name*1=x\r\n",
  'Content-Disposition: attachment; filename="=?utf-8?B?',
  'Content-Transfer-Encoding: base64\r\n',
  'Content-Transfer-Encoding: quoted-printable\r\n',
  'begin 644 x\r\n',
  '#0V%T\r\n',
  'end\r\n',
  'PK\x03\x04',
  'UEsDBBQ=',
  '=?utf-8?q?',
  '\xff',
)

test('any octets', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      bounded(Buffer.from(bytes))
    }),
    { numRuns: RUNS },
  )
})

test('any order of the pieces messages are made of', () => {
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 60 }), (pieces) => {
      bounded(pieces.join(''))
    }),
    { numRuns: RUNS },
  )
})

test('any octets in an archive, and any archive with octets changed', () => {
  const archives = [
    makeZip([
      { name: 'a.txt', content: Buffer.from('text') },
      { name: 'b.exe', content: PROGRAM },
    ]),
    makeTar([{ name: 'a.txt', content: PROGRAM }]),
  ]
  const change = fc.tuple(fc.nat(3000), fc.integer({ min: 0, max: 255 }))
  fc.assert(
    fc.property(
      fc.constantFrom(...archives),
      fc.array(change, { maxLength: 8 }),
      fc.nat(3000),
      (archive, changes, end) => {
        const changed = Buffer.from(archive)
        for (const [at, octet] of changes) changed[at % changed.length] = octet
        bounded(attached(changed))
        bounded(attached(changed.subarray(0, end)))
      },
    ),
    { numRuns: RUNS },
  )
})

test('messages kept as files inside one another without end', () => {
  let message: Buffer = Buffer.from('X: y\r\n\r\nx')
  for (let depth = 0; depth < 12; depth++) message = attached(message, 'inner.eml')
  const { parts } = bounded(message)
  assert.ok(parts[0]?.entries.some(({ flags }) => flags.includes('depth-limit')))
  const wide = Array.from({ length: 3000 }, () => '--b\r\n\r\nx\r\n').join('')
  bounded(attached(Buffer.from(`Content-Type: multipart/mixed; boundary=b\r\n\r\n${wide}`), 'wide.eml'))
})

test('messages cut off anywhere', () => {
  for (const file of globSync('*.txt', { cwd: FIXTURES })) {
    const bytes = readFileSync(join(FIXTURES, file))
    for (let end = 0; end < bytes.length; end += Math.max(1, Math.floor(bytes.length / 25)))
      bounded(bytes.subarray(0, end))
  }
})

test('parts inside parts without end', () => {
  const message = Array.from({ length: 5000 }, (_, depth) =>
    lines(`Content-Type: multipart/mixed; boundary=b${depth}`, '', `--b${depth}`),
  )
  const { parts } = bounded(message.join(''))
  assert.ok(parts.at(-1)?.flags.includes('depth-limit'))
  assert.equal(parts.length, 51)
})

test('messages inside messages without end', () => {
  const { parts } = bounded(lines('Content-Type: message/rfc822', '').repeat(100_000))
  assert.ok(parts.at(-1)?.flags.includes('depth-limit'))
})

test('a hundred thousand delimiters', () => {
  const start = lines('Content-Type: multipart/mixed; boundary=b', '')
  const { parts, flags } = bounded(start + '--b\r\n\r\nx\r\n'.repeat(100_000))
  assert.ok(parts.length > 900)
  assert.ok(flags.includes('parts-limit'))
  const alike = bounded(start + '--a\r\n'.repeat(2_000_000))
  assert.equal(alike.parts.length, 1)
})

test('long lines, long headers, long parameters', () => {
  const long = 'x'.repeat(5_000_000)
  bounded(`Content-Type: multipart/mixed; boundary=b\r\n\r\n--${long}\r\n--b--`)
  bounded(`${long}\r\n\r\nx`)
  bounded(`Content-Type: text/plain; ${'a="b";'.repeat(10_000)}\r\n\r\nx`)
  bounded(`Content-Type: text/plain; ${'('.repeat(60_000)}\r\n\r\nx`)
  bounded(`Content-Type: text/plain; name="${'=?'.repeat(30_000)}"\r\n\r\nx`)
  bounded(`Content-Type: text/plain; name="${'=?a?q?'.repeat(10_000)}"\r\n\r\nx`)
  bounded(
    `Content-Disposition: x; ${Array.from({ length: 5000 }, (_, n) => `n*${n}*=%41;`).join('')}\r\n\r\nx`,
  )
  bounded(`X: y\r\n${'Content-Type: text/plain\r\n'.repeat(100_000)}\r\nx`)
  bounded(`Content-Transfer-Encoding: quoted-printable\r\n\r\n${'= '.repeat(2_000_000)}`)
  bounded(`Content-Transfer-Encoding: quoted-printable\r\n\r\n=${' '.repeat(4_000_000)}x`)
  bounded(`X: y\r\n\r\n${'begin 644 x\n'.repeat(200_000)}`)
  bounded(`X: y\r\n\r\n${'\nbegin '.repeat(500_000)}`)
})

test('encodings inside encodings', () => {
  let message = Buffer.from(`X: y\r\n\r\n${'z'.repeat(200_000)}`)
  for (let depth = 0; depth < 30; depth++)
    message = Buffer.concat([
      Buffer.from('Content-Type: message/rfc822\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'),
      Buffer.from(message.toString('latin1').replaceAll('=', '=3D'), 'latin1'),
    ])
  const { parts } = bounded(message)
  assert.ok(parts.some(({ flags }) => flags.includes('decode-limit')))
})

test('a search among many literals that are alike', () => {
  const literals = Array.from({ length: 81 }, (_, index) => `${'a'.repeat(90)}${index}`.slice(-100))
  const message = Buffer.from(`X: y\r\n\r\n${'a'.repeat(3_000_000)}`)
  const startedAt = performance.now()
  assert.deepEqual(searchMessage(message, { literals, part: null, ignoreCase: true, raw: false }), [])
  assert.ok(performance.now() - startedAt < LONG_MS)
})
