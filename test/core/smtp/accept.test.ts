import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DSN_RECIPIENT } from '../../../core/mail/dsn-parameters.ts'
import type { QueueEvent } from '../../../core/mail/hook-events.ts'
import type { NewMessage } from '../../../core/queue/queue-store.ts'
import { StoreFault } from '../../../core/queue/queue-store.ts'
import { defer, pass, reject, type TestPlugin } from './panel.ts'
import { acting, CONTENT, FROM, send, TO } from './sending.ts'
import { relayControl, TestServer } from './test-server.ts'

test('a message is stored with its envelope, its origin and its trace field, and then said to be ours', async () => {
  const { server, reply, message } = await send([])
  assert.equal(reply, '250 2.0.0 Queued as q_000000000001')
  assert.ok(message)
  assert.equal(message.id, 'q_000000000001')
  assert.equal(message.reversePath, FROM)
  assert.equal(message.expiresAt - message.acceptedAt, 432_000_000)
  assert.deepEqual(message.recipients, [
    { address: TO[0], route: 'smtp://192.0.2.1:25', hold: null, dsn: NO_DSN_RECIPIENT },
  ])
  assert.ok(message.origin.kind === 'smtp')
  assert.deepEqual(message.origin.hello, { verb: 'EHLO', name: 'client.example' })
  assert.equal(message.origin.client.address, '127.0.0.1')
  assert.match(server.sent(message), /^Received: from client\.example \(\[127\.0\.0\.1\]\)\r\n/)
  assert.ok(server.sent(message).endsWith(`\r\n${CONTENT}\r\n`))
})

test('the 250 waits for the store (RFC 5321 §6.1)', async () => {
  const server = await TestServer.start()
  const stored = Promise.withResolvers<never>()
  server.failStore = () => stored.promise
  const client = await server.greeted()
  const reply = client.send(FROM, TO, CONTENT)
  assert.equal(await client.silence(50), '')
  stored.resolve(undefined as never)
  assert.match(await reply, /^250 /)
  await server.stop()
})

test('fields are added in front of the header, under our trace field', async () => {
  const { server, message } = await send([
    acting('data', { kind: 'header.add', name: 'X-A', value: '1' }),
    acting('data', { kind: 'header.add', name: 'X-B', value: '2' }),
  ])
  assert.ok(message)
  assert.match(server.sent(message), /\+0000\r\nX-A: 1\r\nX-B: 2\r\nSubject: hello\r\n/)
  assert.equal(message.stored.contentOffset, 0)
})

test('fields are taken out without touching the rest, and an added one of that name stays', async () => {
  const { server, message } = await send([
    acting(
      'data',
      { kind: 'header.add', name: 'X-Old', value: 'new' },
      { kind: 'header.remove', name: 'x-OLD' },
    ),
  ])
  assert.ok(message)
  assert.match(server.sent(message), /X-Old: new\r\nSubject: hello\r\n\r\nbody\r\n$/)
  assert.equal(message.stored.contentOffset, 'Subject: hello\r\nX-Old: 1\r\n\r\n'.length)
})

test('an edit that cannot stand in a header ends the session, not the promise', async () => {
  const { server, reply } = await sendUntilClosed([
    acting('data', { kind: 'header.add', name: 'X-A', value: 'a\r\nBcc: b' }),
  ])
  assert.match(reply, /^421 4\.3\.0 Local error \(r_[a-z]{8}\)$/)
  assert.equal(server.stored.length, 0)
  assert.equal(server.logged('bug').length, 1)
  assert.match(String(server.logged('bug')[0]?.['error']), /TypeError.*\n\s+at /)
})

async function sendUntilClosed(
  plugins: readonly TestPlugin[],
): Promise<{ server: TestServer; reply: string }> {
  const server = await TestServer.start({ plugins: [relayControl, ...plugins] })
  const client = await server.greeted()
  const reply = await client.send(FROM, TO, CONTENT)
  await client.closed()
  await server.stop()
  return { server, reply }
}

test('edits of a large message copy its header and not its body', async () => {
  const content = `Subject: big\r\nX-Old: 1\r\n\r\n${'x'.repeat(70)}\r\n`.padEnd(50_000, 'y')
  const { server, message } = await send(
    [acting('data', { kind: 'header.remove', name: 'X-Old' })],
    TO,
    content,
  )
  assert.ok(message)
  assert.equal(message.stored.content.kind, 'spool')
  assert.ok(message.stored.head.byteLength < 500)
  assert.ok(server.sent(message).endsWith(`Subject: big\r\n\r\n${content.slice(content.indexOf('xxx'))}\r\n`))
})

test('recipients of discard: routes are settled at acceptance, the others are stored', async () => {
  const { reply, message, server } = await send([], ['one@gone.test', 'user@example.test'])
  assert.match(reply, /^250 /)
  assert.deepEqual(
    message?.recipients.map(({ address }) => address),
    ['user@example.test'],
  )
  assert.equal(server.logged('message-accepted')[0]?.['discarded'], 1)
})

