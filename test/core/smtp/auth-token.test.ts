/** Signing in by a bearer token that a plugin knows: OAUTHBEARER (RFC 7628) and XOAUTH2. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listener } from '../../../core/smtp/client-session.ts'
import type { Credentials } from '../../../core/smtp/ports.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { testCertificate } from '../../support/test-certificate.ts'
import { defer, fault, pass, reject, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const SUBMISSION: Listener = { role: 'submission', address: '127.0.0.1:465', tls: 'implicit' }
/** Of RFC 7628 §4.1. */
const TOKEN = 'vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=='

const base64 = (text: string): string => Buffer.from(text).toString('base64')
const bearer = (name: string, token: string): string =>
  base64(`n,a=${name},\u0001host=server.example.com\u0001port=587\u0001auth=Bearer ${token}\u0001\u0001`)
const google = (name: string, token: string): string =>
  base64(`user=${name}\u0001auth=Bearer ${token}\u0001\u0001`)

/** Knows one token; a name of its choice says what else happens. */
const issuer: TestPlugin = {
  name: 'issuer',
  seesCredentials: true,
  hooks: {
    auth: ({ identity, token }) => {
      if (identity === 'later') return defer('4.7.0', 'The issuer does not answer')
      if (identity === 'not-here') return reject('5.7.1', 'Not from there')
      if (identity === 'broken') return fault()
      return token === TOKEN ? pass({ kind: 'auth.accept', identity: identity || 'of-the-token' }) : pass()
    },
  },
}
const nobody: Credentials = { verify: async () => ({ kind: 'wrong' }) }

async function connected(
  t: { after(run: () => Promise<void>): void },
  plugins: readonly TestPlugin[] = [issuer],
): Promise<{ readonly server: TestServer; readonly client: RawClient; readonly offer: string }> {
  const options = { listener: SUBMISSION, tls: testCertificate(), credentials: nobody }
  const server = await TestServer.start({ ...options, plugins: [...plugins, relayControl] })
  t.after(() => server.stop())
  const client = await server.connect()
  await client.secure()
  await client.reply()
  const ehlo = await client.ask('EHLO client.example')
  return { server, client, offer: /AUTH (.*)/.exec(ehlo)?.[1] ?? '' }
}

const forms = [
  { method: 'OAUTHBEARER', of: bearer, error: { status: 'invalid_token' }, heard: 'AQ==' },
  { method: 'XOAUTH2', of: google, error: { status: '401', schemes: 'bearer' }, heard: '' },
] as const

for (const { method, of, error, heard } of forms) {
  test(`${method}: a plugin is told name and token, and says who it is`, async (t) => {
    const { server, client, offer } = await connected(t)
    assert.equal(offer, 'PLAIN LOGIN OAUTHBEARER XOAUTH2')
    assert.equal(await client.ask(`AUTH ${method} ${of('user@example.com', TOKEN)}`), '235 2.7.0 Signed in')
    const [told] = server.panel.events.flatMap(({ hook, event }) => (hook === 'auth' ? [event] : []))
    assert.ok(told !== undefined && 'token' in told)
    assert.deepEqual(
      [told.method, told.identity, told.password, told.token],
      [method, 'user@example.com', null, TOKEN],
    )
    assert.equal(server.logged('signed-in')[0]?.['identity'], 'user@example.com')
    assert.match(await client.send('user@example.com', ['a@example.test'], 'Subject: x\r\n\r\nx'), /^250 /)
  })

  test(`${method}: without an initial response the client is asked for one`, async (t) => {
    const { client } = await connected(t)
    assert.equal(await client.ask(`AUTH ${method}`), '334 ')
    assert.match(await client.ask(of('user@example.com', TOKEN)), /^235 /)
  })

  test(`${method}: a wrong token is answered with JSON, and 535 when that was heard (RFC 7628 §3.2.3)`, async (t) => {
    const { server, client } = await connected(t)
    const challenge = await client.ask(`AUTH ${method} ${of('user@example.com', 'c3Rhcg')}`)
    assert.match(challenge, /^334 /)
    assert.deepEqual(JSON.parse(Buffer.from(challenge.slice(4), 'base64').toString()), error)
    assert.match(await client.ask(heard), /^535 5\.7\.8 /)
    assert.equal(server.logged('refused').length, 1)
    // Or the client gives up by itself.
    assert.match(await client.ask(`AUTH ${method} ${of('user@example.com', 'c3Rhcg')}`), /^334 /)
    assert.equal(await client.ask('*'), '501 5.7.0 Cancelled')
    assert.match(await client.ask('MAIL FROM:<user@example.com>'), /^530 /)
    // It counted all the same.
    assert.match(await client.ask(`AUTH ${method} ${of('user@example.com', 'c3Rhcg')}`), /^421 4\.7\.0 /)
  })

  test(`${method}: what a plugin says is said, trouble without a challenge`, async (t) => {
    const { client } = await connected(t)
    const said = (name: string): Promise<string> => client.ask(`AUTH ${method} ${of(name, TOKEN)}`)
    assert.match(await said('later'), /^454 4\.7\.0 The issuer does not answer/)
    assert.match(await said('broken'), /^454 4\.7\.0 /)
    assert.match(await said('not-here'), /^334 /)
    assert.match(await client.ask(heard), /^535 5\.7\.1 Not from there/)
    assert.match(await said('user@example.com'), /^235 /)
  })

  test(`${method}: nothing of a token is in log, record or later events`, async (t) => {
    const { server, client } = await connected(t)
    const secret = 'wrong-but-close.secret'
    await client.ask(`AUTH ${method} ${of('user@example.com', secret)}`)
    await client.ask(heard)
    await client.ask(`AUTH ${method} ${of('user@example.com', TOKEN)}`)
    await client.ask('QUIT')
    await client.closed()
    const [session] = server.logged('session-ended')
    const record = server.records.find(String(session?.['session']))
    const others = server.panel.events.filter(({ hook }) => hook !== 'auth')
    const all = JSON.stringify([server.lines, record, others])
    assert.ok(all.includes('user@example.com'), 'something is there to be searched')
    for (const word of [secret, TOKEN, base64(secret), base64(TOKEN), of('user@example.com', TOKEN)])
      assert.ok(!all.includes(word), word)
  })
}

