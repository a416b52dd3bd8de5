/** Signing in: who is asked, what each answer means, and that a password is nowhere afterwards (RFC 4954). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Answer, Fault } from '../../../core/mail/answer.ts'
import type { Listener } from '../../../core/smtp/client-session.ts'
import type { Credentials, OfferedCredentials, Verification } from '../../../core/smtp/ports.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { testCertificate } from '../../support/test-certificate.ts'
import { defer, disconnect, fault, pass, reject, type TestPlugin } from './panel.ts'
import { relayControl, TestServer, type TestServerOptions } from './test-server.ts'

const SUBMISSION: Listener = { role: 'submission', address: '127.0.0.1:465', tls: 'implicit' }
const PASSWORD = 'correct-horse-battery'
const REFERENCE = / \(r_\w{8}\)$/

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const plain = (name: string, password: string): string => `AUTH PLAIN ${base64(`\0${name}\0${password}`)}`

class Users implements Credentials {
  readonly asked: OfferedCredentials[] = []
  readonly #verification: Verification | null

  constructor(verification: Verification | null = null) {
    this.#verification = verification
  }

  async verify(offered: OfferedCredentials): Promise<Verification> {
    this.asked.push(offered)
    await pause(1)
    if (this.#verification !== null) return this.#verification
    return offered.password === PASSWORD
      ? { kind: 'verified', identity: 'anna@example.test' }
      : { kind: 'wrong' }
  }
}

async function signedUp(
  options: TestServerOptions,
): Promise<{ readonly server: TestServer; readonly client: RawClient }> {
  const server = await TestServer.start({ listener: SUBMISSION, tls: testCertificate(), ...options })
  const client = await server.connect()
  await client.secure()
  await client.reply()
  await client.ask('EHLO client.example')
  return { server, client }
}

const asking = (name: string, said: () => Answer | Fault, more: Partial<TestPlugin> = {}): TestPlugin => ({
  name,
  hooks: { auth: said },
  ...more,
})

const accepting = (name: string, identity: string): TestPlugin =>
  asking(name, () => pass({ kind: 'auth.accept', identity }))

test('the file of users is asked with the client network, and the identity is its word', async (t) => {
  const users = new Users()
  const { server, client } = await signedUp({ credentials: users })
  t.after(() => server.stop())
  assert.equal(await client.ask(plain('Anna', PASSWORD)), '235 2.7.0 Signed in')
  assert.deepEqual(
    users.asked.map(({ name, password, network }) => ({ name, password, network })),
    [{ name: 'Anna', password: PASSWORD, network: '127.0.0.1' }],
  )
  assert.match(await client.send('anna@example.test', ['user@example.test'], 'Subject: x\r\n\r\nx'), /^250 /)
  const origin = server.stored[0]?.origin
  assert.ok(origin?.kind === 'smtp')
  assert.equal(origin.identity, 'anna@example.test')
  assert.deepEqual(
    server.logged('signed-in').map(({ identity, method }) => [identity, method]),
    [['anna@example.test', 'PLAIN']],
  )
})

const busy: Verification = { kind: 'busy', reason: 'too many at once' }
const unavailable: Verification = { kind: 'unavailable', reason: 'the file cannot be read' }

/** Answers of plugins in the order of asking, what the file of users says, and the reply. */
const decisions: readonly {
  readonly what: string
  readonly plugins: readonly TestPlugin[]
  readonly users: Verification | null | 'none'
  readonly reply: RegExp
}[] = [
  {
    what: 'a plugin accepts',
    plugins: [accepting('a', 'bob')],
    users: { kind: 'wrong' },
    reply: /^235 2\.7\.0/,
  },
  {
    what: 'a plugin accepts, without a file',
    plugins: [accepting('a', 'bob')],
    users: 'none',
    reply: /^235 /,
  },
  {
    what: 'a plugin rejects',
    plugins: [asking('a', () => reject('5.7.1', 'Not you'))],
    users: null,
    reply: /^535 5\.7\.1 Not you/,
  },
  {
    what: 'a plugin defers',
    plugins: [asking('a', () => defer('4.7.0', 'Later'))],
    users: null,
    reply: /^454 4\.7\.0 Later/,
  },
  {
    what: 'a plugin disconnects',
    plugins: [asking('a', () => disconnect('4.7.0', 'Bye'))],
    users: null,
    reply: /^421 4\.7\.0 Bye/,
  },
  {
    what: 'one accepts, a later one rejects',
    plugins: [accepting('a', 'bob'), asking('b', () => reject('5.7.1', 'Not from there'))],
    users: null,
    reply: /^535 5\.7\.1 Not from there/,
  },
  { what: 'a plugin fails', plugins: [asking('a', () => fault())], users: null, reply: /^454 4\.7\.0/ },
  {
    what: 'one accepts, a later one fails',
    plugins: [accepting('a', 'bob'), asking('b', () => fault())],
    users: null,
    reply: /^454 4\.7\.0/,
  },
  {
    what: 'a failing plugin is skipped, the file knows',
    plugins: [asking('a', () => fault(), { onError: 'skip' })],
    users: null,
    reply: /^235 /,
  },
  {
    what: 'a failing plugin is skipped, nobody knows',
    plugins: [asking('a', () => fault(), { onError: 'skip' })],
    users: { kind: 'wrong' },
    reply: /^454 4\.7\.0/,
  },
  {
    what: 'a failing plugin is skipped, no file',
    plugins: [asking('a', () => fault(), { onError: 'skip' })],
    users: 'none',
    reply: /^454 4\.7\.0/,
  },
  {
    what: 'no plugin has an opinion, the file knows',
    plugins: [asking('a', () => pass())],
    users: null,
    reply: /^235 /,
  },
  {
    what: 'no plugin has an opinion, no file',
    plugins: [asking('a', () => pass())],
    users: 'none',
    reply: /^535 5\.7\.8/,
  },
  { what: 'the file says wrong', plugins: [], users: { kind: 'wrong' }, reply: /^535 5\.7\.8/ },
  { what: 'too much to do', plugins: [], users: busy, reply: /^454 4\.7\.0/ },
  { what: 'the file cannot be read', plugins: [], users: unavailable, reply: /^454 4\.7\.0/ },
]
for (const { what, plugins, users, reply } of decisions)
  test(`${what}: ${reply.source}`, async (t) => {
    const credentials = users === 'none' ? {} : { credentials: new Users(users) }
    const { server, client } = await signedUp({ plugins: [relayControl, ...plugins], ...credentials })
    t.after(() => server.stop())
    const said = await client.ask(plain('anna', PASSWORD))
    assert.match(said, reply)
    if (!said.startsWith('235')) assert.match(said, REFERENCE)
    if (said.startsWith('421')) return
    assert.match(
      await client.ask('MAIL FROM:<anna@example.test>'),
      said.startsWith('235') ? /^250 / : /^530 5\.7\.0/,
    )
  })

