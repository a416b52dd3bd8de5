/** Signing in by SCRAM over SMTP: real TLS, the real users file, a client written from the RFC (RFC 5802, RFC 4954 §4). */
import assert from 'node:assert/strict'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import { formatUser } from '../../../core/credentials/users-text.ts'
import { type FileCredentials, openCredentials } from '../../../core/gateway/credentials.ts'
import { systemClock } from '../../../core/observe/clock.ts'
import { silentLog } from '../../../core/observe/log.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { ScramClient, type ScramClientOptions } from '../../support/scram-client.ts'
import { testCertificate } from '../../support/test-certificate.ts'
import { cheapUser } from '../credentials/cheap-user.ts'
import { pass, reject, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const PASSWORD = 'wonderland rabbit'
const folder = await mkdtemp(join(tmpdir(), 'postern-scram-'))
const saltSecretFile = join(folder, 'store', 'salt-secret')
let credentials: FileCredentials
let files = 0
before(async () => {
  const without = { ...cheapUser('older', PASSWORD), scram: null }
  const users = [cheapUser('anna', PASSWORD), cheapUser('bert', 'sesame'), without]
  credentials = await open(users.map(formatUser).join('\n'))
})
after(async () => {
  await credentials.close()
  await rm(folder, { recursive: true })
})

async function open(text: string): Promise<FileCredentials> {
  const file = join(folder, `users-${++files}`)
  await writeFile(file, text, { mode: 0o600 })
  const opened = await openCredentials({ file, saltSecretFile, log: silentLog, clock: systemClock })
  assert.ok(opened)
  return opened
}

interface Signed {
  readonly server: TestServer
  readonly client: RawClient
  readonly socket: TLSSocket
  readonly offer: string
}

async function connected(
  t: { after(run: () => Promise<void>): void },
  plugins: readonly TestPlugin[] = [],
  tls: ConnectionOptions = {},
  file = credentials,
): Promise<Signed> {
  const listener = { role: 'submission', address: '127.0.0.1:465', tls: 'implicit' } as const
  const server = await TestServer.start({
    listener,
    tls: testCertificate(),
    credentials: file,
    plugins: [...plugins, relayControl],
  })
  t.after(() => server.stop())
  const client = await server.connect()
  const socket = await client.secure(tls)
  await client.reply()
  const ehlo = await client.ask('EHLO client.example')
  return { server, client, socket, offer: /AUTH (.*)/.exec(ehlo)?.[1] ?? '' }
}

interface Outcome {
  readonly reply: string
  readonly believes: boolean
  readonly serverFirst: string
}

async function signIn(
  client: RawClient,
  options: ScramClientOptions,
  mechanism = 'SCRAM-SHA-256',
): Promise<Outcome> {
  const scram = new ScramClient(options)
  const first = await client.ask(`AUTH ${mechanism} ${scram.first}`)
  if (!first.startsWith('334 ')) return { reply: first, believes: false, serverFirst: '' }
  const serverFirst = first.slice(4)
  const final = await client.ask(scram.final(serverFirst))
  if (!final.startsWith('334 ')) return { reply: final, believes: false, serverFirst }
  return { believes: scram.believes(final.slice(4)), reply: await client.ask(''), serverFirst }
}

test('both sides prove themselves, and the identity is that of the users file', async (t) => {
  const { server, client, offer } = await connected(t)
  assert.equal(offer, 'SCRAM-SHA-256-PLUS SCRAM-SHA-256 PLAIN LOGIN')
  const { reply, believes } = await signIn(client, { name: 'anna', password: PASSWORD })
  assert.equal(reply, '235 2.7.0 Signed in')
  assert.equal(believes, true)
  assert.deepEqual(
    server.logged('signed-in').map(({ identity, method }) => [identity, method]),
    [['anna', 'SCRAM-SHA-256']],
  )
  assert.match(await client.send('anna@example.test', ['user@example.test'], 'Subject: x\r\n\r\nx'), /^250 /)
})

test('without an initial response the client is asked for one; `*` ends it anywhere', async (t) => {
  const { client } = await connected(t)
  const scram = new ScramClient({ name: 'anna', password: PASSWORD })
  assert.equal(await client.ask('AUTH scram-sha-256'), '334 ')
  assert.equal(await client.ask('*'), '501 5.7.0 Cancelled')
  assert.match(await client.ask(`AUTH SCRAM-SHA-256 ${scram.first}`), /^334 /)
  assert.equal(await client.ask('*'), '501 5.7.0 Cancelled')
  assert.equal(await client.ask('AUTH SCRAM-SHA-256'), '334 ')
  const first = await client.ask(scram.first)
  assert.match(await client.ask(scram.final(first.slice(4))), /^334 /)
  assert.equal(await client.ask('*'), '501 5.7.0 Cancelled')
  assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^530 /)
})

