/** The tree of parts: messages as they should be, and as they are. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { lines, PROGRAM, partAt, partsOf, treeOf } from './message-stand.ts'

const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures', 'mime')
const CORPORA = process.env['POSTERN_CORPORA'] ?? '/nowhere'

function multipart(...parts: readonly string[]): string {
  const inside = parts.flatMap((part) => ['--b', part])
  return lines('Content-Type: multipart/mixed; boundary=b', '', 'preamble', ...inside, '--b--', 'epilogue')
}

test('a message without a word about its content is plain text', () => {
  const { sizeBytes, parts, flags } = partsOf(lines('Subject: x', '', 'hello'))
  assert.equal(sizeBytes, 21)
  assert.deepEqual(flags, [])
  assert.deepEqual(parts, [
    {
      path: '1',
      type: 'text/plain',
      parameters: {},
      detected: null,
      fileName: null,
      rawFileName: null,
      disposition: null,
      charset: null,
      encoding: '7bit',
      sizeBytes: 7,
      sha256: createHash('sha256').update('hello\r\n').digest('hex'),
      entries: [],
      entryCount: 0,
      flags: [],
    },
  ])
})

test('an attachment has type, name, size and hash of what it decodes to', () => {
  const file = ['Content-Type: Image/PNG; name=x.png', 'Content-Disposition: Attachment; filename="x.png"']
  const part = partAt(
    multipart(
      '\r\ntext',
      [...file, 'Content-Transfer-Encoding: BASE64', '', PROGRAM.toString('base64')].join('\r\n'),
    ),
    '1.2',
  )
  assert.equal(part.type, 'image/png')
  assert.equal(part.detected, 'pe')
  assert.equal(part.fileName, 'x.png')
  assert.equal(part.disposition, 'attachment')
  assert.equal(part.encoding, 'base64')
  assert.equal(part.sizeBytes, PROGRAM.length)
  assert.equal(part.sha256, createHash('sha256').update(PROGRAM).digest('hex'))
})

/** Trees of CPython's collection, written down by hand from the messages. */
const trees: Readonly<Record<string, readonly string[]>> = {
  msg_01: ['1 text/plain'],
  msg_06: ['1 message/rfc822', '1.1 text/plain'],
  msg_13: [
    '1 multipart/mixed',
    '1.1 text/plain',
    '1.2 multipart/mixed',
    '1.2.1 text/plain',
    '1.2.2 image/gif',
  ],
  msg_16: [
    '1 multipart/report',
    '1.1 text/plain',
    '1.2 message/delivery-status',
    '1.3 message/rfc822',
    '1.3.1 text/plain',
  ],
  msg_28: [
    '1 multipart/digest',
    '1.1 message/rfc822',
    '1.1.1 text/plain',
    '1.2 message/rfc822',
    '1.2.1 text/plain',
  ],
  // Both multiparts have the same boundary.
  msg_15: [
    '1 multipart/mixed',
    '1.1 multipart/alternative',
    '1.1.1 text/plain',
    '1.1.2 text/html',
    '1.2 image/gif',
  ],
  // The delimiters inside end without one of their own.
  msg_38: [
    '1 multipart/mixed',
    '1.1 multipart/mixed',
    '1.1.1 multipart/alternative',
    '1.1.1.1 text/plain',
    '1.1.2 text/plain',
    '1.2 text/plain',
    '1.3 text/plain',
  ],
}

for (const [name, tree] of Object.entries(trees))
  test(`the tree of ${name}`, () => {
    assert.deepEqual(treeOf(readFileSync(join(FIXTURES, `${name}.txt`))), tree)
  })

test('every message of the collection has a first part, and its leaves are all there', () => {
  const files = globSync('*.txt', { cwd: FIXTURES })
  assert.ok(files.length >= 47)
  for (const file of files) {
    const bytes = readFileSync(join(FIXTURES, file))
    const { parts } = partsOf(bytes)
    assert.equal(parts[0]?.path, '1', file)
    for (const part of parts) assert.ok(part.sizeBytes <= bytes.length, `${file} ${part.path}`)
  }
})

test('the messages of MIME-tools have the files their authors list', {
  skip: existsSync(join(CORPORA, 'mime', 'mime-tools')) ? false : 'POSTERN_CORPORA names no such folder',
}, () => {
  const folder = join(CORPORA, 'mime', 'mime-tools')
  const expected: Readonly<Record<string, readonly (string | null)[]>> = {
    'dup-names.msg': ['one.gif', 'one.gif', 'two.nice.gif', 'two.nice.gif', 'two.nice.gif'],
    'attachment-filename-encoding-UTF8.msg': ['attachment.äöü'],
    'attachment-filename-encoding-Latin1.msg': ['attachment.äöü'],
    'uu-junk.msg': ['up.gif', 'zeegee.gif'],
    'russian.msg': ['Список.doc'],
    'malformed-content-type-zip.msg': ['payroll_report_429047_10092013.zip'],
  }
  for (const [file, names] of Object.entries(expected)) {
    const { parts } = partsOf(readFileSync(join(folder, file)))
    assert.deepEqual(
      parts.map(({ fileName }) => fileName).filter((name) => name !== null),
      names,
      file,
    )
  }
})

