/**
 * A program planted in every form of container that can carry one. What is found is asserted, and so is what is missed:
 * the list is that of docs/plugins.md, and a form that becomes found has to be moved.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { deflateRawSync, gzipSync, zstdCompressSync } from 'node:zlib'
import type { DetectedType } from '../../../core/mail/message-parts.ts'
import { attached, base64Lines, lines, PROGRAM, partsOf } from './message-stand.ts'
import { makeTar, makeZip } from './zip-maker.ts'

const zip = makeZip([{ name: 'evil.exe', content: PROGRAM }])
const uuencoded = (bytes: Buffer): string => {
  const rows: string[] = []
  for (let at = 0; at < bytes.length; at += 45) {
    const row = bytes.subarray(at, at + 45)
    let text = String.fromCharCode(0x20 + row.length)
    for (let i = 0; i < row.length; i += 3) {
      const bits = ((row[i] ?? 0) << 16) | ((row[i + 1] ?? 0) << 8) | (row[i + 2] ?? 0)
      for (const shift of [18, 12, 6, 0]) text += String.fromCharCode(0x20 + ((bits >>> shift) & 63))
    }
    rows.push(text)
  }
  return lines('begin 644 evil.exe', ...rows, '`', 'end')
}

const within = (part: string | Buffer): string =>
  `${lines('Content-Type: multipart/mixed; boundary=b', '', '--b')}${part.toString('latin1')}${lines('', '--b--')}`

const head = (type: string, encoding: string): string =>
  lines(`Content-Type: ${type}`, `Content-Transfer-Encoding: ${encoding}`, '')

/** Two attachments, the second with a title. */
function tnef(title: string, content: Buffer): Buffer {
  const attribute = (level: number, number: number, value: Buffer): Buffer => {
    const head = Buffer.alloc(9)
    head[0] = level
    head.writeUInt32LE(number, 1)
    head.writeUInt32LE(value.length, 5)
    const sum = Buffer.alloc(2)
    sum.writeUInt16LE(value.reduce((total, octet) => (total + octet) & 0xffff, 0))
    return Buffer.concat([head, value, sum])
  }
  return Buffer.concat([
    Buffer.from('789f3e220100', 'hex'),
    attribute(1, 0x00089006, Buffer.from([0, 0, 1, 0])),
    attribute(2, 0x00069002, Buffer.alloc(14)),
    attribute(2, 0x0006800f, Buffer.from('text')),
    attribute(2, 0x00069002, Buffer.alloc(14)),
    attribute(2, 0x00018010, Buffer.from(`${title}\0`)),
    attribute(2, 0x0006800f, content),
  ])
}

/** A bzip2, xz … begins like this; what is inside is not looked at. */
const beginning = (hex: string): Buffer => Buffer.concat([Buffer.from(hex, 'hex'), PROGRAM])

const found: Readonly<Record<string, Buffer | string>> = {
  'base64 part': attached(PROGRAM),
  'base64 part called a picture': attached(PROGRAM, 'holiday.jpg', 'image/jpeg'),
  'quoted-printable part': `${head('text/plain', 'quoted-printable')}${[...PROGRAM].map((octet) => `=${octet.toString(16).padStart(2, '0')}`).join('=\r\n')}`,
  'binary part': `${head('application/octet-stream', 'binary')}${PROGRAM.toString('latin1')}`,
  'x-uuencode part': `${head('application/octet-stream', 'x-uuencode')}${uuencoded(PROGRAM)}`,
  'uuencode in text': `${lines('Subject: x', '')}${uuencoded(PROGRAM)}`,
  'nested multipart': within(within(attached(PROGRAM))),
  'attached message': within(`${head('message/rfc822', '7bit')}${attached(PROGRAM).toString('latin1')}`),
  'attached message in base64': `${head('message/rfc822', 'base64')}${base64Lines(attached(PROGRAM))}`,
  'multipart in base64': `${head('multipart/mixed; boundary=b', 'base64')}${base64Lines(Buffer.from(`--b\r\n${attached(PROGRAM).toString('latin1')}\r\n--b--\r\n`, 'latin1'))}`,
  'behind the end of a multipart': `${within('\r\nx')}--b\r\n${attached(PROGRAM).toString('latin1')}\r\n--b--\r\n`,
  zip: attached(zip),
  'zip, stored': attached(makeZip([{ name: 'evil.exe', content: PROGRAM, isStored: true }])),
  'zip in a zip': attached(makeZip([{ name: 'inner.zip', content: zip }])),
  'zip without directory': attached(
    makeZip([{ name: 'evil.exe', content: PROGRAM }], { hasDirectory: false }),
  ),
  'zip, not in its directory': attached(makeZip([{ name: 'evil.exe', content: PROGRAM, isHidden: true }])),
  'zip behind a picture': attached(
    makeZip([{ name: 'evil.exe', content: PROGRAM }], { prefix: Buffer.from('GIF89a') }),
  ),
  'OOXML document': attached(
    makeZip([
      { name: '[Content_Types].xml', content: Buffer.from('<Types/>') },
      { name: 'word/embeddings/evil.exe', content: PROGRAM },
    ]),
  ),
  gzip: attached(gzipSync(PROGRAM)),
  zstd: attached(zstdCompressSync(PROGRAM)),
  tar: attached(makeTar([{ name: 'evil.exe', content: PROGRAM }])),
  TNEF: attached(tnef('evil.exe', PROGRAM), 'winmail.dat', 'application/ms-tnef'),
  'message kept as a file': attached(attached(PROGRAM), 'evil.eml'),
  'message inside an archive': attached(makeZip([{ name: 'evil.eml', content: attached(PROGRAM) }])),
  'tar.gz': attached(gzipSync(makeTar([{ name: 'evil.exe', content: PROGRAM }]))),
}

