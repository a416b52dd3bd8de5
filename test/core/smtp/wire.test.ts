/** What the wire does with octets and writes, whatever is said: groups, backpressure, half-closed and broken connections. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { pass, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const ENVELOPE = 'MAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\n'

const slowly: TestPlugin = {
  name: 'slowly',
  hooks: {
    mail: async () => {
      await new Promise((resolve) => setTimeout(resolve, 20))
      return pass()
    },
  },
}

test('replies of a pipelined group leave in one write (RFC 2920 §3.2)', async () => {
  const server = await TestServer.start({ plugins: [slowly, relayControl] })
  const socket = server.plug()
  await socket.replies(1)
  socket.say('EHLO client.example\r\n')
  await socket.replies(1)
  socket.writes.length = 0
  const recipients = Array.from({ length: 20 }, (_, index) => `RCPT TO:<user${index}@example.test>\r\n`)
  socket.say(`RSET\r\nMAIL FROM:<a@client.example>\r\n${recipients.join('')}DATA\r\n`)
  while (!socket.writes.at(-1)?.startsWith('250 2.0.0 Reset')) await new Promise(setImmediate)
  assert.equal(socket.writes.length, 1)
  assert.deepEqual(
    socket.writes[0]?.split('\r\n').map((line) => line.slice(0, 3)),
    [...Array.from({ length: 22 }, () => '250'), '354', ''],
  )
  socket.destroy()
  await server.stop()
})

test('a reply a client may wait for is not kept back (RFC 2920 §3.2)', async () => {
  const held = Promise.withResolvers<void>()
  const holding: TestPlugin = { name: 'holding', hooks: { mail: () => held.promise.then(() => pass()) } }
  const server = await TestServer.start({ plugins: [holding, relayControl] })
  const client = await server.greeted()
  client.raw('NOOP\r\nMAIL FROM:<a@client.example>\r\n')
  assert.equal(await client.reply(), '250 2.0.0 OK')
  held.resolve()
  assert.match(await client.reply(), /^250 2\.1\.0 /)
  await server.stop()
})

test('content comes in pieces of any size, and what is behind it is answered', async () => {
  const server = await TestServer.start()
  const text = `EHLO a.example\r\n${ENVELOPE}`
  const content = 'Subject: x\r\n\r\n..dots\r\n.\r\nNOOP\r\nQUIT\r\n'
  for (const size of [1, 2, 3, 7, 1_000]) {
    const socket = server.plug()
    await socket.replies(1)
    const say = (octets: string): void => {
      for (let from = 0; from < octets.length; from += size) socket.say(octets.slice(from, from + size))
    }
    say(text)
    await socket.replies(3)
    say('DATA\r\n')
    assert.match((await socket.replies(1))[0] ?? '', /^354 /)
    say(content)
    assert.deepEqual(
      (await socket.replies(3)).map((reply) => reply.slice(0, 3)),
      ['250', '250', '221'],
    )
    const [stored] = server.stored.splice(0)
    assert.ok(stored !== undefined && server.sent(stored).endsWith('\r\nSubject: x\r\n\r\n.dots\r\n'))
    socket.destroy()
  }
  await server.stop()
})

test('a client that has ended its side hears the replies to all it had said (RFC 9293 §3.6)', async () => {
  const server = await TestServer.start({ plugins: [slowly, relayControl] })
  const socket = server.plug()
  await socket.replies(1)
  socket.say(`EHLO a.example\r\n${ENVELOPE}RSET\r\nNOOP\r\n`)
  socket.finish()
  assert.deepEqual(
    (await socket.replies(5)).map((reply) => reply.slice(0, 3)),
    ['250', '250', '250', '250', '250'],
  )
  while (!socket.writableFinished) await new Promise(setImmediate)
  await server.stop()
})

test('QUIT behind the final dot shows that the client is there to hear the reply', async () => {
  const deciding: TestPlugin = {
    name: 'deciding',
    hooks: { data: () => new Promise((resolve) => setTimeout(() => resolve(pass()), 30)) },
  }
  const server = await TestServer.start({ plugins: [deciding, relayControl] })
  for (const [behind, stored] of [
    ['QUIT\r\n', 1],
    ['', 0],
  ] as const) {
    const socket = server.plug()
    await socket.replies(1)
    socket.say(`EHLO a.example\r\n${ENVELOPE}DATA\r\n`)
    await socket.replies(4)
    socket.say(`Subject: x\r\n\r\n.\r\n${behind}`)
    socket.finish()
    while (!socket.destroyed) await new Promise(setImmediate)
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.equal(server.stored.splice(0).length, stored)
  }
  await server.stop()
})

test('an end within a message stores nothing', async () => {
  const server = await TestServer.start()
  const socket = server.plug()
  await socket.replies(1)
  socket.say(`EHLO a.example\r\n${ENVELOPE}DATA\r\n`)
  await socket.replies(4)
  socket.say('Subject: x\r\n\r\nhalf\r\n.\r')
  socket.finish()
  while (!socket.destroyed) await new Promise(setImmediate)
  await server.stop()
  assert.equal(server.stored.length, 0)
  assert.deepEqual(server.spool.aborted, ['q_000000000001'])
})

test('a command line that comes octet by octet has to be complete in time', async () => {
  const server = await TestServer.start({ limits: { idleMs: 300 } })
  const client = await server.greeted()
  const drip = setInterval(() => client.raw('N'), 20)
  assert.match(await client.line(), /^421 4\.4\.2 /)
  clearInterval(drip)
  await client.closed()
  await server.stop()
})

test('our own slowness is not counted as silence of the client', async () => {
  const patient: TestPlugin = {
    name: 'patient',
    hooks: { mail: () => new Promise((resolve) => setTimeout(() => resolve(pass()), 900)) },
  }
  const server = await TestServer.start({ plugins: [patient, relayControl], limits: { idleMs: 300 } })
  const client = await server.greeted()
  assert.match(await client.ask('MAIL FROM:<a@client.example>'), /^250 /)
  await server.stop()
})

test('content that takes too long ends the session, and nothing is stored', async () => {
  const server = await TestServer.start({ limits: { contentMs: 200 } })
  const client = await server.greeted()
  client.raw(`${ENVELOPE}DATA\r\n`)
  for (const code of ['250', '250', '354']) await client.expect(code, null)
  const drip = setInterval(() => client.raw('x\r\n'), 20)
  assert.equal(await client.line(), '421 4.4.2 The message came too slowly')
  clearInterval(drip)
  await client.closed()
  await server.stop()
  assert.equal(server.stored.length, 0)
})

test('a client that never reads is not kept for ever', async () => {
  const hostname = `${'x'.repeat(60)}.${'y'.repeat(60)}.${'z'.repeat(60)}.test`
  const limits = { errorsPerSession: Infinity, idleMs: 500 }
  const server = await TestServer.start({ settings: { hostname }, limits })
  const client = await server.greeted()
  client.pause()
  for (let i = 0; i < 120; i++) client.raw('EHLO a.example\r\n'.repeat(1_000))
  const deadline = performance.now() + 20_000
  while (server.logged('session-ended').length === 0 && performance.now() < deadline) await client.silence(20)
  assert.equal(server.logged('session-ended')[0]?.['by'], 'timeout')
  await server.stop()
})

const STEPS = [
  'EHLO client.example\r\n',
  'MAIL FROM:<a@client.example>\r\n',
  'RCPT TO:<user@example.test>\r\n',
  'DATA\r\n',
  'Subject: whole\r\n\r\n..a line\r\n.\r\n',
  'QUIT\r\n',
]

test('a reset at any octet of a session leaves nothing behind', async () => {
  const server = await TestServer.start({ limits: { connections: 1_000, connectionsPerNetwork: 1_000 } })
  const length = STEPS.join('').length
  const beforeDot = STEPS.slice(0, 5).join('').length
  let complete = 0
  for (let offset = 0; offset <= length; offset++) {
    const client = await server.connect()
    await client.reply()
    let left = offset
    for (const step of STEPS) {
      const part = step.slice(0, left)
      left -= part.length
      if (part !== '') client.raw(part)
      if (part.length < step.length || left === 0) break
      await client.reply()
    }
    if (offset >= beforeDot) complete++
    if (offset % 2 === 0) await new Promise(setImmediate)
    client.reset()
  }
  const deadline = performance.now() + 20_000
  while (server.smtp.listeners()[0]?.connections !== 0 && performance.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 10))
  assert.equal(server.smtp.listeners()[0]?.connections, 0, 'a connection was left open')
  assert.deepEqual(server.logged('bug'), [])
  assert.ok(server.stored.length <= complete, 'half a message was accepted')
  for (const message of server.stored)
    assert.ok(server.sent(message).endsWith('\r\nSubject: whole\r\n\r\n.a line\r\n'))
  assert.match(await (await server.greeted()).ask('NOOP'), /^250 /)
  await server.stop()
})

test('chunks come in pieces of any size, and every octet is where it belongs (RFC 3030)', async () => {
  const server = await TestServer.start()
  const chunks = 'BDAT 14\r\nSubject: x\r\n\r\nBDAT 0\r\nBDAT 10\r\n..dots\r\n.\rBDAT 6 LAST\r\n\n\r\nend'
  const text = `EHLO a.example\r\n${ENVELOPE}${chunks}NOOP\r\nQUIT\r\n`
  for (const size of [1, 2, 3, 7, 50, 1_000]) {
    const socket = server.plug()
    await socket.replies(1)
    for (let from = 0; from < text.length; from += size) socket.say(text.slice(from, from + size))
    assert.deepEqual(
      (await socket.replies(9)).map((reply) => reply.slice(0, 3)),
      ['250', '250', '250', '250', '250', '250', '250', '250', '221'],
    )
    const [stored] = server.stored.splice(0)
    assert.ok(
      stored !== undefined &&
        server.sent(stored).endsWith('\r\nSubject: x\r\n\r\n..dots\r\n.\r\n\r\nend\r\n'),
    )
    socket.destroy()
  }
  await server.stop()
})

test('replies to what stands before a chunk do not wait for it', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  client.raw(`${ENVELOPE}BDAT 4\r\nha`)
  await client.expect('250', null)
  await client.expect('250', null)
  client.raw('lf')
  assert.equal(await client.reply(), '250 2.0.0 4 octets received')
  await server.stop()
})

test('an end within a chunk, or behind the last one without QUIT, stores nothing', async () => {
  const server = await TestServer.start({ plugins: [slowly, relayControl] })
  for (const [behind, stored] of [
    ['BDAT 5 LAST\r\nhalf', 0],
    ['BDAT 4\r\nhalf', 0],
    ['BDAT 5 LAST\r\nwhole', 0],
    ['BDAT 5 LAST\r\nwholeQUIT\r\n', 1],
  ] as const) {
    const socket = server.plug()
    await socket.replies(1)
    socket.say(`EHLO a.example\r\n${ENVELOPE}${behind}`)
    socket.finish()
    while (!socket.destroyed) await new Promise(setImmediate)
    await new Promise((resolve) => setTimeout(resolve, 60))
    assert.equal(server.stored.splice(0).length, stored, behind)
  }
  assert.equal(server.spool.aborted.length, 3)
  await server.stop()
})

test('long lines are refused where that is configured, in all chunks together and at one listener alone', async () => {
  const listener = {
    role: 'mx',
    address: '127.0.0.1:25',
    tls: 'off',
    limits: { longLines: 'refuse' },
  } as const
  const server = await TestServer.start({ listener })
  const client = await server.greeted()
  for (const [octets, code] of [
    [998, '250 2.0.0 Queued'],
    [999, '554 5.6.0 Message contains a line longer than 998 octets'],
  ] as const) {
    client.raw(
      `${ENVELOPE}BDAT 505\r\n\r\n\r\n.${'x'.repeat(500)}BDAT ${octets - 501} LAST\r\n${'x'.repeat(octets - 501)}`,
    )
    for (let i = 0; i < 3; i++) await client.expect('250', null)
    assert.ok((await client.reply()).startsWith(code))
    client.raw(`${ENVELOPE}DATA\r\n`)
    for (const reply of ['250', '250', '354']) await client.expect(reply, null)
    client.raw(`\r\n\r\n..${'x'.repeat(octets - 1)}\r\n.\r\n`)
    assert.ok((await client.reply()).startsWith(code))
  }
  await server.stop()
})

test('a listener has a size and an idle time of its own', async () => {
  const limits = { messageBytes: 2_000, idleMs: 150 }
  const server = await TestServer.start({
    listener: { role: 'mx', address: '127.0.0.1:25', tls: 'off', limits },
  })
  const client = await server.connect()
  await client.reply()
  assert.match(await client.ask('EHLO a.example'), /^250-SIZE 2000$/m)
  assert.match(await client.ask('MAIL FROM:<a@client.example> SIZE=2001'), /^552 5\.3\.4 /)
  assert.match(await client.line(), /^421 4\.4\.2 /)
  await server.stop()
})
