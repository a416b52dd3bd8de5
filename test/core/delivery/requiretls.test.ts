/** REQUIRETLS on the way out (RFC 8689), and what is written down of TLS. */
import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import { NO_DSN_RECIPIENT } from '../../../core/mail/dsn-parameters.ts'
import type { Need, Origin } from '../../../core/mail/session.ts'
import type { RemoteTls, Script } from '../../support/fake-remote.ts'
import { type NamedServer, namedServer } from '../../support/test-certificate.ts'
import { type ExchangerStand, exchangerStandFor, setDomain } from './exchanger-stand.ts'
import { until } from './until.ts'

const TLS_ALONE: Script = ({ verb, isSecured }) =>
  verb === 'ehlo' ? `250-remote.test\r\n250 ${isSecured ? 'SIZE 0' : 'STARTTLS'}` : undefined
const REQUIRING: Script = ({ verb, isSecured }) =>
  verb === 'ehlo' ? `250-remote.test\r\n250 ${isSecured ? 'REQUIRETLS' : 'STARTTLS'}` : undefined
const PROMISES_IN_CLEAR: Script = ({ verb }) => {
  if (verb === 'starttls') return '502 5.5.1 what?'
  return verb === 'ehlo' ? '250-remote.test\r\n250 REQUIRETLS' : undefined
}

let certified: NamedServer | null = null
const server = (): NamedServer => (certified ??= namedServer('mx.d.test'))
const tls = (): RemoteTls => ({ context: server().context })

function origin(needs: readonly Need[]): Origin {
  return {
    kind: 'smtp',
    session: 's_0000000000000000',
    client: { address: '192.0.2.1', port: 25, network: '192.0.2.1' },
    hello: null,
    tls: null,
    identity: null,
    tags: [],
    needs,
  }
}

/** One domain with these exchangers by name, each a remote. */
async function standWith(
  t: TestContext,
  scripts: Readonly<Record<number, Script>>,
  hosts: readonly string[] = ['mx.d.test'],
): Promise<ExchangerStand> {
  const stand = await exchangerStandFor(t, scripts, {
    tls: tls(),
    trust: server().trust,
    routeNotice: ({ to }) =>
      Promise.resolve({
        recipients: [{ address: to, route: 'mx:home.test', hold: null }],
        tags: [],
        lifeSeconds: null,
      }),
  })
  setDomain(
    stand.dns,
    'd.test',
    hosts.map((host, index) => [10 * (index + 1), host, [index + 1]]),
  )
  return stand
}

interface Fate {
  readonly result: string
  readonly detail: string
  readonly remote: string
}

/** Sends mail to d.test; what its first attempt came to. */
async function send(
  stand: ExchangerStand,
  needs: readonly Need[],
  { reversePath = 'from@home.test', route = 'mx:d.test' } = {},
): Promise<Fate> {
  const recipients = [{ address: 'a@d.test', route, hold: null, dsn: NO_DSN_RECIPIENT }]
  const id = await stand.addChanged(route, ['a@d.test'], { origin: origin(needs), reversePath, recipients })
  await until(() => stand.attempts.some(({ queueId }) => queueId === id))
  const attempt = stand.attempts.find(({ queueId }) => queueId === id)
  const [told] = attempt?.recipients ?? []
  return { result: told?.result ?? '', detail: told?.detail ?? '', remote: attempt?.remote ?? '' }
}

const mails = (stand: ExchangerStand, last: number): readonly string[] =>
  stand.remotes.get(last)?.commands.filter((command) => command.startsWith('MAIL')) ?? []

