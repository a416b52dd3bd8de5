/**
 * Awkward messages of others, taken apart: each gets an answer in time, and a program planted in each container there is
 * found. The messages of the fixtures always; with POSTERN_CORPORA, a folder of such collections, all of them.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { after, test } from 'node:test'
import { MessagePool } from '../../../core/content/pool.ts'
import type { MessageParts } from '../../../core/mail/message-parts.ts'
import { silentLog } from '../../../core/observe/log.ts'
import { base64Lines, PROGRAM } from './message-stand.ts'

const OWN = join(import.meta.dirname, '..', '..', 'fixtures')
const CORPORA = process.env['POSTERN_CORPORA']
/** A thousand times what one of these takes. */
const LONG_MS = 5_000

/** What is no container where it was planted, by message and number of its boundary, and why. */
const NO_CONTAINERS: Readonly<Record<string, string>> = {
  'bounce_03.txt 0': 'a message in the plain text of a bounce: nobody takes it for one',
  'bounce_03.txt 1': 'the same',
  'double-boundary.msg 1':
    'the second of two boundaries: the first counts, and the flag is parameter-repeated',
  'msg_38.txt 3': 'the line stands in a text, before the multipart it would belong to has begun',
  'msg_38.txt 4': 'the same',
  'simple_18.txt 0': 'a boundary in a field of its own making',
  'msg_40.txt 0': 'a boundary of HTML: what is no multipart has no parts',
}

const pool = new MessagePool({ log: silentLog })
after(() => pool.close())

async function partsOf(bytes: Buffer): Promise<MessageParts> {
  const startedAt = performance.now()
  const json = await pool.ask({ kind: 'inline', bytes }, { kind: 'parts' })
  assert.ok(performance.now() - startedAt < LONG_MS)
  return JSON.parse(json) as MessageParts
}

function hasProgram({ parts }: MessageParts): boolean {
  return parts.some(
    ({ detected, entries }) => detected === 'pe' || entries.some((one) => one.detected === 'pe'),
  )
}

/** The program as one more part in front of each delimiter line, with the line ends the message has. */
function planted(message: string): readonly string[] {
  const end = message.includes('\r\n') ? '\r\n' : '\n'
  const boundaries = new Set(
    [...message.matchAll(/boundary\s*=\s*(?:"([^"\r\n]+)"|([^\s;"]+))/gi)].map(([, a, b]) => a ?? b ?? ''),
  )
  const part = [
    'Content-Type: application/octet-stream; name="evil.exe"',
    'Content-Transfer-Encoding: base64',
    '',
    base64Lines(PROGRAM).replaceAll('\r\n', end),
    '',
  ].join(end)
  return [...boundaries].flatMap((boundary) => {
    const at = message.indexOf(`${end}--${boundary}`)
    if (at < 0) return []
    const start = at + end.length
    return [`${message.slice(0, start)}--${boundary}${end}${part}${message.slice(start)}`]
  })
}

async function takeApart(folder: string, pattern: string): Promise<{ messages: number; containers: number }> {
  const files = globSync(pattern, { cwd: folder })
  const missed: string[] = []
  let containers = 0
  for (const file of files) {
    const bytes = readFileSync(join(folder, file))
    assert.ok((await partsOf(bytes)).parts.length > 0, file)
    for (const [index, message] of planted(bytes.toString('latin1')).entries()) {
      containers++
      if (!hasProgram(await partsOf(Buffer.from(message, 'latin1'))))
        missed.push(`${basename(file)} ${index}`)
    }
  }
  assert.deepEqual(
    missed.filter((one) => NO_CONTAINERS[one] === undefined),
    [],
  )
  return { messages: files.length, containers }
}

test('messages of the fixtures', async (t) => {
  const { messages, containers } = await takeApart(OWN, 'mime/*.txt')
  t.diagnostic(`${messages} messages, a program in each of their ${containers} multiparts found`)
  assert.ok(messages >= 47)
  assert.ok(containers >= 20)
})

test('messages of the corpora', {
  skip: CORPORA === undefined && 'POSTERN_CORPORA names no folder',
}, async (t) => {
  for (const pattern of [
    'mime/cpython/*.txt',
    'mime/mime-tools/*.msg',
    'bounces/**/*.{txt,eml,msg}',
    'spam-markers/*',
  ]) {
    const { messages, containers } = await takeApart(CORPORA ?? '', pattern)
    t.diagnostic(
      `${pattern}: ${messages} messages, a program in each of their ${containers} multiparts found`,
    )
  }
})
