/** STARTTLS on real sockets: what may be injected, cut off, reset or delayed (RFC 3207). */
import assert from 'node:assert/strict'
import { type AddressInfo, createServer } from 'node:net'
import { test } from 'node:test'
import { connect } from 'node:tls'
import fc from 'fast-check'
import type { Listener } from '../../../core/smtp/client-session.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { testCertificate } from '../../support/test-certificate.ts'
import { pass, type TestPlugin } from './panel.ts'
import { relayControl, TestServer, type TestServerOptions } from './test-server.ts'

const STARTTLS: Listener = { role: 'mx', address: '127.0.0.1:25', tls: 'starttls' }
const IMPLICIT: Listener = { role: 'mx', address: '127.0.0.1:465', tls: 'implicit' }

const start = (listener: Listener, options: TestServerOptions = {}): Promise<TestServer> =>
  TestServer.start({ listener, tls: testCertificate(), ...options })

/** A client that was told to begin the handshake. */
async function ready(server: TestServer): Promise<RawClient> {
  const client = await server.greeted('before.example')
  assert.equal(await client.ask('STARTTLS'), '220 2.0.0 Ready to start TLS')
  return client
}

async function ended(server: TestServer, sessions: number): Promise<readonly unknown[]> {
  const end = performance.now() + 20_000
  while (server.logged('session-ended').length < sessions && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 5))
  assert.equal(server.logged('session-ended').length, sessions)
  return server.logged('session-ended').map(({ by }) => by)
}

test('plugins, trace field, origin and record know of TLS; HELO is asked for again', async (t) => {
  const seen: unknown[] = []
  const watching: TestPlugin = {
    name: 'watching',
    hooks: {
      helo: ({ session }) => (seen.push([session.hello?.name, session.tls]), pass()),
      queue: ({ origin }) => (seen.push(origin.kind === 'smtp' ? origin.tls : 'none'), pass()),
    },
  }
  const server = await start(STARTTLS, { plugins: [relayControl, watching] })
  t.after(() => server.stop())
  const client = await ready(server)
  await client.secure({ servername: 'MX.example.test', maxVersion: 'TLSv1.3' })
  await client.ask('EHLO after.example')
  const tls = { version: 'TLSv1.3', cipher: 'TLS_AES_256_GCM_SHA384', servername: 'mx.example.test' }
  assert.match(await client.send('a@client.example', ['user@example.test'], 'Subject: x\r\n\r\nx'), /^250 /)
  assert.deepEqual(seen, [['before.example', null], ['after.example', tls], tls])
  const [message] = server.stored
  assert.ok(message?.origin.kind === 'smtp')
  assert.deepEqual(message.origin.tls, tls)
  assert.match(server.sent(message), /^Received: from after\.example .*\r\n\tby .* with ESMTPS id /)
  const record = server.records.find(message.origin.session)
  assert.deepEqual(
    record?.entries.flatMap((entry) => ('event' in entry && entry.event === 'tls' ? [entry.detail] : [])),
    [tls],
  )
})

test('a server name that is no host name is not repeated anywhere', async (t) => {
  const server = await start(STARTTLS)
  t.after(() => server.stop())
  const client = await ready(server)
  await client.secure({ servername: 'evil name\r\n\u001b[31m' })
  await client.ask('EHLO after.example')
  assert.doesNotMatch(JSON.stringify(server.records), /evil/)
  assert.doesNotMatch(JSON.stringify(server.lines), /evil/)
})

const INJECTED = 'MAIL FROM:<injected@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n'

test('commands behind STARTTLS never reach the session inside TLS, however they are split', async (t) => {
  const mails: string[] = []
  const watching: TestPlugin = {
    name: 'watching',
    hooks: { mail: ({ transaction }) => (mails.push(transaction.reversePath), pass()) },
  }
  const server = await start(STARTTLS, {
    plugins: [relayControl, watching],
    limits: { connections: 10_000, connectionsPerNetwork: 10_000 },
  })
  t.after(() => server.stop())
  const attempt = async (commands: number, cuts: readonly number[]): Promise<void> => {
    const client = await server.greeted()
    const text = `STARTTLS\r\n${'NOOP\r\n'.repeat(commands)}${INJECTED}`
    const ends = [...new Set(cuts.map((cut) => cut % text.length))].toSorted((a, b) => a - b)
    let from = 0
    for (const end of [...ends, text.length]) {
      client.raw(text.slice(from, end))
      from = end
      await new Promise((resolve) => setImmediate(resolve))
    }
    const heard = (await client.closed()).split('\r\n').filter((line) => line !== '')
    assert.ok(heard.length <= 1, JSON.stringify(heard))
    assert.match(heard[0] ?? '220 ', /^(?:503 5\.5\.1 Wait for 220|220 2\.0\.0 Ready)/)
  }
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 500 }), fc.array(fc.nat(4_000), { maxLength: 8 }), attempt),
    { numRuns: 60 },
  )
  // Right behind the command, and one octet into what follows.
  for (const cut of [10, 11, 12]) await attempt(0, [cut])
  assert.deepEqual(mails, [])
})