test('when all is discarded nothing is stored, and the client cannot tell', async () => {
  const { reply, server } = await send([], ['one@gone.test'], 'x'.repeat(30_000))
  assert.equal(reply, '250 2.0.0 Queued as q_000000000001')
  assert.equal(server.stored.length, 0)
  assert.equal(server.spool.files.size, 0)
  assert.equal(server.smtp.counters.accepted, 1)
})

test('hold wins over discard, whoever asks for it and when', async () => {
  for (const hook of ['connect', 'helo', 'mail', 'rcpt', 'data', 'queue'] as const) {
    const { message } = await send(
      [acting(hook, { kind: 'hold', text: 'odd', recipients: null })],
      ['one@gone.test'],
    )
    assert.deepEqual(message?.recipients, [
      { address: 'one@gone.test', route: 'discard:', hold: `at-${hook}: odd`, dsn: NO_DSN_RECIPIENT },
    ])
  }
})

test('several reasons to hold are all kept', async () => {
  const { message } = await send([
    acting('mail', { kind: 'hold', text: 'one', recipients: null }),
    acting('data', { kind: 'hold', text: 'two', recipients: null }),
  ])
  assert.equal(message?.recipients[0]?.hold, 'at-mail: one; at-data: two')
})

test('the queue hook is told routes by configuration and may set others; the first wins', async () => {
  const to = ['user@example.test', 'other@example.test']
  const { message, server } = await send(
    [
      acting('data', { kind: 'route.set', destination: 'maildir:/first', recipients: ['user@example.test'] }),
      acting('queue', { kind: 'route.set', destination: 'maildir:/second', recipients: null }),
    ],
    to,
  )
  assert.deepEqual(
    message?.recipients.map(({ route }) => route),
    ['maildir:/first', 'maildir:/second'],
  )
  const told = server.panel.events.find(({ hook }) => hook === 'queue')?.event as QueueEvent
  assert.deepEqual(told.recipients, [
    {
      address: 'user@example.test',
      domain: { name: 'example.test', ours: true },
      route: 'smtp://192.0.2.1:25',
    },
    {
      address: 'other@example.test',
      domain: { name: 'example.test', ours: true },
      route: 'smtp://192.0.2.1:25',
    },
  ])
  assert.equal(told.message.sizeBytes, CONTENT.length + 2)
  assert.deepEqual(
    server.logged('route-ignored').map(({ plugin, recipient }) => [plugin, recipient]),
    [['at-queue', 'user@example.test']],
  )
  const steps = server.records.find('q_000000000001')?.entries.filter((entry) => 'event' in entry) ?? []
  assert.ok(steps.some((step) => step.event === 'route-ignored'))
})

test('a recipient nobody knows a way to is deferred with a reference', async () => {
  const granted: TestPlugin = { name: 'open', hooks: { rcpt: () => pass({ kind: 'relay.grant' }) } }
  const { reply, server } = await send([granted], ['user@elsewhere.example'])
  const [, reference = ''] =
    /^451 4\.3\.5 No route to user@elsewhere\.example \((r_[a-z]{8})\)$/.exec(reply) ?? []
  const entry = server.records.find(reference)?.entries.at(-2)
  assert.ok(entry && 'code' in entry)
  assert.equal(entry.code, 'NO_ROUTE')
  assert.equal(server.stored.length, 0)
})

test('the queue hook can only defer', async () => {
  const plugin = (answer: ReturnType<typeof defer>): TestPlugin => ({
    name: 'q',
    hooks: { queue: () => answer },
  })
  assert.match((await send([plugin(defer('4.7.1', 'Later'))])).reply, /^451 4\.7\.1 Later/)
  assert.match((await send([plugin(reject('5.7.1', 'Never'))])).reply, /^451 4\.7\.1 Never/)
})

test('mail for the host postmaster is held where no mailbox is configured', async () => {
  const { message } = await send([], ['Postmaster'])
  assert.deepEqual(message?.recipients, [
    {
      address: 'postmaster@mx.example.test',
      route: 'none:',
      hold: 'no mailbox for the postmaster',
      dsn: NO_DSN_RECIPIENT,
    },
  ])
})

test('mail for the host postmaster goes to the configured mailbox, once', async () => {
  const settings = { postmaster: 'admin@example.test' }
  const { message } = await send([], ['postmaster', 'admin@example.test'], CONTENT, { settings })
  assert.deepEqual(message?.recipients, [
    { address: 'admin@example.test', route: 'smtp://192.0.2.1:25', hold: null, dsn: NO_DSN_RECIPIENT },
  ])
})