test('who is proven has not signed in before it has heard the server, and says nothing of its own', async (t) => {
  const { client } = await connected(t)
  const scram = new ScramClient({ name: 'anna', password: PASSWORD })
  const first = await client.ask(`AUTH SCRAM-SHA-256 ${scram.first}`)
  assert.match(await client.ask(scram.final(first.slice(4))), /^334 /)
  assert.match(await client.ask('eA=='), /^501 5\.5\.2 /)
  assert.match(await client.ask('MAIL FROM:<anna@example.test>'), /^530 /)
})

for (const [who, options] of [
  ['a wrong password', { name: 'anna', password: 'wonderland rabbits' }],
  ['a name nobody has', { name: 'nobody', password: PASSWORD }],
  ['a name that can be none', { name: 'a b', password: PASSWORD }],
  ['an entry without keys', { name: 'older', password: PASSWORD }],
] as const)
  test(`${who}: 535 at the end, as for any other`, async (t) => {
    const { client } = await connected(t)
    const { reply, serverFirst } = await signIn(client, options)
    assert.match(reply, /^535 5\.7\.8 Wrong name or password \(r_/)
    assert.match(Buffer.from(serverFirst, 'base64').toString(), /^r=fyko[^,]+,s=[A-Za-z0-9+/]{22}==,i=\d+$/)
  })

test('in the name of somebody else: 535', async (t) => {
  const { client } = await connected(t)
  const { reply } = await signIn(client, { name: 'anna', password: PASSWORD, header: 'n,a=bert,' })
  assert.match(reply, /^535 5\.7\.8 /)
  const own = await signIn(client, { name: 'anna', password: PASSWORD, header: 'n,a=anna,' })
  assert.match(own.reply, /^235 /)
})

test('the salt of a name nobody has is the same again, after a restart too, and another for each', async (t) => {
  const saltOf = async (name: string, file = credentials): Promise<string> => {
    const { client } = await connected(t, [], {}, file)
    const { serverFirst } = await signIn(client, { name, password: 'x' })
    return /s=([^,]+)/.exec(Buffer.from(serverFirst, 'base64').toString())?.[1] ?? ''
  }
  const [one, again, other] = [await saltOf('carl'), await saltOf('carl'), await saltOf('dora')]
  assert.equal(one, again)
  assert.notEqual(one, other)
  const restarted = await open(formatUser(cheapUser('anna', PASSWORD)))
  t.after(() => restarted.close())
  assert.equal(await saltOf('carl', restarted), one)
  assert.equal((await stat(saltSecretFile)).mode & 0o777, 0o600)
})

test('nobody with keys: SCRAM is not offered, and a mechanism that is not offered is none', async (t) => {
  const file = await open(formatUser({ ...cheapUser('older', PASSWORD), scram: null }))
  t.after(() => file.close())
  const { client, offer } = await connected(t, [], {}, file)
  assert.equal(offer, 'PLAIN LOGIN')
  assert.match(await client.ask('AUTH SCRAM-SHA-256 biwsbj1hLHI9eA=='), /^504 5\.5\.4 /)
})

const exporter = (socket: TLSSocket): Buffer =>
  socket.exportKeyingMaterial(32, 'EXPORTER-Channel-Binding', Buffer.of())

test('-PLUS binds to this connection and to no other (RFC 9266)', async (t) => {
  const { server, client, socket } = await connected(t)
  const bound = { name: 'anna', password: PASSWORD, header: 'p=tls-exporter,,' }
  const elsewhere = await signIn(client, { ...bound, binding: Buffer.alloc(32) }, 'SCRAM-SHA-256-PLUS')
  assert.match(elsewhere.reply, /^535 5\.7\.8 /)
  const here = await signIn(client, { ...bound, binding: exporter(socket) }, 'SCRAM-SHA-256-PLUS')
  assert.match(here.reply, /^235 /)
  assert.equal(here.believes, true)
  assert.equal(server.logged('signed-in')[0]?.['method'], 'SCRAM-SHA-256-PLUS')
})

const mismatched: readonly (readonly [header: string, mechanism: string])[] = [
  // RFC 5802 §6: who believes that we cannot was lied to.
  ['y,,', 'SCRAM-SHA-256'],
  ['p=tls-exporter,,', 'SCRAM-SHA-256'],
  ['n,,', 'SCRAM-SHA-256-PLUS'],
  ['y,,', 'SCRAM-SHA-256-PLUS'],
  ['p=tls-unique,,', 'SCRAM-SHA-256-PLUS'],
]
for (const [header, mechanism] of mismatched)
  test(`${mechanism} with "${header}" ends at once`, async (t) => {
    const { client } = await connected(t)
    const { reply } = await signIn(client, { name: 'anna', password: PASSWORD, header }, mechanism)
    assert.match(reply, /^501 5\.5\.2 /)
  })

test('in TLS 1.2 there is nothing to bind to, and a client that could is told the truth', async (t) => {
  const { client, offer } = await connected(t, [], { maxVersion: 'TLSv1.2' })
  assert.equal(offer, 'SCRAM-SHA-256 PLAIN LOGIN')
  const { reply } = await signIn(client, { name: 'anna', password: PASSWORD, header: 'y,,' })
  assert.match(reply, /^235 /)
})

test('plugins are told the name and no secret; one may refuse, and one that accepts names who has proven itself', async (t) => {
  const rename: TestPlugin = {
    name: 'rename',
    hooks: {
      auth: ({ identity }) =>
        identity === 'bert' ? reject('5.7.1', 'Not you') : pass({ kind: 'auth.accept', identity: 'renamed' }),
    },
  }
  const { server, client } = await connected(t, [rename])
  assert.match((await signIn(client, { name: 'anna', password: 'wrong' })).reply, /^535 5\.7\.8 /)
  assert.match((await signIn(client, { name: 'bert', password: 'sesame' })).reply, /^535 5\.7\.1 Not you/)
  assert.match((await signIn(client, { name: 'anna', password: PASSWORD })).reply, /^235 /)
  assert.equal(server.logged('signed-in')[0]?.['identity'], 'renamed')
  const told = server.panel.events.flatMap(({ hook, event }) => (hook === 'auth' ? [event] : []))
  assert.deepEqual(
    told.map((event) => 'password' in event && [event.method, event.identity, event.password, event.token]),
    ['anna', 'bert', 'anna'].map((name) => ['SCRAM-SHA-256', name, null, null]),
  )
})

test('the third failure in a connection ends it', async (t) => {
  const { client } = await connected(t)
  const wrong = { name: 'anna', password: 'wrong' }
  assert.match((await signIn(client, wrong)).reply, /^535 /)
  assert.match((await signIn(client, wrong)).reply, /^535 /)
  assert.match((await signIn(client, wrong)).reply, /^421 4\.7\.0 /)
  await client.closed()
})
