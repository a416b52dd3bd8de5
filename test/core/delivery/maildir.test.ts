import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { Channel, Outgoing } from '../../../core/delivery/channel.ts'
import { openMaildir } from '../../../core/delivery/maildir.ts'
import { outcomeOf } from '../../../core/delivery/outcome.ts'
import type { StoredContent } from '../../../core/mail/message.ts'
import { type Clock, systemClock } from '../../../core/observe/clock.ts'

async function folder(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'maildir-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

async function open(path: string, clock: Clock = systemClock): Promise<Channel> {
  const opening = await openMaildir(path, { hostname: 'mx.postern.test', clock })
  assert.ok(opening.ok, JSON.stringify(opening))
  return opening.channel
}

function outgoing(recipients: readonly string[], stored: StoredContent): Outgoing {
  return { queueId: 'q_000000000000', reversePath: 'from@example.test', recipients, stored }
}

function inline(text: string): StoredContent {
  const bytes = Buffer.from(text, 'latin1')
  return { head: Buffer.from('X-Head: 1\r\n'), content: { kind: 'inline', bytes }, contentOffset: 0 }
}

async function filesIn(path: string): Promise<string[]> {
  const names = await readdir(join(path, 'new'))
  return await Promise.all(names.map((name) => readFile(join(path, 'new', name), 'latin1')))
}

test('the folders are made, open to nobody else, below folders that are missing too', async (t) => {
  const path = join(await folder(t), 'deep', 'er', 'mail')
  await open(path)
  for (const name of ['', 'tmp', 'new', 'cur']) {
    const { mode } = await stat(join(path, name))
    assert.equal(mode & 0o777, 0o700, name)
  }
})

test('a message is one file in new/ with Return-Path and Delivered-To first, and LF line ends', async (t) => {
  const path = await folder(t)
  const channel = await open(path)
  const met =
    (await channel.carry(outgoing(['a@here.test'], inline('Subject: x\r\n\r\n.dot\r\n\xe9\r\n\r\n')))) ?? []
  assert.deepEqual(
    met.map(outcomeOf).map(({ result }) => result),
    ['delivered'],
  )
  assert.deepEqual(await filesIn(path), [
    'Return-Path: <from@example.test>\nDelivered-To: a@here.test\nX-Head: 1\nSubject: x\n\n.dot\n\xe9\n\n',
  ])
  assert.deepEqual(await readdir(join(path, 'tmp')), [])
  const [name = ''] = await readdir(join(path, 'new'))
  assert.match(name, /^\d{10}\.M\d+P\d+Q\d+R[0-9a-f]{12}\.mx\.postern\.test$/)
  assert.equal((await stat(join(path, 'new', name))).mode & 0o777, 0o600)
})

test('each recipient gets a file of its own, also in the same millisecond', async (t) => {
  const path = await folder(t)
  const channel = await open(path, { now: () => 1_700_000_000_000, monotonic: () => 0 })
  const recipients = Array.from({ length: 20 }, (_, i) => `r${i}@here.test`)
  await channel.carry(outgoing(recipients, inline('Subject: x\r\n\r\n')))
  const named = (await filesIn(path)).map((text) => /^Delivered-To: (.*)$/m.exec(text)?.[1])
  assert.equal(named.length, 20)
  assert.deepEqual(new Set(named), new Set(recipients))
})

test('the null reverse-path is written as <>', async (t) => {
  const path = await folder(t)
  const channel = await open(path)
  await channel.carry({ ...outgoing(['a@here.test'], inline('A: b\r\n\r\n')), reversePath: '' })
  assert.match((await filesIn(path))[0] ?? '', /^Return-Path: <>\n/)
})

test('a spooled message is converted across its pieces; a bare CR stays', async (t) => {
  const path = await folder(t)
  const spool = join(path, 'spool')
  // 65 536 octets is one piece: the CRLF of each of these lines falls between two of them at some offset.
  const line = `${'x'.repeat(65_535 - 14)}\r\n\ry\r\r\n`
  const text = `Skipped: 1\r\n\r\n${line.repeat(9)}end\r`
  await writeFile(spool, text, 'latin1')
  const stored: StoredContent = {
    head: Buffer.from('New: 1\r\n\r\n'),
    content: { kind: 'spool', path: spool, sizeBytes: text.length },
    contentOffset: 14,
  }
  const channel = await open(path)
  await channel.carry(outgoing(['a@here.test'], stored))
  const expected = `New: 1\r\n\r\n${text.slice(14)}`.replaceAll('\r\n', '\n')
  const [file = ''] = await filesIn(path)
  assert.ok(file.endsWith(expected))
  assert.equal(
    file.length - expected.length,
    'Return-Path: <from@example.test>\nDelivered-To: a@here.test\n'.length,
  )
})

for (let cut = 1; cut <= 6; cut++) {
  test(`a line end ${cut} octets behind the edge of a piece is converted once`, async (t) => {
    const path = await folder(t)
    const spool = join(path, 'spool')
    const text = `${'x'.repeat(65_536 - cut)}\r\n\r\nab\r\n`
    await writeFile(spool, text)
    const stored: StoredContent = {
      head: new Uint8Array(),
      content: { kind: 'spool', path: spool, sizeBytes: text.length },
      contentOffset: 0,
    }
    const channel = await open(path)
    await channel.carry(outgoing(['a@here.test'], stored))
    assert.ok((await filesIn(path))[0]?.endsWith(`\n${'x'.repeat(65_536 - cut)}\n\nab\n`))
  })
}

test('a folder that cannot be made is our own trouble', async (t) => {
  const path = await folder(t)
  await writeFile(join(path, 'file'), '')
  const opening = await openMaildir(join(path, 'file', 'mail'), { hostname: 'h', clock: systemClock })
  assert.ok(!opening.ok)
  assert.deepEqual([outcomeOf(opening.met).level, outcomeOf(opening.met).result], ['local', 'deferred'])
})

test('a message that cannot be read leaves nothing behind and is our own trouble', async (t) => {
  const path = await folder(t)
  const stored: StoredContent = {
    head: Buffer.from('A: b\r\n\r\n'),
    content: { kind: 'spool', path: join(path, 'missing'), sizeBytes: 10 },
    contentOffset: 0,
  }
  const channel = await open(path)
  const met = (await channel.carry(outgoing(['a@here.test'], stored))) ?? []
  assert.deepEqual(
    met.map(outcomeOf).map(({ level, result }) => [level, result]),
    [['local', 'deferred']],
  )
  assert.deepEqual(await readdir(join(path, 'tmp')), [])
  assert.deepEqual(await readdir(join(path, 'new')), [])
})

test('folders that vanish are trouble for one message, and the next channel makes them again', async (t) => {
  const path = join(await folder(t), 'mail')
  const channel = await open(path)
  await rm(path, { recursive: true })
  const stored = inline('A: b\r\n\r\n')
  const met = (await channel.carry(outgoing(['a@here.test'], stored))) ?? []
  assert.equal(met[0]?.kind, 'local')
  assert.equal(channel.isUsable, false)
  const again = (await (await open(path)).carry(outgoing(['a@here.test'], stored))) ?? []
  assert.equal(again[0]?.kind, 'kept')
})
