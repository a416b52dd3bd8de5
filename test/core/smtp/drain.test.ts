import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pass, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const FAREWELL = '421 4.3.2 mx.example.test is about to stop'

test('idle sessions end at once', async () => {
  const server = await TestServer.start()
  const [greeted, silent] = [await server.greeted(), await server.connect()]
  await silent.reply()
  server.smtp.drain()
  assert.equal(await greeted.line(), FAREWELL)
  assert.equal(await silent.line(), FAREWELL)
  await server.smtp.closed()
  await server.stop()
})

test('a transaction under way is finished, then its session ends', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  await client.ask('MAIL FROM:<a@client.example>')
  server.smtp.drain()
  assert.match(await client.ask('RCPT TO:<user@example.test>'), /^250 /)
  assert.match(await client.ask('DATA'), /^354 /)
  let isClosed = false
  void server.smtp.closed().then(() => (isClosed = true))
  client.raw('Subject: x\r\n\r\n.\r\n')
  assert.match(await client.line(), /^250 2\.0\.0 Queued/)
  assert.equal(await client.line(), FAREWELL)
  assert.equal(isClosed, false)
  await client.closed()
  await server.smtp.closed()
  assert.equal(server.stored.length, 1)
  await server.stop()
})

test('a transaction that is given up ends the session', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  await client.ask('MAIL FROM:<a@client.example>')
  server.smtp.drain()
  assert.match(await client.ask('RSET'), /^250 /)
  assert.equal(await client.line(), FAREWELL)
  await server.stop()
})

test('a client being answered hears its answer first', async () => {
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  const slow: TestPlugin = {
    name: 'slow',
    hooks: {
      helo: async () => {
        asked.resolve()
        await answered.promise
        return pass()
      },
    },
  }
  const server = await TestServer.start({ plugins: [slow, relayControl] })
  const client = await server.connect()
  await client.reply()
  client.say('HELO client.example')
  await asked.promise
  server.smtp.drain()
  assert.equal(await client.silence(20), '')
  answered.resolve()
  assert.equal(await client.line(), '250 mx.example.test')
  assert.equal(await client.line(), FAREWELL)
  await server.stop()
})

test('MAIL pipelined behind the end of a message does not begin another one', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  for (const line of ['MAIL FROM:<>', 'RCPT TO:<user@example.test>', 'DATA']) await client.ask(line)
  server.smtp.drain()
  client.raw('.\r\nMAIL FROM:<>\r\nRCPT TO:<user@example.test>\r\n')
  assert.match(await client.line(), /^250 /)
  assert.equal(await client.line(), FAREWELL)
  assert.equal(await client.closed(), '')
  await server.stop()
})

test('who connects all the same is told', async () => {
  const server = await TestServer.start()
  server.smtp.drain()
  const client = await server.connect()
  assert.equal(await client.line(), FAREWELL)
  assert.equal(await client.closed(), '')
  await server.stop()
})

test('open connections are counted by listener', async () => {
  const server = await TestServer.start()
  const [first] = [await server.greeted(), await server.greeted()]
  const count = (): readonly number[] => server.smtp.listeners().map(({ connections }) => connections)
  assert.deepEqual(server.smtp.listeners(), [
    { role: 'mx', address: '127.0.0.1:25', tls: 'off', connections: 2 },
  ])
  first.destroy()
  while (count()[0] !== 1) await first.silence(5)
  await server.stop()
  assert.deepEqual(count(), [0])
})