test('a token may say alone who it is for', async (t) => {
  const { server, client } = await connected(t)
  assert.match(
    await client.ask(`AUTH OAUTHBEARER ${base64(`n,,\u0001auth=Bearer ${TOKEN}\u0001\u0001`)}`),
    /^235 /,
  )
  assert.equal(server.logged('signed-in')[0]?.['identity'], 'of-the-token')
})

test('nobody who may see a token: not offered, and unknown', async (t) => {
  const { client, offer } = await connected(t, [{ ...issuer, seesCredentials: false }])
  assert.equal(offer, 'PLAIN LOGIN')
  assert.match(await client.ask(`AUTH OAUTHBEARER ${bearer('a', TOKEN)}`), /^504 5\.5\.4 /)
  assert.match(await client.ask('AUTH XOAUTH2'), /^504 5\.5\.4 /)
})

const malformed: readonly (readonly [method: string, message: string])[] = [
  ['OAUTHBEARER', ''],
  ['OAUTHBEARER', '\u0001'],
  ['OAUTHBEARER', `n,a=user,\u0001auth=Bearer ${TOKEN}\u0001`],
  ['OAUTHBEARER', `n,a=user\u0001auth=Bearer ${TOKEN}\u0001\u0001`],
  ['OAUTHBEARER', `p=tls-exporter,,\u0001auth=Bearer ${TOKEN}\u0001\u0001`],
  ['OAUTHBEARER', `n,a=us=er,\u0001auth=Bearer ${TOKEN}\u0001\u0001`],
  ['OAUTHBEARER', `n,a=us\0er,\u0001auth=Bearer ${TOKEN}\u0001\u0001`],
  ['OAUTHBEARER', 'n,a=user,\u0001host=x\u0001\u0001'],
  ['OAUTHBEARER', 'n,a=user,\u0001auth=Bearer \u0001\u0001'],
  ['OAUTHBEARER', `n,a=user,\u0001auth=Basic ${TOKEN}\u0001\u0001`],
  ['OAUTHBEARER', 'n,a=user,\u0001auth=Bearer a b\u0001\u0001'],
  ['OAUTHBEARER', 'n,a=user,\u0001auth=Bearer a\u0001auth=Bearer b\u0001\u0001'],
  ['XOAUTH2', ''],
  ['XOAUTH2', `user=\u0001auth=Bearer ${TOKEN}\u0001\u0001`],
  ['XOAUTH2', `user=a\u0001auth=Bearer ${TOKEN}\u0001`],
  ['XOAUTH2', `user=a\u0001auth=${TOKEN}\u0001\u0001`],
  ['XOAUTH2', `user=a\u0001auth=Bearer ${TOKEN}\u0001\u0001more`],
]
for (const [method, message] of malformed)
  test(`${method} ${JSON.stringify(message)} is none, and nobody is asked`, async (t) => {
    const { server, client } = await connected(t)
    assert.match(await client.ask(`AUTH ${method} ${base64(message) || '='}`), /^501 5\.5\.2 /)
    assert.deepEqual(server.panel.calls.includes('issuer auth'), false)
  })

test('a token fills a line of AUTH and no more', async (t) => {
  const { client } = await connected(t)
  // 9 216 octets are 12 288 in base64, which is the longest line.
  const room = 9_216 - Buffer.from(google('a', ''), 'base64').length
  await client.ask('AUTH XOAUTH2')
  assert.match(await client.ask(google('a', 'x'.repeat(room))), /^334 /)
  await client.ask('')
  await client.ask('AUTH XOAUTH2')
  assert.match(await client.ask(google('a', 'x'.repeat(room + 1))), /^500 5\.5\.6 /)
})