/** Not looked into, with what is said of it instead. */
const missed: Readonly<Record<string, readonly [bytes: Buffer, says: DetectedType]>> = {
  bzip2: [beginning('425a6839314159265359'), 'bzip2'],
  xz: [beginning('fd377a585a00'), 'xz'],
  rar: [beginning('526172211a0700'), 'rar'],
  '7z': [beginning('377abcaf271c'), '7z'],
  cab: [beginning('4d534346'), 'cab'],
  iso: [Buffer.concat([Buffer.alloc(32_769), Buffer.from('CD001'), PROGRAM]), 'iso'],
  arj: [beginning('60ea'), 'arj'],
  ar: [beginning('213c617263683e0a'), 'ar'],
}

/** What is neither looked into nor flagged: a document like any other. */
const silent: Readonly<Record<string, readonly [bytes: Buffer, says: DetectedType | null]>> = {
  OLE2: [beginning('d0cf11e0a1b11ae1'), 'ole2'],
  PDF: [Buffer.concat([Buffer.from('%PDF-1.7\n'), deflateRawSync(PROGRAM)]), 'pdf'],
  'base64 inside HTML': [Buffer.from(`<html><script>atob("${PROGRAM.toString('base64')}")</script>`), 'html'],
}

function hasProgram(message: Buffer | string): boolean {
  return partsOf(message).parts.some(
    ({ detected, entries }) => detected === 'pe' || entries.some((entry) => entry.detected === 'pe'),
  )
}

test('attachments of a TNEF have their names', () => {
  const [part] = partsOf(attached(tnef('evil.exe', PROGRAM))).parts
  assert.deepEqual(
    part?.entries.map(({ name, sizeBytes, detected }) => [name, sizeBytes, detected]),
    [
      ['', 4, null],
      ['evil.exe', PROGRAM.length, 'pe'],
    ],
  )
  assert.deepEqual(part?.flags, [])
})

for (const [form, message] of Object.entries(found))
  test(`found: a program in ${form}`, () => {
    assert.equal(hasProgram(message), true)
  })

for (const [form, [bytes, says]] of Object.entries(missed))
  test(`not looked into, and flagged: ${form}`, () => {
    const message = attached(bytes)
    assert.equal(hasProgram(message), false)
    const [part] = partsOf(message).parts
    assert.equal(part?.detected, says)
    assert.deepEqual(part?.flags, ['not-opened'])
  })

test('a program in an encrypted zip is not seen, its name and that it is encrypted are', () => {
  const [part] = partsOf(attached(makeZip([{ name: 'evil.exe', content: PROGRAM, isEncrypted: true }]))).parts
  assert.deepEqual(
    part?.entries.map(({ name, encrypted, detected }) => [name, encrypted, detected]),
    [['evil.exe', true, null]],
  )
})

for (const [form, [bytes, says]] of Object.entries(silent))
  test(`not looked into, and not flagged: ${form}`, () => {
    assert.equal(hasProgram(attached(bytes)), false)
    assert.equal(partsOf(attached(bytes)).parts[0]?.detected, says)
  })

/** First octets, and what they are. */
const types: readonly (readonly [hex: string, type: DetectedType | null])[] = [
  ['7f454c4602010100', 'elf'],
  ['cffaedfe07000001', 'macho'],
  ['cafebabe0000000201000007', 'macho'],
  ['cafebabe00000041', 'java-class'],
  [Buffer.from('#!/bin/sh\n').toString('hex'), 'script'],
  [Buffer.from('<?php echo 1').toString('hex'), 'script'],
  ['4c0000000114020000000000c000000000000046', 'shortcut'],
  ['89504e470d0a1a0a', 'png'],
  ['ffd8ffe0', 'jpeg'],
  [Buffer.from('GIF89a').toString('hex'), 'gif'],
  [Buffer.from('\n<!DOCTYPE html><p>').toString('hex'), 'html'],
  [`efbbbf${Buffer.from('<html>').toString('hex')}`, 'html'],
  [`fffe${Buffer.from('<html>', 'utf16le').toString('hex')}`, 'html'],
  [Buffer.from('<?xml version="1.0"?><svg xmlns="x">').toString('hex'), 'svg'],
  [Buffer.from('{\\rtf1').toString('hex'), 'rtf'],
  [Buffer.from('MZ is how this text begins').toString('hex'), null],
  [Buffer.from('plain text').toString('hex'), null],
  ['', null],
]

for (const [hex, type] of types)
  test(`the type of ${hex.slice(0, 24) || 'nothing'} is ${type ?? 'unknown'}`, () => {
    assert.equal(partsOf(attached(Buffer.from(hex, 'hex'))).parts[0]?.detected, type)
  })
