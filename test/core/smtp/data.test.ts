import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DataEvent, MessageReader } from '../../../core/mail/hook-events.ts'
import { pass, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const FROM = 'a@client.example'
const TO = ['user@example.test']

/** Sends `content` and reads it back as a plugin at `data` would. */
async function readAsPlugin(
  content: string,
): Promise<{ reader: MessageReader; body: string; reply: string }> {
  let reader: MessageReader | undefined
  let body = ''
  const reads: TestPlugin = {
    name: 'reader',
    hooks: {
      data: async (_event, message) => {
        reader = message
        for (let index = 0; ; index++) {
          const piece = await message.bodyChunk(index)
          if (piece === undefined) return pass()
          assert.ok(piece.byteLength > 0 && piece.byteLength <= 65_536)
          body += Buffer.from(piece).toString('latin1')
        }
      },
    },
  }
  const server = await TestServer.start({
    plugins: [relayControl, reads],
    limits: { messageBytes: 10_000_000 },
  })
  const client = await server.greeted()
  const reply = await client.send(FROM, TO, content)
  await server.stop()
  assert.ok(reader)
  return { reader, body, reply }
}

test('a small message is read from memory', async () => {
  const { reader, body } = await readAsPlugin('Subject: x\r\nTo: a,\r\n b\r\n\r\nbody\r\n..dot')
  assert.deepEqual(reader.headers(), [
    { name: 'Subject', value: 'x' },
    { name: 'To', value: 'a,\r\n b' },
  ])
  assert.equal(body, 'body\r\n.dot\r\n')
  assert.equal(reader.sizeBytes, 'Subject: x\r\nTo: a,\r\n b\r\n\r\nbody\r\n.dot\r\n'.length)
})

for (const [what, lines] of [
  ['a body of one piece', 900],
  ['a body of several pieces', 9_000],
] as const) {
  test(`${what} is read from the spool, octet for octet`, async () => {
    const sent = Array.from({ length: lines }, (_, n) => `line ${n} ${'x'.repeat(60)}`).join('\r\n')
    const { reader, body } = await readAsPlugin(`Subject: big\r\n\r\n${sent}`)
    assert.deepEqual(reader.headers(), [{ name: 'Subject', value: 'big' }])
    assert.equal(body, `${sent}\r\n`)
  })
}

test('a header longer than one piece of the spool is read whole', async () => {
  const fields = Array.from({ length: 2_000 }, (_, n) => `X-Field-${n}: ${'y'.repeat(60)}`)
  const { reader, body } = await readAsPlugin(`${fields.join('\r\n')}\r\n\r\nbody`)
  assert.equal(reader.headers().length, 2_000)
  assert.equal(body, 'body\r\n')
})

test('a message without a body, and one without a header', async () => {
  assert.equal((await readAsPlugin('Subject: x')).body, '')
  assert.deepEqual((await readAsPlugin('\r\nbody')).reader.headers(), [])
  assert.equal((await readAsPlugin('\r\nbody')).body, 'body\r\n')
})

async function replyTo(content: string): Promise<string> {
  const server = await TestServer.start({ limits: { messageBytes: 10_000_000 } })
  const client = await server.greeted()
  const reply = await client.send(FROM, TO, content)
  await server.stop()
  return reply
}

test('a header without end is refused', async () => {
  const field = `X-Long: ${'y'.repeat(60)}\r\n`
  assert.match(await replyTo(`${field.repeat(4_000)}\r\nbody`), /^552 5\.3\.4 Message header longer than /)
})

test('fifty hops are a long way, one more is a loop (RFC 5321 §6.3)', async () => {
  const hop = 'Received: from a by b; Thu, 01 Jan 1970 00:00:00 +0000\r\n'
  assert.match(await replyTo(`${hop.repeat(50)}Subject: x\r\n\r\n${hop.repeat(9)}`), /^250 /)
  assert.match(await replyTo(`${hop.repeat(51)}Subject: x\r\n\r\nbody`), /^554 5\.4\.6 Too many hops/)
})

test('the data hook is asked once, and told who sent what to whom', async () => {
  const told: DataEvent[] = []
  const tells: TestPlugin = { name: 'tells', hooks: { data: (event) => (told.push(event), pass()) } }
  const server = await TestServer.start({ plugins: [relayControl, tells] })
  const client = await server.greeted()
  await client.ask('MAIL FROM:<a@client.example> SIZE=100')
  for (const recipient of ['user@example.test', 'Other@EXAMPLE.test', 'user@elsewhere.example'])
    await client.ask(`RCPT TO:<${recipient}>`)
  await client.ask('DATA')
  client.raw('Subject: x\r\n\r\n.\r\n')
  await client.reply()
  await server.stop()
  assert.equal(told.length, 1)
  const [event] = told
  assert.deepEqual(event?.session.hello, { verb: 'EHLO', name: 'client.example' })
  assert.deepEqual(event?.transaction, {
    number: 1,
    reversePath: 'a@client.example',
    declaredSize: 100,
    recipients: ['user@example.test', 'Other@example.test'],
    tags: [],
  })
  assert.deepEqual(event?.message, { sizeBytes: 14 })
})
