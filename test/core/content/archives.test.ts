/** Archives: what is listed, what is flagged, and what a bomb may cost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync, gzipSync } from 'node:zlib'
import type { ArchiveEntry, MessagePart } from '../../../core/mail/message-parts.ts'
import { attached, PROGRAM, partAt, partsOf } from './message-stand.ts'
import { makeTar, makeZip } from './zip-maker.ts'

const TEXT = Buffer.from('a line of text\r\n'.repeat(20))

function archive(bytes: Buffer): MessagePart {
  return partAt(attached(bytes), '1')
}

function entryNamed(part: MessagePart, name: string): ArchiveEntry {
  const found = part.entries.find((entry) => entry.name === name)
  assert.ok(found, `no entry ${name} in ${part.entries.map((entry) => entry.name).join()}`)
  return found
}

test('a zip lists its files with sizes and types', () => {
  const part = archive(
    makeZip([
      { name: 'read me.txt', content: TEXT },
      { name: 'ünder/setup.exe', content: PROGRAM, isStored: true },
    ]),
  )
  assert.equal(part.detected, 'zip')
  assert.equal(part.entryCount, 2)
  assert.deepEqual(part.flags, [])
  assert.deepEqual(part.entries, [
    {
      name: 'read me.txt',
      within: '',
      sizeBytes: TEXT.length,
      compressedBytes: deflateRawSync(TEXT).length,
      encrypted: false,
      detected: null,
      flags: [],
    },
    {
      name: 'ünder/setup.exe',
      within: '',
      sizeBytes: PROGRAM.length,
      compressedBytes: PROGRAM.length,
      encrypted: false,
      detected: 'pe',
      flags: [],
    },
  ])
})

test('archives inside archives are opened, and say where a file lies', () => {
  const inner = makeZip([{ name: 'deep.exe', content: PROGRAM }])
  const tar = makeTar([{ name: 'inner.zip', content: inner }])
  const part = archive(makeZip([{ name: 'outer.tar.gz', content: gzipSync(tar) }]))
  assert.deepEqual(
    part.entries.map(({ within, name, detected }) => [within, name, detected]),
    [
      ['', 'outer.tar.gz', 'gzip'],
      ['outer.tar.gz', '', 'tar'],
      ['outer.tar.gz!/', 'inner.zip', 'zip'],
      ['outer.tar.gz!/!/inner.zip', 'deep.exe', 'pe'],
    ],
  )
})

test('archives deeper than the limit are flagged and not opened', () => {
  let bytes = makeZip([{ name: 'deep.exe', content: PROGRAM }])
  for (let depth = 0; depth < 7; depth++) bytes = makeZip([{ name: `${depth}.zip`, content: bytes }])
  const part = archive(bytes)
  assert.ok(
    part.flags.includes('depth-limit') || part.entries.some(({ flags }) => flags.includes('depth-limit')),
  )
  assert.ok(part.entries.length < 8)
  assert.ok(!part.entries.some(({ name }) => name === 'deep.exe'))
})

test('documents and programs that are zips are told from zips', () => {
  const office = makeZip([
    { name: '[Content_Types].xml', content: Buffer.from('<?xml version="1.0"?><Types/>') },
    { name: 'word/vbaProject.bin', content: Buffer.from('d0cf11e0a1b11ae1', 'hex') },
  ])
  assert.equal(archive(office).detected, 'ooxml')
  assert.equal(entryNamed(archive(office), 'word/vbaProject.bin').detected, 'ole2')
  assert.equal(archive(makeZip([{ name: 'META-INF/MANIFEST.MF', content: TEXT }])).detected, 'jar')
  assert.equal(archive(makeZip([{ name: 'mimetype', content: TEXT, isStored: true }])).detected, 'odf')
})

test('an encrypted file is said to be encrypted, and nothing is made of its octets', () => {
  const part = archive(makeZip([{ name: 'secret.exe', content: PROGRAM, isEncrypted: true }]))
  const { encrypted, detected, flags } = entryNamed(part, 'secret.exe')
  assert.deepEqual({ encrypted, detected, flags }, { encrypted: true, detected: null, flags: [] })
})

test('a file under two names is told under both', () => {
  const part = archive(makeZip([{ name: 'holiday.jpg', localName: 'evil.exe', content: PROGRAM }]))
  assert.deepEqual(entryNamed(part, 'holiday.jpg').flags, ['headers-differ'])
  assert.deepEqual(entryNamed(part, 'evil.exe').flags, ['headers-differ'])
  assert.equal(entryNamed(part, 'holiday.jpg').detected, 'pe')
})

test('a file the directory does not have is found', () => {
  const part = archive(
    makeZip([
      { name: 'a.txt', content: TEXT },
      { name: 'hidden.exe', content: PROGRAM, isHidden: true },
      { name: 'b.txt', content: TEXT },
    ]),
  )
  assert.deepEqual(entryNamed(part, 'hidden.exe').flags, ['not-in-directory'])
  assert.equal(entryNamed(part, 'hidden.exe').detected, 'pe')
  assert.deepEqual(entryNamed(part, 'b.txt').flags, [])
})

test('a zip without a directory is read by its local headers', () => {
  const part = archive(makeZip([{ name: 'cut.exe', content: PROGRAM }], { hasDirectory: false }))
  assert.deepEqual(part.flags, ['archive-damaged'])
  assert.equal(entryNamed(part, 'cut.exe').detected, 'pe')
})

test('a zip behind a picture is opened, and both are told', () => {
  const picture = Buffer.from('GIF89a\x01\0\x01\0\0\0\0;', 'latin1')
  const part = archive(makeZip([{ name: 'evil.exe', content: PROGRAM }], { prefix: picture }))
  assert.equal(part.detected, 'gif')
  assert.deepEqual(part.flags, ['archive-behind'])
  assert.equal(entryNamed(part, 'evil.exe').detected, 'pe')
})

test('a size that is not true is flagged', () => {
  const part = archive(makeZip([{ name: 'small.txt', content: TEXT, declaredBytes: 3 }]))
  const { flags, sizeBytes } = entryNamed(part, 'small.txt')
  assert.deepEqual(flags, ['headers-differ'])
  assert.equal(sizeBytes, TEXT.length)
})

test('a zip bomb costs a bounded amount, and what comes behind it is still seen', () => {
  const zeros = deflateRawSync(Buffer.alloc(40 * 1024 * 1024))
  const bombs = Array.from({ length: 200 }, (_, index) => ({ name: `${index}.bin`, packed: zeros }))
  const bomb = attached(packedAs(bombs, 40 * 1024 * 1024))
  const startedAt = performance.now()
  const part = partAt(bomb, '1')
  assert.ok(performance.now() - startedAt < 10_000)
  assert.equal(part.entryCount, 201)
  assert.ok(part.entries[0]?.flags.includes('inflate-limit'))
  assert.ok(part.entries[0]?.flags.includes('high-ratio'))
  assert.equal(entryNamed(part, 'last.exe').detected, 'pe')
})

test('a hundred thousand entries are counted, and a thousand listed', () => {
  const files = Array.from({ length: 100_000 }, (_, index) => ({
    name: `${index}`,
    content: Buffer.alloc(0),
    isStored: true,
  }))
  const message = attached(makeZip(files))
  const startedAt = performance.now()
  const { parts } = partsOf(message)
  assert.ok(performance.now() - startedAt < 10_000)
  assert.equal(parts[0]?.entries.length, 1000)
  assert.equal(parts[0]?.entryCount, 100_000)
  assert.ok(parts[0]?.flags.includes('entries-limit'))
})

test('entries that share their octets are flagged', () => {
  const zip = makeZip([
    { name: 'a.txt', content: TEXT },
    { name: 'b.txt', content: TEXT },
  ])
  const second = zip.lastIndexOf('PK\x01\x02', undefined, 'latin1')
  zip.writeUInt32LE(0, second + 42)
  assert.ok(archive(zip).flags.includes('entries-overlap'))
})

test('the answer has at most 256 KB, and says when something was left out', () => {
  const files = Array.from({ length: 900 }, (_, index) => ({
    name: `${'n'.repeat(250)}${index}`,
    content: Buffer.from(`${index}`),
  }))
  const zip = makeZip(files)
  const answer = partsOf(attached(zip))
  assert.ok(Buffer.byteLength(JSON.stringify(answer)) <= 256 * 1024)
  assert.deepEqual(answer.flags, ['answer-cut'])
  assert.ok((answer.parts[0]?.entries.length ?? 0) > 250)
})

test('an archive with long names does not keep the next part out of the answer', () => {
  const files = Array.from({ length: 900 }, (_, index) => ({
    name: `${'n'.repeat(250)}${index}`,
    content: Buffer.from(`${index}`),
  }))
  const both = [attached(makeZip(files)), attached(PROGRAM)].map(
    (part) => `--b\r\n${part.toString('latin1')}\r\n`,
  )
  const message = `Content-Type: multipart/mixed; boundary=b\r\n\r\n${both.join('')}--b--\r\n`
  assert.equal(partAt(message, '1.2').detected, 'pe')
})

/** A zip of content that is packed already, with one program at its end. */
function packedAs(files: readonly { name: string; packed: Buffer }[], size: number): Buffer {
  const zip = makeZip([
    ...files.map(({ name, packed }) => ({ name, content: packed, isStored: true })),
    { name: 'last.exe', content: PROGRAM },
  ])
  // Stored entries become deflated ones: method, and the size of what they unpack to.
  for (let at = zip.indexOf('PK\x03\x04', 0, 'latin1'), index = 0; index < files.length; index++) {
    const { packed, name } = files[index] as (typeof files)[number]
    zip.writeUInt16LE(8, at + 8)
    zip.writeUInt32LE(size, at + 22)
    at += 30 + name.length + packed.length
  }
  let at = zip.indexOf('PK\x01\x02', zip.length - 60 * (files.length + 2), 'latin1')
  for (const { name } of files) {
    zip.writeUInt16LE(8, at + 10)
    zip.writeUInt32LE(size, at + 24)
    at += 46 + name.length
  }
  return zip
}