test('a ClientHello that does not wait for 220 ends the session', async (t) => {
  const server = await start(STARTTLS)
  t.after(() => server.stop())
  const client = await server.greeted()
  client.raw('STARTTLS\r\n\x16\x03\x01\x02\x00\x01\x00\x01\xfc')
  assert.match(await client.closed(), /^503 5\.5\.1 [^\r]*\r\n$/)
})

for (const [what, octets] of [
  ['plaintext', 'EHLO client.example\r\n'],
  ['garbage', '\x00\xff\x16\x03'.repeat(100)],
  ['a ClientHello that is none', '\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00'],
] as const)
  for (const listener of [STARTTLS, IMPLICIT])
    test(`${what} in the place of the handshake ends the session (${listener.tls})`, async (t) => {
      const server = await start(listener)
      t.after(() => server.stop())
      const client = listener === STARTTLS ? await ready(server) : await server.connect()
      client.raw(octets)
      assert.doesNotMatch(await client.closed(), /^[2-5]\d\d[ -]/m)
      const [by] = await ended(server, 1)
      assert.match(String(by), /^ERR_SSL_/)
    })

for (const listener of [STARTTLS, IMPLICIT])
  test(`a handshake that does not end is ended, however steadily octets come (${listener.tls})`, async (t) => {
    const server = await start(listener, { limits: { idleMs: 300 } })
    t.after(() => server.stop())
    const client = listener === STARTTLS ? await ready(server) : await server.connect()
    client.raw('\x16\x03\x01\x02\x00')
    const dripping = setInterval(() => client.raw('\x01'), 50)
    t.after(() => clearInterval(dripping))
    await client.closed()
    assert.deepEqual(await ended(server, 1), ['handshake-timeout'])
  })

const steps: Readonly<Record<string, (client: RawClient) => Promise<unknown>>> = {
  'at once': async () => {},
  'after the greeting': (client) => client.reply(),
  'with STARTTLS': async (client) => {
    await client.reply()
    await client.ask('EHLO client.example')
    client.say('STARTTLS')
  },
  'before the handshake': async (client) => {
    await client.reply()
    await client.ask('EHLO client.example')
    await client.ask('STARTTLS')
  },
  'within the handshake': async (client) => {
    await client.reply()
    await client.ask('EHLO client.example')
    await client.ask('STARTTLS')
    client.raw('\x16\x03\x01\x02\x00\x01\x00')
  },
  'right behind the ClientHello': async (client) => {
    await client.reply()
    await client.ask('EHLO client.example')
    await client.ask('STARTTLS')
    client.secure().catch(() => {})
    await new Promise((resolve) => setImmediate(resolve))
  },
  'after the handshake': async (client) => {
    await client.reply()
    await client.ask('EHLO client.example')
    await client.ask('STARTTLS')
    await client.secure()
  },
  'within DATA': async (client) => {
    await client.reply()
    await client.ask('EHLO client.example')
    await client.ask('STARTTLS')
    await client.secure()
    await client.ask('EHLO client.example')
    await client.ask('MAIL FROM:<a@client.example>')
    await client.ask('RCPT TO:<user@example.test>')
    await client.ask('DATA')
    client.raw('Subject: half\r\n')
  },
}
for (const [when, step] of Object.entries(steps))
  for (const how of ['reset', 'destroy'] as const)
    test(`a client that is gone ${when} (${how}) leaves nothing behind`, async (t) => {
      const server = await start(STARTTLS)
      t.after(() => server.stop())
      const client = await server.connect()
      await step(client)
      client[how]()
      await ended(server, 1)
      assert.equal(server.stored.length, 0)
      assert.equal(server.logged('bug').length, 0)
      assert.deepEqual(
        server.smtp.listeners().map(({ connections }) => connections),
        [0],
      )
      assert.match(await (await server.connect()).reply(), /^220 /)
    })

