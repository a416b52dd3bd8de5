/** Certificates of clients as facts for plugins, and host names clients ask for (RFC 8446 §4.4.2, RFC 6066 §3). */
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { ConnectionOptions, TLSSocket } from 'node:tls'
import type { TlsFacts } from '../../../core/mail/session.ts'
import { clientCertificate } from '../../../core/smtp/client-certificate.ts'
import type { Listener } from '../../../core/smtp/client-session.ts'
import type { ServerCertificate } from '../../../core/smtp/ports.ts'
import { namesOf } from '../../../core/tls/certificate-names.ts'
import type { PemPair } from '../../../core/tls/key-pair.ts'
import { secureContext } from '../../../core/tls/secure-context.ts'
import { selfSigned } from '../../../core/tls/self-signed.ts'
import { pass, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const DAY_MS = 86_400_000
const FILES = { certificate: 'test', key: 'test' }
const server = selfSigned('mx.example.test', Date.now(), 10)
const other = selfSigned('other.example.test', Date.now(), 10)
const known = selfSigned('client.example', Date.now(), 10)
const expired = selfSigned('late.example', Date.now() - 20 * DAY_MS, 10)
const stranger = selfSigned('stranger.example', Date.now(), 10)

function certificate(authorities: readonly string[]): ServerCertificate {
  const contextOf = (pair: PemPair) => {
    const context = secureContext(pair, FILES, authorities)
    assert.ok(!('kind' in context))
    return context
  }
  const [first, second] = [contextOf(server), contextOf(other)]
  return {
    context: first,
    contextFor: (host) => (host === 'other.example.test' ? second : first),
    verifiesClients: authorities.length > 0,
  }
}

const ASKING: Listener = {
  role: 'mx',
  address: '127.0.0.1:25',
  tls: 'starttls',
  clientCertificates: 'request',
}

interface Seen {
  readonly facts: TlsFacts | null
  readonly socket: TLSSocket
  readonly server: TestServer
  readonly reply: string
}

async function seen(
  t: { after(run: () => Promise<void>): void },
  options: ConnectionOptions & { readonly listener?: Listener; readonly authorities?: readonly string[] },
): Promise<Seen> {
  const { listener = ASKING, authorities = [known.certificate, expired.certificate], ...tls } = options
  let facts: TlsFacts | null = null
  const watching: TestPlugin = {
    name: 'watching',
    hooks: { mail: ({ session }) => ((facts = session.tls), pass()) },
  }
  const started = await TestServer.start({
    listener,
    tls: certificate(authorities),
    plugins: [watching, relayControl],
  })
  t.after(() => started.stop())
  const client = await started.greeted()
  await client.ask('STARTTLS')
  const socket = await client.secure(tls)
  await client.ask('EHLO client.example')
  const reply = await client.send('a@client.example', ['user@example.test'], 'Subject: x\r\n\r\nx')
  return { facts, socket, server: started, reply }
}

const showing = ({ certificate: cert, key }: PemPair): ConnectionOptions => ({ cert, key })

test('a certificate an authority vouches for is verified, and its facts reach plugins, origin and record', async (t) => {
  const { facts, server: started } = await seen(t, showing(known))
  const expected = {
    subject: 'CN=client.example',
    issuer: 'CN=client.example',
    names: ['DNS:client.example'],
    fingerprint: new X509Certificate(known.certificate).fingerprint256.replaceAll(':', '').toLowerCase(),
    verified: true,
    reason: null,
  }
  assert.deepEqual(facts?.clientCertificate, expected)
  const origin = started.stored[0]?.origin
  assert.ok(origin?.kind === 'smtp')
  assert.deepEqual(origin.tls?.clientCertificate, expected)
  assert.match(JSON.stringify(started.records.find(origin.session)), new RegExp(expected.fingerprint))
})

const worth: readonly (readonly [
  what: string,
  pair: PemPair,
  authorities: readonly string[],
  why: string,
])[] = [
  ['of a stranger', stranger, [known.certificate], 'DEPTH_ZERO_SELF_SIGNED_CERT'],
  ['that has expired', expired, [expired.certificate], 'CERT_HAS_EXPIRED'],
  ['where nobody vouches', known, [], 'NO_AUTHORITIES'],
]
for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  for (const [what, pair, authorities, why] of worth)
    test(`one ${what} is told of and not verified, in ${version}: mail goes on`, async (t) => {
      const { facts, reply } = await seen(t, { ...showing(pair), authorities, maxVersion: version })
      assert.equal(facts?.version, version)
      assert.equal(facts?.clientCertificate?.verified, false)
      assert.equal(facts?.clientCertificate?.reason, why)
      assert.match(reply, /^250 /)
    })

test('a client without one is as welcome', async (t) => {
  const { facts, reply } = await seen(t, {})
  assert.notEqual(facts, null)
  assert.equal(facts !== null && 'clientCertificate' in facts, false)
  assert.match(reply, /^250 /)
})

test('a listener that does not ask is told of none', async (t) => {
  const { clientCertificates: _, ...listener } = ASKING
  const { facts } = await seen(t, { ...showing(known), listener })
  assert.notEqual(facts, null)
  assert.equal(facts !== null && 'clientCertificate' in facts, false)
})

test('names that would read as more than one are left out, and a long one is cut', async (t) => {
  const sly = selfSigned('a.test, DNS:b.test', Date.now(), 10)
  const { facts } = await seen(t, showing(sly))
  assert.deepEqual(facts?.clientCertificate?.names, [])
  assert.equal(facts?.clientCertificate?.subject, 'CN=a.test\\, DNS:b.test')
})

test('a control character in a certificate reaches nobody', async (t) => {
  const { facts } = await seen(t, showing(selfSigned('a\r\nX: y\u001b[31m', Date.now(), 10)))
  assert.doesNotMatch(JSON.stringify(facts?.clientCertificate), /\\u00|\\r|\\n/)
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`the certificate is that of the host a client asks for, in ${version}`, async (t) => {
    const shown = async (servername?: string): Promise<unknown> => {
      const asked = servername === undefined ? {} : { servername }
      const { socket } = await seen(t, { ...asked, maxVersion: version })
      return socket.getPeerCertificate().subject.CN
    }
    assert.equal(await shown('other.example.test'), 'other.example.test')
    assert.equal(await shown('mx.example.test'), 'mx.example.test')
    assert.equal(await shown('nobody.example.test'), 'mx.example.test')
    assert.equal(await shown(), 'mx.example.test')
  })

test('the host asked for makes no difference to who is verified', async (t) => {
  const { facts } = await seen(t, { ...showing(known), servername: 'other.example.test' })
  assert.equal(facts?.clientCertificate?.verified, true)
})

for (const version of ['TLSv1.2', 'TLSv1.3'] as const)
  test(`no session is gone on with in ${version}: whoever shows a certificate is looked at each time`, async (t) => {
    let session: Buffer | undefined
    const started = await TestServer.start({ listener: ASKING, tls: certificate([known.certificate]) })
    t.after(() => started.stop())
    for (const pair of [known, stranger]) {
      const client = await started.greeted()
      await client.ask('STARTTLS')
      const resumed = session === undefined ? {} : { session }
      const socket = await client.secure({ ...showing(pair), ...resumed, maxVersion: version })
      socket.on('session', (told) => (session = told))
      await client.ask('EHLO client.example')
      assert.equal(socket.isSessionReused(), false)
      session ??= socket.getSession()
      await client.ask('QUIT')
    }
    assert.notEqual(session, undefined)
  })

/** Made with `openssl req -x509 -subj /`. */
const NAMELESS = `-----BEGIN CERTIFICATE-----
MIIBVzCB/aADAgECAhQInJEg4ktRQG/UnjplIsCPjwAKDjAKBggqhkjOPQQDAjAA
MCAXDTI2MTEyNDIyNTIzOFoYDzIxMjYxMDMxMjI1MjM4WjAAMFkwEwYHKoZIzj0C
AQYIKoZIzj0DAQcDQgAEVGpCn4BxweDSv5sraRwU/PcrJi5IGN7+Cg1Kew7u4wfn
P1OtGrOCYzLO4d9LLz0xDlTs23kAi8V2xzn/B8mXdKNTMFEwHQYDVR0OBBYEFF3x
Y844PtYuBE0JWOu+dZMsxCNqMB8GA1UdIwQYMBaAFF3xY844PtYuBE0JWOu+dZMs
xCNqMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAPVkA9JZ80Q/
l/UBRM64KlBz8/oCx3l/3JpiBVWSH6dKAiEAxoO4IrWta8ajYM5iYrecFJzwbD5H
zP4dxh0hOhWc25Q=
-----END CERTIFICATE-----`

test('one whose names are empty is told with empty names (RFC 5280 §4.1.2.6)', () => {
  const { subject, issuer } = clientCertificate(new X509Certificate(NAMELESS), 'self-signed')
  assert.deepEqual([subject, issuer], ['', ''])
  assert.equal(namesOf(NAMELESS).size, 0)
})