test('what makes readers disagree is flagged', () => {
  const flagsAt = (message: string, path: string): readonly string[] => partAt(message, path).flags
  const twice = lines('Content-Type: text/plain', 'Content-Type: text/html', '', 'x')
  assert.deepEqual(flagsAt(twice, '1'), ['field-repeated'])
  assert.equal(partAt(twice, '1').type, 'text/plain')
  assert.deepEqual(flagsAt(lines('Content-Type: multipart/mixed', '', 'x'), '1'), ['no-boundary'])
  assert.deepEqual(flagsAt(lines('Content-Type: multipart/mixed; boundary=b', '', '--b', '', 'x'), '1'), [
    'unclosed',
  ])
  const names = lines(
    'Content-Type: text/plain; name=a.txt',
    'Content-Disposition: inline; filename=b.exe',
    '',
    'x',
  )
  assert.deepEqual(flagsAt(names, '1'), ['names-differ'])
  assert.equal(partAt(names, '1').fileName, 'b.exe')
  const unknown = lines(
    'Content-Transfer-Encoding: x-rot13',
    'Content-Type: text/plain; charset=klingon',
    '',
    'x',
  )
  assert.deepEqual(flagsAt(unknown, '1'), ['encoding-unknown', 'charset-unknown'])
  assert.deepEqual(flagsAt(lines('Content-Type: text/plain; name=a; name=b', '', 'x'), '1'), [
    'parameter-repeated',
  ])
  assert.deepEqual(flagsAt(`Content-Type: text/html\r\nX: ${'x'.repeat(70_000)}\r\n\r\nx`, '1'), [
    'header-limit',
  ])
})

test('a part behind the end of its multipart is a part', () => {
  const message = `${multipart('\r\nseen')}${lines('--b', 'Content-Type: text/html', '', 'hidden', '--b--')}`
  assert.deepEqual(treeOf(message), ['1 multipart/mixed', '1.1 text/plain', '1.2 text/html'])
  assert.deepEqual(partAt(message, '1.2').flags, ['behind-end'])
})

test('a part without an empty line behind its header ends at the delimiter', () => {
  const message = lines(
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    'Content-Type: text/html',
    '--b',
    '',
    'x',
    '--b--',
  )
  assert.deepEqual(treeOf(message), ['1 multipart/mixed', '1.1 text/html', '1.2 text/plain'])
})

test('lines that end in LF alone have parts too', () => {
  assert.deepEqual(treeOf(multipart('\r\na', '\r\nb').replaceAll('\r', '')), [
    '1 multipart/mixed',
    '1.1 text/plain',
    '1.2 text/plain',
  ])
})

test('a message and a multipart inside an encoding are opened', () => {
  const inner = multipart(`Content-Type: application/zip; name=a.zip\r\n\r\nx`)
  const message = lines('Content-Type: message/rfc822', 'Content-Transfer-Encoding: base64', '')
  assert.deepEqual(treeOf(message + Buffer.from(inner).toString('base64')), [
    '1 message/rfc822',
    '1.1 multipart/mixed',
    '1.1.1 application/zip',
  ])
  const body = Buffer.from(lines('--b', 'Content-Type: text/html', '', 'x', '--b--')).toString('base64')
  const encoded = lines(
    'Content-Type: multipart/mixed; boundary=b',
    'Content-Transfer-Encoding: base64',
    '',
    body,
  )
  assert.deepEqual(treeOf(encoded), ['1 multipart/mixed', '1.1 text/html'])
  assert.deepEqual(partAt(encoded, '1').flags, ['encoded-multipart', 'unclosed'])
})

test('a file in plain text is a part of it', () => {
  const coded = ['begin 644 evil.exe', '#0V%T', '`', 'end']
  const message = lines('Subject: x', '', 'look at this', ...coded, 'bye')
  const part = partAt(message, '1.1')
  assert.equal(part.fileName, 'evil.exe')
  assert.equal(part.encoding, 'uuencode')
  assert.equal(part.sizeBytes, 3)
  assert.equal(part.sha256, createHash('sha256').update('Cat').digest('hex'))
  assert.deepEqual(treeOf(lines('Subject: x', '', 'begin 1 now', 'and go on')), ['1 text/plain'])
})