test('of two plugins that accept, the first one says who it is', async (t) => {
  const plugins = [relayControl, accepting('a', 'first'), accepting('b', 'second')]
  const { server, client } = await signedUp({ plugins })
  t.after(() => server.stop())
  await client.ask(plain('anna', PASSWORD))
  assert.deepEqual(
    server.logged('signed-in').map(({ identity }) => identity),
    ['first'],
  )
})

test('what a plugin is told at auth: who claims to be whom, and nobody is believed yet', async (t) => {
  const { server, client } = await signedUp({ plugins: [relayControl, accepting('a', 'bob')] })
  t.after(() => server.stop())
  await client.ask('AUTH LOGIN')
  await client.ask(base64('Anna'))
  await client.ask(base64(PASSWORD))
  const [told] = server.panel.events.filter(({ hook }) => hook === 'auth')
  assert.ok(told)
  const { session, ...rest } = told.event as { session: { identity: unknown; tls: unknown } }
  assert.deepEqual(rest, { method: 'LOGIN', identity: 'Anna', password: PASSWORD, token: null })
  assert.equal(session.identity, null)
  assert.notEqual(session.tls, null)
})

test('mail of somebody a failing plugin was passed over for with onError: hold is held', async (t) => {
  const failing = asking('checker', () => fault(), { onError: 'hold' })
  const { server, client } = await signedUp({ plugins: [relayControl, failing], credentials: new Users() })
  t.after(() => server.stop())
  assert.match(await client.ask(plain('anna', PASSWORD)), /^235 /)
  await client.send('anna@example.test', ['user@example.test'], 'Subject: x\r\n\r\nx')
  assert.equal(server.stored[0]?.recipients[0]?.hold, 'checker: failed in auth')
})

test('the third wrong password ends the session, whoever found it wrong', async (t) => {
  const rejecting = asking('a', () => reject('5.7.8', 'No'))
  const { server, client } = await signedUp({ plugins: [rejecting] })
  t.after(() => server.stop())
  assert.match(await client.ask(plain('anna', 'x')), /^535 /)
  assert.match(await client.ask(plain('anna', 'y')), /^535 /)
  assert.match(await client.ask(plain('anna', 'z')), /^421 4\.7\.0 No/)
  assert.equal(await client.closed(), '')
})

test('what is thrown while credentials are verified is 454 or ends the session, and never 5yz', async (t) => {
  const trouble = Object.assign(new Error('gone'), { syscall: 'open', code: 'EIO' })
  const throwing = (error: Error): Credentials => ({ verify: () => Promise.reject(error) })
  const disk = await signedUp({ credentials: throwing(trouble) })
  t.after(() => disk.server.stop())
  assert.match(await disk.client.ask(plain('anna', PASSWORD)), /^454 4\.7\.0/)
  assert.match(await disk.client.ask('NOOP'), /^250 /)
  const bug = await signedUp({ credentials: throwing(new TypeError('bug')) })
  t.after(() => bug.server.stop())
  assert.match(await bug.client.ask(plain('anna', PASSWORD)), /^421 4\.3\.0/)
})

