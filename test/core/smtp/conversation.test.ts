import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DisconnectTold } from '../../../core/mail/hook-events.ts'
import { defer, disconnect, fault, pass, reject, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const TO = ['user@example.test']

async function greeting(
  connect: TestPlugin['hooks']['connect'],
): Promise<{ server: TestServer; heard: string }> {
  const plugin: TestPlugin = { name: 'door', hooks: connect === undefined ? {} : { connect } }
  const server = await TestServer.start({ plugins: [plugin, relayControl] })
  const client = await server.connect()
  const heard = await client.reply()
  if (!heard.startsWith('220')) assert.equal(await client.closed(), '')
  await server.stop()
  return { server, heard }
}

test('a refusal at connect stands in the place of the greeting and ends the connection (RFC 5321 §3.1)', async () => {
  assert.match(
    (await greeting(() => reject('5.7.1', 'Not you'))).heard,
    /^554 5\.7\.1 Not you \(r_[a-z]{8}\)$/,
  )
  assert.match((await greeting(() => defer('4.7.0', 'Later'))).heard, /^421 4\.7\.0 Later \(r_/)
  assert.match((await greeting(() => disconnect('4.7.0', 'Bye'))).heard, /^421 4\.7\.0 Bye \(r_/)
  assert.match((await greeting(() => pass())).heard, /^220 mx\.example\.test ESMTP$/)
})

test('a plugin that fails at connect lets the client in and owes it an answer at MAIL', async () => {
  const server = await TestServer.start({
    plugins: [{ name: 'door', hooks: { connect: () => fault() } }, relayControl],
  })
  const client = await server.greeted()
  assert.match(await client.ask('MAIL FROM:<a@client.example>'), /^451 4\.3\.0 Policy check not available/)
  await client.ask('EHLO other.example')
  assert.match(await client.ask('MAIL FROM:<a@client.example>'), /^451 4\.3\.0 /)
  await server.stop()
})

test('the end of a session is told once, by its id', async () => {
  const ended: string[] = []
  const server = await TestServer.start({ parts: { sessionEnded: (session) => ended.push(session) } })
  const client = await server.connect()
  await client.expect('220', null)
  await client.expect('221', 'QUIT')
  assert.equal(await client.closed(), '')
  while (server.logged('session-ended').length === 0) await client.silence(5)
  assert.deepEqual(ended, [server.logged('session-ended')[0]?.['session']])
  await server.stop()
})

test('who talks before the greeting is sent away (RFC 5321 §4.3.1)', async () => {
  const asked = Promise.withResolvers<void>()
  const server = await TestServer.start({
    plugins: [{ name: 'door', hooks: { connect: () => asked.promise.then(() => pass()) } }],
  })
  const client = await server.connect()
  client.raw('EH')
  assert.equal(await client.line(), '421 4.5.1 Wait for the greeting before you talk')
  assert.equal(await client.closed(), '')
  asked.resolve()
  while (server.logged('session-ended').length === 0) await client.silence(10)
  assert.equal(server.logged('session-ended')[0]?.['by'], 'early-talker')
  await server.stop()
})

test('a command that is being answered holds up those behind it, and only those of its session', async () => {
  const asked = Promise.withResolvers<void>()
  const slow: TestPlugin = {
    name: 'slow',
    hooks: {
      mail: ({ transaction }) => (transaction.reversePath === '' ? asked.promise.then(() => pass()) : pass()),
    },
  }
  const server = await TestServer.start({ plugins: [slow, relayControl] })
  const [waiting, other] = [await server.greeted(), await server.greeted()]
  waiting.raw('MAIL FROM:<>\r\nRCPT TO:<user@example.test>\r\nNOOP\r\n')
  assert.match(await other.send('a@client.example', TO, 'x'), /^250 /)
  assert.equal(await waiting.silence(30), '')
  asked.resolve()
  assert.deepEqual(
    [await waiting.reply(), await waiting.reply(), await waiting.reply()],
    ['250 2.1.0 Sender accepted', '250 2.1.5 Recipient accepted', '250 2.0.0 OK'],
  )
  await server.stop()
})

test('a client that does not read its replies is not read from either', async () => {
  const counts: TestPlugin = { name: 'counts', hooks: { helo: () => pass() } }
  const hostname = `${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.test`
  const limits = { errorsPerSession: Infinity }
  const server = await TestServer.start({ plugins: [counts], settings: { hostname }, limits })
  const client = await server.greeted()
  client.pause()
  const commands = 120_000
  for (let i = 0; i < commands / 1_000; i++) client.raw('EHLO a.example\r\n'.repeat(1_000))
  let seen = -1
  while (seen !== server.panel.calls.length) {
    seen = server.panel.calls.length
    await client.silence(300)
  }
  // What the system's buffers hold was answered, the rest waits for the client.
  assert.ok(seen < commands, 'everything was answered into memory')
  client.resume()
  while (server.panel.calls.length <= seen) await client.silence(10)
  await server.stop()
})

test('short of space MAIL is deferred, and nothing else (RFC 5321 §4.2.3)', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  server.isShort = true
  assert.match(
    await client.ask('MAIL FROM:<a@client.example>'),
    /^452 4\.3\.1 No room for mail, try again later \(r_/,
  )
  assert.match(await client.ask('NOOP'), /^250 /)
  server.isShort = false
  assert.match(await client.send('a@client.example', TO, 'x'), /^250 /)
  await server.stop()
})

test('a bug in one session ends it with 421, is logged with its stack, and no other session notices', async () => {
  const broken: TestPlugin = {
    name: 'broken',
    hooks: {
      mail: ({ transaction }) => {
        if (transaction.reversePath !== '') throw new RangeError('a bug of ours')
        return pass()
      },
    },
  }
  const server = await TestServer.start({ plugins: [broken, relayControl] })
  const [unlucky, other] = [await server.greeted(), await server.greeted()]
  assert.match(await unlucky.ask('MAIL FROM:<a@client.example>'), /^421 4\.3\.0 Local error \(r_[a-z]{8}\)$/)
  await unlucky.closed()
  assert.match(await other.send('', TO, 'x'), /^250 /)
  const [logged] = server.logged('bug')
  assert.match(String(logged?.['error']), /RangeError: a bug of ours\n\s+at /)
  assert.match(String(logged?.['session']), /^s_/)
  await server.stop()
})

test('a silent client hears 421 and is closed (RFC 5321 §4.5.3.2.7)', async () => {
  const server = await TestServer.start({ limits: { idleMs: 400 } })
  const client = await server.greeted()
  assert.match(await client.line(), /^421 4\.4\.2 mx\.example\.test waited too long$/)
  await client.closed()
  await server.stop()
  assert.equal(server.logged('session-ended')[0]?.['by'], 'timeout')
})

test('a client that is silent within its message is closed too, and nothing is stored', async () => {
  const server = await TestServer.start({ limits: { idleMs: 400 } })
  const client = await server.greeted()
  for (const line of ['MAIL FROM:<>', 'RCPT TO:<user@example.test>', 'DATA']) await client.ask(line)
  client.raw('Subject: x\r\n')
  assert.match(await client.line(), /^421 4\.4\.2 /)
  await client.closed()
  await server.stop()
  assert.deepEqual(server.spool.aborted, ['q_000000000001'])
})

test('a client that waits for us is not idle', async () => {
  const slow: TestPlugin = {
    name: 'slow',
    hooks: { mail: () => new Promise((resolve) => setTimeout(() => resolve(pass()), 1_000)) },
  }
  const server = await TestServer.start({ plugins: [slow, relayControl], limits: { idleMs: 400 } })
  const client = await server.greeted()
  assert.match(await client.ask('MAIL FROM:<>'), /^250 /)
  await server.stop()
})

test('limits that are off do not make a timeout of nothing', async () => {
  const server = await TestServer.start({ limits: { idleMs: Infinity, messageBytes: Infinity } })
  const client = await server.connect()
  await client.reply()
  assert.match(await client.ask('EHLO client.example'), /\n250-SIZE\n/)
  assert.match(await client.send('', TO, 'x'), /^250 /)
  await server.stop()
})

test('every session has one line at its end, every message and every refusal one of its own', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  await client.send('a@client.example', TO, 'x')
  await client.ask('MAIL FROM:<a@client.example>')
  await client.ask('RCPT TO:<user@elsewhere.example>')
  await client.ask('QUIT')
  await client.closed()
  await server.stop()
  assert.deepEqual(
    server.lines.map(({ event }) => event),
    ['message-accepted', 'refused', 'session-ended'],
  )
  const { session, durationMs, ...rest } = server.logged('session-ended')[0] ?? {}
  assert.match(String(session), /^s_[a-z]{16}$/)
  assert.equal(typeof durationMs, 'number')
  assert.deepEqual(rest, {
    client: '127.0.0.1',
    hello: 'client.example',
    accepted: 1,
    refused: 1,
    by: 'quit',
  })
  assert.deepEqual(server.smtp.counters, { sessions: 1, accepted: 1, refused: 1 })
})

test('the end of a session is told to who listens, with what came of it', async () => {
  const listening: TestPlugin = { name: 'listening', hooks: { tell: () => pass() } }
  const server = await TestServer.start({ plugins: [listening, relayControl] })
  const client = await server.greeted()
  await client.send('a@client.example', TO, 'x')
  await client.ask('QUIT')
  await client.closed()
  await server.stop()
  const [told, ...others] = server.panel.events.filter(({ hook }) => hook === 'tell')
  assert.ok(told !== undefined && others.length === 0)
  const { session, durationMs, ...rest } = told.event as DisconnectTold
  assert.deepEqual(rest, { type: 'disconnected', by: 'quit', accepted: 1, refused: 0 })
  assert.deepEqual([session.hello?.name, typeof durationMs], ['client.example', 'number'])
  assert.ok(
    server.records.find(session.id)?.entries.some((entry) => 'hook' in entry && entry.hook === 'tell'),
  )
})

test('the record of a session tells its whole way, and the queue id finds it', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  await client.send('a@client.example', TO, 'x')
  client.destroy()
  await server.stop()
  const recorded = server.records.find('q_000000000001')
  assert.ok(recorded)
  assert.match(recorded.id, /^s_/)
  assert.deepEqual(
    recorded.entries.map((entry) => ('event' in entry ? entry.event : `${entry.plugin} ${entry.answer}`)),
    ['helo', 'mail', 'relay-control none', 'rcpt', 'queued', 'disconnected'],
  )
})

test('two clients at once do not get into each other’s messages', async () => {
  const server = await TestServer.start()
  const clients = await Promise.all(Array.from({ length: 20 }, () => server.greeted()))
  const replies = await Promise.all(
    clients.map((client, n) =>
      client.send(`a${n}@client.example`, TO, `Subject: ${n}\r\n\r\n${'x'.repeat(n * 3_000)}`),
    ),
  )
  assert.ok(replies.every((reply) => reply.startsWith('250 ')))
  for (const message of server.stored) {
    const n = /^a(\d+)@/.exec(message.reversePath)?.[1]
    assert.ok(server.sent(message).includes(`\r\nSubject: ${n}\r\n`))
  }
  await server.stop()
})