describe('REQUIRETLS by mail exchangers', { concurrency: 6 }, () => {
  test('goes inside TLS to an exchanger that is who its name says and offers it', async (t) => {
    const stand = await standWith(t, { 1: REQUIRING })
    assert.equal((await send(stand, ['REQUIRETLS'])).result, 'delivered')
    const remote = stand.remotes.get(1)
    assert.deepEqual(mails(stand, 1), ['MAIL FROM:<from@home.test> REQUIRETLS'])
    assert.deepEqual(remote?.securedCommands, remote?.commands.slice(2))
    assert.equal(stand.attempts[0]?.tls?.isVerified, true)
  })

  const rows: readonly (readonly [what: string, script: Script, host: string, detail: RegExp])[] = [
    ['offers no REQUIRETLS inside TLS', TLS_ALONE, 'mx.d.test', /^5\.7\.30 .*does not offer it/],
    ['has a certificate for another name', REQUIRING, 'other.d.test', /^5\.7\.10 .*encryption is needed/],
    ['has no TLS, whatever it promises', PROMISES_IN_CLEAR, 'mx.d.test', /^5\.7\.10 .*encryption is needed/],
  ]
  for (const [what, script, host, detail] of rows)
    test(`an exchanger that ${what} gets nothing, and the sender is told`, async (t) => {
      const stand = await standWith(t, { 1: script }, [host])
      const fate = await send(stand, ['REQUIRETLS'])
      assert.match(fate.detail, detail)
      assert.equal(fate.result, 'bounced')
      assert.deepEqual(mails(stand, 1), [])
      assert.ok(!stand.lines.some(({ event }) => event === 'site-rests'))
    })

  test('the next exchanger is tried', async (t) => {
    const stand = await standWith(t, { 1: TLS_ALONE, 2: REQUIRING }, ['other.d.test', 'mx.d.test'])
    const fate = await send(stand, ['REQUIRETLS'])
    assert.deepEqual([fate.result, fate.remote], ['delivered', stand.shown('mx.d.test', 2)])
    assert.deepEqual(mails(stand, 1), [])
  })

  test('while one of them may do better another time it is tried again', async (t) => {
    const busy: Script = (said) => (said.verb === 'starttls' ? '454 4.7.0 not now' : REQUIRING(said))
    const stand = await standWith(t, { 1: TLS_ALONE, 2: busy }, ['other.d.test', 'mx.d.test'])
    assert.equal((await send(stand, ['REQUIRETLS'])).result, 'deferred')
  })

  test('mail that does not ask for it goes to the same exchanger by a connection of its own', async (t) => {
    const stand = await standWith(t, { 1: TLS_ALONE }, ['other.d.test'])
    assert.equal((await send(stand, [])).result, 'delivered')
    assert.equal((await send(stand, ['REQUIRETLS'])).result, 'bounced')
    assert.equal((await send(stand, [])).result, 'delivered')
    assert.deepEqual(mails(stand, 1), [
      'MAIL FROM:<from@home.test> SIZE=32',
      'MAIL FROM:<from@home.test> SIZE=32',
    ])
  })

  test('the notice about it asks for it too, and is not lost where nobody offers it (§5)', async (t) => {
    const stand = await standWith(t, { 1: TLS_ALONE, 2: REQUIRING }, ['other.d.test'])
    setDomain(stand.dns, 'home.test', [[10, 'mx.d.test', [2]]])
    await send(stand, ['REQUIRETLS'])
    await until(() => mails(stand, 2).length === 1)
    assert.deepEqual(mails(stand, 2), ['MAIL FROM:<> REQUIRETLS'])
    assert.deepEqual((await send(stand, ['REQUIRETLS'], { reversePath: '' })).result, 'delivered')
    assert.deepEqual(mails(stand, 1), ['MAIL FROM:<> SIZE=32'])
  })
})

describe('REQUIRETLS by a named host', { concurrency: 2 }, () => {
  test('is a matter of its certificate and what it offers', async (t) => {
    const stand = await standWith(t, { 1: REQUIRING, 2: TLS_ALONE })
    setDomain(stand.dns, 'x.test', [[10, 'other.d.test', [2]]])
    const by = (host: string) => ({ route: `smtp://${host}:${stand.port}` })
    assert.equal((await send(stand, ['REQUIRETLS'], by('mx.d.test'))).result, 'delivered')
    const refused = await send(stand, ['REQUIRETLS'], by('other.d.test'))
    assert.deepEqual([refused.result, refused.detail.slice(0, 6)], ['bounced', '5.7.10'])
  })
})

describe('what an attempt says of TLS', { concurrency: 3 }, () => {
  test('version, cipher and that nobody was verified where it was taken because it was offered', async (t) => {
    const stand = await standWith(t, { 1: TLS_ALONE })
    await send(stand, [])
    const [attempt] = stand.attempts
    assert.deepEqual(
      [attempt?.tls?.version, attempt?.tls?.isVerified],
      ['TLSv1.3', false],
      'the certificate of the test is from nobody',
    )
    assert.match(attempt?.tls?.cipher ?? '', /^TLS_AES_/)
    const logged = stand.lines.find(({ event }) => event === 'delivery-attempt')
    assert.deepEqual(logged?.['tls'], attempt?.tls)
  })

  test('the same when the connection ended before the attempt did', async (t) => {
    const stand = await standWith(t, {
      1: (said) => (said.verb === 'dot' ? { after: 'drop' } : TLS_ALONE(said)),
    })
    assert.equal((await send(stand, [])).result, 'deferred')
    assert.equal(stand.attempts[0]?.tls?.version, 'TLSv1.3')
    assert.ok(!stand.lines.some(({ event }) => event === 'delivery-bug'))
  })

  test('nothing in the clear', async (t) => {
    const stand = await standWith(t, { 1: () => undefined })
    await send(stand, [])
    assert.equal(stand.attempts[0]?.tls, null)
  })

  test('a header TLS-Required: No changes nothing: TLS is an offer anyhow (§3)', async (t) => {
    const stand = await standWith(t, { 1: () => undefined })
    const id = await stand.accept('mx:d.test', ['a@d.test'], 'TLS-Required: No\r\n\r\nx\r\n')
    await until(() => stand.attempts.some(({ queueId }) => queueId === id))
    assert.equal(stand.attempts[0]?.recipients[0]?.result, 'delivered')
  })
})