test('a client that is gone at any octet of its part of the handshake leaves nothing behind', async (t) => {
  const server = await start(IMPLICIT, { limits: { connections: 10_000, connectionsPerNetwork: 10_000 } })
  t.after(() => server.stop())
  const hello = await clientHello()
  const offsets = Array.from({ length: 40 }, (_, i) => Math.round((i * hello.length) / 39))
  for (const offset of offsets) {
    const client = await server.connect()
    client.raw(hello.subarray(0, offset).toString('latin1'))
    if (offset % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
    client.reset()
  }
  await ended(server, offsets.length)
  assert.equal(server.logged('bug').length, 0)
  const alive = await server.connect()
  await alive.secure()
  assert.match(await alive.reply(), /^220 /)
})

/** What a client says first. */
async function clientHello(): Promise<Buffer> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const said = new Promise<Buffer>((resolve) =>
    server.once('connection', (socket) => {
      socket.once('data', (octets) => {
        resolve(octets)
        socket.destroy()
      })
    }),
  )
  const { port } = server.address() as AddressInfo
  connect({ port, host: '127.0.0.1' }).on('error', () => {})
  try {
    return await said
  } finally {
    server.close()
  }
}

test('TLS that ends within a message ends the session: what follows in the clear is not read', async (t) => {
  const server = await start(STARTTLS)
  t.after(() => server.stop())
  const client = await ready(server)
  const secure = await client.secure()
  await client.ask('EHLO client.example')
  await client.ask('MAIL FROM:<a@client.example>')
  await client.ask('RCPT TO:<user@example.test>')
  await client.ask('DATA')
  client.raw('Subject: cut\r\n\r\n')
  await new Promise<void>((resolve) => secure.end(() => resolve()))
  await ended(server, 1)
  assert.equal(server.stored.length, 0)
})

test('nobody begins a second handshake within TLS 1.2', async (t) => {
  const server = await start(STARTTLS)
  t.after(() => server.stop())
  const client = await ready(server)
  const secure = await client.secure({ maxVersion: 'TLSv1.2' })
  await client.ask('EHLO client.example')
  const renegotiated = await new Promise<boolean>((resolve) => {
    secure.once('close', () => resolve(false))
    secure.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error === null))
  })
  assert.equal(renegotiated, false)
  assert.match(await (await server.connect()).reply(), /^220 /)
})

test('clients that come at once are all served, and the handshake waits for none of them', async (t) => {
  const server = await start(IMPLICIT)
  t.after(() => server.stop())
  const silent = await server.connect()
  const clients = await Promise.all(Array.from({ length: 20 }, () => server.connect()))
  const greetings = clients.map(async (client) => {
    await client.secure()
    return client.reply()
  })
  assert.deepEqual(new Set(await Promise.all(greetings)), new Set(['220 mx.example.test ESMTP']))
  assert.equal(await silent.silence(10), '')
})

test('a session inside TLS is let go when the server drains', async (t) => {
  const server = await start(STARTTLS)
  const client = await ready(server)
  await client.secure()
  await client.ask('EHLO client.example')
  server.smtp.drain()
  t.after(() => server.stop())
  assert.match(await client.reply(), /^421 4\.3\.2 /)
  await server.smtp.closed()
})

test('a certificate that is exchanged is shown to the next client', async (t) => {
  const tls = { ...testCertificate() }
  const server = await start(IMPLICIT, { tls })
  t.after(() => server.stop())
  const { secureContext } = await import('../../../core/tls/secure-context.ts')
  const { selfSigned } = await import('../../../core/tls/self-signed.ts')
  const name = async (): Promise<unknown> => {
    const client = await server.connect()
    const secure = await client.secure()
    return secure.getPeerCertificate().subject.CN
  }
  assert.equal(await name(), 'mx.example.test')
  const next = secureContext(selfSigned('next.example.test', Date.now(), 10), { certificate: '', key: '' })
  assert.ok(!('kind' in next))
  Object.assign(tls, { context: next })
  assert.equal(await name(), 'next.example.test')
})

test('a listener that is to offer TLS needs a certificate', async () => {
  await assert.rejects(TestServer.start({ listener: STARTTLS }), /no certificate for 127\.0\.0\.1:25/)
})