test('one recipient is named in the trace field, several are not', async () => {
  const one = await send([])
  const two = await send([], ['user@example.test', 'other@example.test'])
  assert.match(one.server.sent(one.message as NewMessage), /\tfor <user@example\.test>;/)
  assert.doesNotMatch(two.server.sent(two.message as NewMessage), /\tfor </)
})

for (const [what, error, expected] of [
  ['full', new StoreFault('full', 'no room'), /^452 4\.3\.1 No room for mail, try again later \(r_/],
  ['away', new StoreFault('unavailable', 'locked'), /^451 4\.3\.0 Try again later \(r_/],
  ['out of disk', Object.assign(new Error('ENOSPC'), { code: 'ENOSPC', syscall: 'write' }), /^452 4\.3\.1 /],
  ['broken', Object.assign(new Error('EIO'), { code: 'EIO', syscall: 'fsync' }), /^451 4\.3\.0 /],
] as const) {
  test(`a store that is ${what} is trouble of ours: transient, logged once, and the session goes on`, async () => {
    const server = await TestServer.start()
    server.failStore = () => Promise.reject(error)
    const client = await server.greeted()
    assert.match(await client.send(FROM, TO, `${CONTENT}${'x'.repeat(30_000)}`), expected)
    assert.equal(server.logged('local-trouble').length, 1)
    assert.match(String(server.logged('local-trouble')[0]?.['session']), /^s_/)
    assert.equal(server.spool.files.size, 0)
    server.failStore = null
    assert.match(await client.send(FROM, TO, CONTENT), /^250 /)
    await server.stop()
  })
}

test('a spool that fails within the message is told behind the final dot', async () => {
  const server = await TestServer.start()
  server.spool.failWrite = new StoreFault('full', 'no room')
  const client = await server.greeted()
  assert.match(await client.send(FROM, TO, CONTENT), /^452 4\.3\.1 /)
  server.spool.failWrite = null
  assert.match(await client.send(FROM, TO, CONTENT), /^250 /)
  await server.stop()
})

test('a client that is gone before the store gets nothing stored', async () => {
  const asked = Promise.withResolvers<void>()
  const answered = Promise.withResolvers<void>()
  const slow: TestPlugin = {
    name: 'slow',
    hooks: {
      data: async () => {
        asked.resolve()
        await answered.promise
        return pass()
      },
    },
  }
  const server = await TestServer.start({ plugins: [relayControl, slow] })
  const client = await server.greeted()
  client.send(FROM, TO, 'x'.repeat(30_000)).catch(() => {})
  await asked.promise
  assert.equal(server.spool.files.size, 1)
  client.destroy()
  while (server.logged('session-ended').length === 0) await client.silence(5)
  answered.resolve()
  await client.silence(20)
  assert.equal(server.stored.length, 0)
  assert.equal(server.spool.files.size, 0)
  await server.stop()
})

test('a client that is gone before the final dot leaves nothing behind', async () => {
  const server = await TestServer.start()
  const client = await server.greeted()
  for (const line of ['MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.test>', 'DATA'])
    await client.ask(line)
  client.raw(`Subject: x\r\n\r\n${'x'.repeat(30_000)}`)
  await client.silence(20)
  client.destroy()
  while (server.spool.aborted.length === 0) await client.silence(5)
  assert.equal(server.stored.length, 0)
  assert.deepEqual(server.spool.aborted, ['q_000000000001'])
  await server.stop()
})

test('what the client wants to be told of is stored: RET and ENVID, NOTIFY and ORCPT of each recipient', async () => {
  const server = await TestServer.start({
    plugins: [relayControl],
    settings: { postmaster: 'admin@example.test' },
  })
  const client = await server.greeted()
  await client.ask(`MAIL FROM:<${FROM}> ENVID=QQ+2B1 ret=hdrs`)
  await client.ask('RCPT TO:<user@example.test> NOTIFY=success,failure ORCPT=rfc822;Old@example.test')
  await client.ask('RCPT TO:<user@example.test> NOTIFY=NEVER')
  await client.ask('RCPT TO:<postmaster> NOTIFY=NEVER')
  await client.ask('RCPT TO:<other@example.test>')
  await client.ask('DATA')
  assert.match(await client.ask(`${CONTENT}\r\n.`), /^250 /)
  await client.ask('QUIT')
  await client.closed()
  await server.stop()
  const message = server.stored.at(-1)
  assert.deepEqual(message?.dsn, { ret: 'HDRS', envid: 'QQ+1' })
  assert.deepEqual(
    message.recipients.map(({ address, dsn }) => [address, dsn]),
    [
      [
        'user@example.test',
        { notify: ['SUCCESS', 'FAILURE'], orcpt: { type: 'rfc822', address: 'Old@example.test' } },
      ],
      ['admin@example.test', { notify: [], orcpt: null }],
      ['other@example.test', NO_DSN_RECIPIENT],
    ],
  )
})
