/** F13: TLS that fails: opportunistic mail falls back once, mail that needs TLS waits and never leaves in the clear. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { standFor } from '../../core/delivery/delivery-stand.ts'
import { until } from '../../core/delivery/until.ts'
import { type Reaction, type RemoteTls, remoteFor, type Script } from '../../support/fake-remote.ts'
import { namedServer } from '../../support/test-certificate.ts'

const PATIENCE_MS = 2_000
const timeouts = {
  connectMs: PATIENCE_MS,
  greetingMs: PATIENCE_MS,
  commandMs: PATIENCE_MS,
  idleMs: PATIENCE_MS,
}

const offering: Script = ({ verb }) => (verb === 'ehlo' ? '250-remote.test\r\n250 STARTTLS' : undefined)
const answering =
  (reaction: Reaction): Script =>
  (said) => {
    if (said.verb === 'starttls') return reaction
    return offering(said)
  }

/** Without a TLS context of its own the remote goes on in the clear behind its 220: garbage to whoever begins TLS. */
const FAILURES: Readonly<Record<string, Reaction>> = {
  'garbage behind the 220': { reply: '220 2.0.0 go ahead\r\n250 nonsense' },
  'a reset behind the 220': { reply: '220 2.0.0 go ahead', after: 'reset' },
  'silence behind the 220': { reply: '220 2.0.0 go ahead', after: 'stall' },
  'a close behind the 220': { reply: '220 2.0.0 go ahead', after: 'drop' },
  'STARTTLS offered and refused': { reply: '454 4.7.0 TLS not available' },
}

for (const [name, reaction] of Object.entries(FAILURES))
  test(`F13: ${name}: once more in the clear`, { timeout: 60_000 }, async (t) => {
    const remote = await remoteFor(t, answering(reaction))
    const stand = await standFor(t, { timeouts, retryMs: [500], site: { restsMs: [500] } })
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.settled(40_000)
    assert.equal(remote.accepted.length, 1)
    assert.deepEqual(await stand.entries(), [])
  })

test('F13: a self-signed certificate is taken where nobody asked for another', {
  timeout: 30_000,
}, async (t) => {
  const tls: RemoteTls = { context: namedServer('other.test').context }
  const remote = await remoteFor(t, offering, tls)
  const stand = await standFor(t, { timeouts })
  await stand.accept(remote.route, ['a@remote.test'])
  await stand.settled()
  assert.ok(
    remote.securedCommands.some((command) => command.startsWith('MAIL')),
    'inside TLS',
  )
})

for (const [name, script, certificate] of [
  ['STARTTLS is not offered', undefined, null],
  ['the certificate is nobody’s we know', offering, 'remote.test'],
  ['the certificate is of another name', offering, 'other.test'],
  ['the handshake is answered with garbage', answering({ reply: '220 go\r\n250 nonsense' }), null],
] as const)
  test(`F13: mail that needs TLS waits while ${name}`, { timeout: 60_000 }, async (t) => {
    const tls = certificate === null ? null : { context: namedServer(certificate).context }
    const remote = await remoteFor(t, script, tls)
    const stand = await standFor(t, { timeouts, retryMs: [600_000] })
    const now = Date.now()
    await stand.addChanged(remote.route, ['a@remote.test'], {
      acceptedAt: now,
      origin: {
        kind: 'smtp',
        session: 's_x',
        client: { address: '192.0.2.1', port: 1, network: '192.0.2.1' },
        hello: null,
        tls: null,
        identity: null,
        tags: [],
        needs: ['REQUIRETLS'],
      },
    })
    await until(() => stand.attempts.length > 0, 30_000)
    const [entry] = await stand.entries()
    assert.ok(entry?.state === 'due' || entry?.state === 'held', entry?.state)
    assert.deepEqual(remote.messages, [], 'nothing was sent')
    assert.ok(!remote.commands.some((command) => command.startsWith('DATA')))
  })
