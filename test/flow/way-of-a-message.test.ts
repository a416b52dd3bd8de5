/** One mail all the way: a raw client, the gateway, and a maildir or the next server at the end. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway } from '../support/gateway.ts'
import { addedFields, asOnWire, largeMessage, message } from '../support/message-bytes.ts'
import { until } from '../support/until.ts'

const MIB = 1024 * 1024
const AWKWARD = join(import.meta.dirname, '..', 'fixtures', 'mime')

let remote: FakeRemote
let gateway: Gateway
before(async () => {
  remote = await FakeRemote.start()
  gateway = await Gateway.start({ outbound: { route: remote.route } })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await remote?.stop()
})

/** Waits for a message in the maildir that `is` is true of. */
async function keptMessage(subject: string): Promise<Buffer> {
  const find = (): Buffer | undefined =>
    gateway.kept().find((kept) => kept.includes(`\nSubject: ${subject}\n`))
  await until(() => find() !== undefined, `"${subject}" in the maildir`)
  return find() as Buffer
}

test('a mail for our domain lies in the maildir, bytes as sent behind the trace fields', async () => {
  const sent = message('into the maildir')
  assert.match(await gateway.send(['anna@example.test'], sent), /^250 2\.0\.0 Queued as q_[a-z0-9]{12}$/)
  const kept = asOnWire(await keptMessage('into the maildir'))
  assert.deepEqual(addedFields(kept, sent), ['Return-Path', 'Delivered-To', 'Received'])
  assert.match(
    kept.toString('latin1'),
    /^Return-Path: <sender@client\.example>\r\nDelivered-To: anna@example\.test\r\n/,
  )
})

test('a mail for elsewhere reaches the next server, bytes as sent behind the trace field', async () => {
  const sent = message('to the next server')
  const reply = await gateway.send(['bob@elsewhere.example'], sent)
  await remote.hasAccepted(1)
  const [got] = remote.accepted
  assert.deepEqual(addedFields(got?.content ?? Buffer.of(), sent), ['Received'])
  assert.equal(got?.reversePath, 'sender@client.example')
  assert.deepEqual(got?.recipients, ['bob@elsewhere.example'])
  const queueId = reply.split(' ').at(-1) ?? ''
  assert.match(
    got?.content.toString('latin1') ?? '',
    new RegExp(
      '^Received: from client\\.example \\(\\[127\\.0\\.0\\.1\\]\\)\\r\\n' +
        `\\tby mx\\.example\\.test with ESMTP id ${queueId}\\r\\n\\tfor <bob@elsewhere\\.example>;\\r\\n\\t`,
    ),
  )
})

test('a mail of 5 MB goes through a file of the spool to both, and leaves none behind', async () => {
  const sent = largeMessage('five megabytes', 5 * MIB, 'large')
  const before = remote.accepted.length
  const reply = await gateway.send(['anna@example.test', 'carol@elsewhere.example'], sent)
  assert.match(reply, /^250 2\.0\.0 /)
  await remote.hasAccepted(before + 1)
  const got = remote.accepted.at(-1)
  assert.deepEqual(got?.recipients, ['carol@elsewhere.example'])
  assert.deepEqual(addedFields(got?.content ?? Buffer.of(), sent), ['Received'])
  const kept = asOnWire(await keptMessage('five megabytes'))
  assert.deepEqual(addedFields(kept, sent), ['Return-Path', 'Delivered-To', 'Received'])
  const spooled = (): Promise<readonly string[]> => gateway.folder.list('store/spool')
  await until(async () => (await spooled()).length === 0, 'an empty spool')
})

/** A message of the fixtures with the line ends of the wire, the last one too. */
function awkwardMessage(file: string): Buffer {
  const text = readFileSync(join(AWKWARD, file), 'latin1').replace(/\r?\n/g, '\r\n')
  return Buffer.from(text.endsWith('\r\n') ? text : `${text}\r\n`, 'latin1')
}

test('messages with every oddity of MIME reach both, bytes as sent, each once', async () => {
  const files = globSync('*.txt', { cwd: AWKWARD }).toSorted()
  assert.ok(files.length > 40, `${files.length} messages`)
  using client = await gateway.greeted()
  const [atRemote, inMaildir] = [remote.accepted.length, gateway.kept().length]
  const sent = new Map<string, string>()
  for (const file of files) {
    const to = ['anna@example.test', 'bob@elsewhere.example']
    const reply = await client.send('sender@client.example', to, awkwardMessage(file))
    assert.match(reply, /^250 2\.0\.0 Queued as q_/, file)
    sent.set(reply.split(' ').at(-1) ?? '', file)
  }
  await remote.hasAccepted(atRemote + files.length)
  await until(() => gateway.kept().length === inMaildir + files.length, 'every message in the maildir')
  const trace = ['Return-Path', 'Delivered-To', 'Received']
  const all = [
    ...remote.accepted.map(({ content }) => ({ content, fields: ['Received'] })),
    ...gateway.kept().map((kept) => ({ content: asOnWire(kept), fields: trace })),
  ]
  const seen: string[] = []
  for (const { content, fields } of all) {
    const queueId = / id (q_\w+)/.exec(content.subarray(0, 2_000).toString('latin1'))?.[1] ?? ''
    const file = sent.get(queueId)
    if (file === undefined) continue
    assert.deepEqual(addedFields(content, awkwardMessage(file)), fields, file)
    seen.push(file)
  }
  assert.deepEqual(seen.toSorted(), [...files, ...files].toSorted())
})

test('what was delivered is no longer in the queue', async () => {
  await until(async () => (await gateway.control.queueList({}, 100)).length === 0, 'an empty queue')
})