test('a client that leaves is no longer waited for', async (t) => {
  const left = Promise.withResolvers<void>()
  const credentials: Credentials = {
    verify: async ({ signal }) => {
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()))
      left.resolve()
      return { kind: 'unavailable', reason: 'gone' }
    },
  }
  const { server, client } = await signedUp({ credentials })
  t.after(() => server.stop())
  client.say(plain('anna', PASSWORD))
  await pause(20)
  client.reset()
  await left.promise
  assert.deepEqual(server.logged('signed-in'), [])
})

for (const [role, tls, credentials, expected] of [
  ['submission', 'implicit', true, true],
  ['submission', 'implicit', false, false],
  ['mx', 'implicit', true, false],
] as const)
  test(`AUTH is ${expected ? '' : 'not '}offered: ${role}, ${credentials ? 'with' : 'without'} a file of users`, async (t) => {
    const listener: Listener = { role, address: '127.0.0.1:465', tls }
    const { server, client } = await signedUp({
      listener,
      ...(credentials ? { credentials: new Users() } : {}),
    })
    t.after(() => server.stop())
    assert.equal((await client.ask('EHLO client.example')).includes('AUTH'), expected)
    assert.equal((await client.ask(plain('anna', PASSWORD))).slice(0, 3), expected ? '235' : '502')
  })

test('AUTH is never offered in the clear, and a password sent there is not looked at', async (t) => {
  const users = new Users()
  const listener: Listener = { ...SUBMISSION, tls: 'starttls' }
  const server = await TestServer.start({ listener, tls: testCertificate(), credentials: users })
  t.after(() => server.stop())
  const client = await server.connect()
  await client.reply()
  assert.doesNotMatch(await client.ask('EHLO client.example'), /AUTH/)
  assert.match(await client.ask(plain('anna', PASSWORD)), /^538 5\.7\.11 /)
  assert.match(await client.ask('AUTH LOGIN'), /^538 5\.7\.11 /)
  assert.deepEqual(users.asked, [])
})

test('no password and no argument of AUTH is in a log, a record or an event of another hook', async (t) => {
  const users = new Users()
  const noOpinion: TestPlugin = {
    name: 'watching',
    hooks: {
      auth: () => pass(),
      helo: () => pass(),
      mail: () => pass(),
      rcpt: () => pass(),
      data: () => pass(),
    },
  }
  const { server, client } = await signedUp({ plugins: [relayControl, noOpinion], credentials: users })
  t.after(() => server.stop())
  const secrets = ['wrong-but-close-secret', 'typed-into-the-name-field', PASSWORD]
  await client.ask(`${plain('anna', secrets[0] ?? '')}=`)
  await client.ask(`AUTH PLAIN ${base64(`anna${secrets[0]}`)}`)
  await client.ask(plain('anna', secrets[0] ?? ''))
  await client.ask('AUTH LOGIN')
  await client.ask(base64(secrets[1] ?? ''))
  await client.ask(base64('x'))
  await client.ask(plain('anna', PASSWORD))
  await client.send('anna@example.test', ['user@example.test'], 'Subject: x\r\n\r\nx')
  await client.ask('QUIT')
  await client.closed()
  const [session] = server.logged('session-ended')
  const record = server.records.find(String(session?.['session']))
  const others = server.panel.events.filter(({ hook }) => hook !== 'auth')
  const all = JSON.stringify([server.lines, record, others, server.stored])
  assert.ok(all.includes('anna@example.test'), 'something is there to be searched')
  const words = secrets.flatMap((secret) => [
    secret,
    base64(secret),
    base64(`\0anna\0${secret}`),
    base64(`anna${secret}`),
  ])
  for (const word of words) assert.ok(!all.includes(word), word)
})

test('Date and Message-ID are completed at submission, kept when they are there, and left alone elsewhere', async (t) => {
  const { server, client } = await signedUp({ credentials: new Users() })
  t.after(() => server.stop())
  await client.ask(plain('anna', PASSWORD))
  const sent = async (header: string): Promise<string> => {
    assert.match(
      await client.send('anna@example.test', ['user@example.test'], `${header}\r\n\r\nbody`),
      /^250 /,
    )
    const newest = server.stored.at(-1)
    assert.ok(newest)
    return server.sent(newest)
  }
  const bare = await sent('Subject: x')
  assert.equal(bare.match(/^Date: /gm)?.length, 1)
  assert.match(bare, /^Message-ID: <q_\d+@mx\.example\.test>\r\nSubject: x\r\n\r\nbody/m)
  const whole = await sent('date: Thu, 01 Jan 1970 00:00:00 +0000\r\nMESSAGE-ID: <own@client.example>')
  assert.doesNotMatch(whole, /^(?:Date|Message-ID): /m)
  const inBody = await sent('Subject: y\r\n\r\nDate: in the body\r\nMessage-ID: too')
  assert.equal(inBody.match(/^Date: /gm)?.length, 2)
  const mx = await TestServer.start()
  t.after(() => mx.stop())
  const other = await mx.greeted()
  await other.send('a@client.example', ['user@example.test'], 'Subject: x\r\n\r\nbody')
  assert.doesNotMatch(mx.sent(mx.stored[0] as never), /^(?:Date|Message-ID): /m)
})
