/** Names of files, as senders write them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lines, partAt } from './message-stand.ts'

/** What stands behind `attachment;` in Content-Disposition, and the name it is. */
const names: readonly (readonly [written: string, name: string | null])[] = [
  ['filename=plain.exe', 'plain.exe'],
  ['FileName="quoted \\"name\\".exe"', 'quoted "name".exe'],
  ['filename="semi;colon.exe"; x=y', 'semi;colon.exe'],
  ['filename=two words.exe', 'two words.exe'],
  ['filename="never closed.exe', 'never closed.exe'],
  ['filename (a comment) =commented.exe', 'commented.exe'],
  ["filename*=utf-8''%e2%82%ac%20rates.exe", '€ rates.exe'],
  ["filename*=iso-8859-1'en'%A3.exe", '£.exe'],
  ["filename=seen.txt; filename*=utf-8''hidden.exe", 'hidden.exe'],
  ['filename*0="long"; filename*1=".exe"', 'long.exe'],
  ["filename*1*=%2eexe; filename*0*=utf-8''%c3%bc", 'ü.exe'],
  ["filename*0*=utf-8''a; filename*2=.exe", 'a'],
  ['filename="=?utf-8?B?w7wuZXhl?="', 'ü.exe'],
  ['filename="=?utf-8?Q?=C3?= =?utf-8?Q?=BC.exe?="', 'ü.exe'],
  ['filename="=?iso-8859-1?q?gr=FC=DFe_2.exe?="', 'grüße 2.exe'],
  ['filename="=?klingon?B?w7wuZXhl?="', '=?klingon?B?w7wuZXhl?='],
  ['filename="\xc3\xbc.exe"', 'ü.exe'],
  ['filename="\xfc.exe"', 'ü.exe'],
  ['filename="a\r\n b.exe"', 'a b.exe'],
  ['name=no.exe', null],
]

for (const [written, name] of names)
  test(`the name in ${JSON.stringify(written)}`, () => {
    const part = partAt(lines(`Content-Disposition: attachment; ${written}`, '', 'x'), '1')
    assert.equal(part.fileName, name)
  })

test('a name is told as it was written too', () => {
  const written = '=?utf-8?B?w7wuZXhl?='
  assert.equal(
    partAt(lines(`Content-Type: text/plain; name="${written}"`, '', 'x'), '1').rawFileName,
    written,
  )
})

test('a long name is cut', () => {
  const part = partAt(lines(`Content-Type: text/plain; name=${'n'.repeat(5000)}`, '', 'x'), '1')
  assert.equal(part.fileName?.length, 255)
})
