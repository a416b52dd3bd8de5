import assert from 'node:assert/strict'
import { describe, type TestContext, test } from 'node:test'
import type { Channel, Opening } from '../../../core/delivery/channel.ts'
import { outcomeOf } from '../../../core/delivery/outcome.ts'
import { PlaintextHosts } from '../../../core/delivery/plaintext-hosts.ts'
import type { Login, Protection } from '../../../core/delivery/protection.ts'
import { openPeer } from '../../../core/delivery/session-opener.ts'
import type { Log, LogFields } from '../../../core/observe/log.ts'
import { silentLog } from '../../../core/observe/log.ts'
import {
  type FakeRemote,
  type RemoteTls,
  remoteFor,
  type Said,
  type Script,
} from '../../support/fake-remote.ts'
import { type NamedServer, namedServer } from '../../support/test-certificate.ts'
import { carried, open, opened, outgoing, results, sessionOptions } from './client-stand.ts'
import { exchangerStandFor, setDomain } from './exchanger-stand.ts'

const EHLO = '250-remote.test\r\n250-PIPELINING\r\n250 STARTTLS'
/** Offers STARTTLS in the clear, and signing in inside of it. */
const offering: Script = ({ verb, isSecured }) => {
  if (verb !== 'ehlo') return undefined
  return isSecured ? '250-remote.test\r\n250 AUTH PLAIN LOGIN' : EHLO
}

/** For handshakes nobody answers: long enough for a busy machine, short enough to wait for. */
const IMPATIENT_MS = 1_500

let certified: NamedServer | null = null
const server = (): NamedServer => (certified ??= namedServer('mail.remote.test'))
const tls = (isImplicit = false): RemoteTls => ({ context: server().context, isImplicit })

describe('TLS when it is offered (RFC 3207)', { concurrency: 8 }, () => {
  test('it is taken, whoever the server is, and the mail goes inside', async (t) => {
    const remote = await remoteFor(t, offering, tls())
    const channel = await open(t, remote.port)
    assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
    assert.deepEqual(remote.commands.slice(0, 3), [
      'EHLO mx.postern.test',
      'STARTTLS',
      'EHLO mx.postern.test',
    ])
    assert.deepEqual(remote.securedCommands, remote.commands.slice(2))
    assert.deepEqual(remote.serverNames, [], 'an IP address is no server name (RFC 6066 §3)')
  })

  test('what was offered before TLS is forgotten', async (t) => {
    const remote = await remoteFor(
      t,
      ({ verb, isSecured }) => {
        if (verb !== 'ehlo') return undefined
        return isSecured
          ? '250 remote.test'
          : '250-remote.test\r\n250-SIZE 10\r\n250-8BITMIME\r\n250 STARTTLS'
      },
      tls(),
    )
    const channel = await open(t, remote.port)
    assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
    assert.ok(remote.commands.includes('MAIL FROM:<from@example.test>'), 'without SIZE and BODY')
  })

  test('what comes behind the 220 is not heard inside TLS', async (t) => {
    const injected = Buffer.from('220 go ahead\r\n250-remote.test\r\n250 SIZE 10\r\n')
    const remote = await remoteFor(
      t,
      (said) => (said.verb === 'starttls' ? { reply: injected } : offering(said)),
      tls(),
    )
    const channel = await open(t, remote.port)
    assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
    assert.equal(remote.securedCommands[0], 'EHLO mx.postern.test')
    assert.ok(remote.securedCommands.includes('MAIL FROM:<from@example.test>'), 'SIZE was not believed')
  })

  const failures: readonly (readonly [
    what: string,
    script: Script,
    tls: RemoteTls | null,
    detail: RegExp,
  ])[] = [
    [
      'a refusal',
      (said) => (said.verb === 'starttls' ? '454 4.7.0 not now' : offering(said)),
      null,
      /454 4\.7\.0/,
    ],
    ['no handshake behind the 220', offering, null, /while starting TLS/],
    [
      'a connection closed behind the 220',
      (said) => (said.verb === 'starttls' ? { reply: '220 go', after: 'drop' } : offering(said)),
      null,
      /while starting TLS/,
    ],
    [
      'a connection closed inside TLS',
      (said) => (said.verb === 'ehlo' && said.isSecured ? { after: 'drop' } : offering(said)),
      tls(),
      /while starting TLS/,
    ],
  ]
  for (const [what, script, remoteTls, detail] of failures)
    test(`${what}: the mail goes on in the clear, on a new connection, and for an hour from the start`, async (t) => {
      const remote = await remoteFor(t, script, remoteTls)
      const { clock, plaintextHosts } = memory()
      const lines: (readonly [string, LogFields])[] = []
      const log: Log = { ...silentLog, warn: (event, fields = {}) => lines.push([event, fields]) }
      const unusual = { plaintextHosts, log, greetingMs: IMPATIENT_MS }
      const channel = await open(t, remote.port, unusual)
      assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
      assert.equal(remote.connections, 2)
      const [line] = lines
      assert.deepEqual(
        [lines.length, line?.[0], line?.[1]['remote']],
        [1, 'delivery-in-clear', channel.remote],
      )
      assert.match(String(line?.[1]['reason']), detail)

      await open(t, remote.port, unusual)
      assert.deepEqual([remote.connections, lines.length], [3, 1])
      clock.now = 3_600_001
      await open(t, remote.port, unusual)
      assert.deepEqual([remote.connections, lines.length], [5, 2])
    })

  test('a server that is unwell on the new connection too is not remembered', async (t) => {
    const remote = await remoteFor(t, (said) => {
      if (said.connection > 1 && said.verb === 'connect') return '421 4.3.2 going down'
      return said.verb === 'starttls' ? '454 4.7.0 not now' : offering(said)
    })
    const { plaintextHosts } = memory()
    const opening = await opened(remote.port, { plaintextHosts })
    assert.ok(!opening.ok)
    assert.match(outcomeOf(opening.met).detail, /^421 4\.3\.2/)
    assert.deepEqual([remote.connections, plaintextHosts.size], [2, 0])
  })
})

describe('TLS on the way to mail exchangers', { concurrency: 4 }, () => {
  test('it is taken when it is offered, and the name of the exchanger asked for', async (t) => {
    const stand = await exchangerStandFor(t, { 1: offering }, { tls: tls() })
    setDomain(stand.dns, 'd.test', [[10, 'mx.d.test', [1]]])
    assert.equal((await stand.send('mx:d.test')).state, 'gone')
    const remote = stand.remotes.get(1)
    assert.equal(remote?.securedCommands.length, (remote?.commands.length ?? 0) - 2)
    assert.deepEqual(remote?.serverNames, ['mx.d.test'])
  })

  test('an exchanger that fails at it gets its mail in the clear, and no other is troubled', async (t) => {
    const refusing: Script = (said) => (said.verb === 'starttls' ? '454 4.7.0 not now' : offering(said))
    const stand = await exchangerStandFor(t, { 1: refusing, 2: offering }, { tls: tls() })
    setDomain(stand.dns, 'd.test', [
      [10, 'a.test', [1]],
      [20, 'b.test', [2]],
    ])
    const fate = await stand.send('mx:d.test')
    assert.deepEqual([fate.state, fate.remote], ['gone', stand.shown('a.test', 1)])
    assert.deepEqual([stand.remotes.get(1)?.connections, stand.remotes.get(2)?.connections], [2, 0])
    assert.deepEqual(
      stand.lines.filter(({ event }) => event === 'delivery-in-clear').map(({ remote }) => remote),
      [stand.shown('a.test', 1)],
    )
  })
})

test('the memory of hosts without TLS is bounded: the oldest is forgotten first', () => {
  const { plaintextHosts } = memory()
  for (let i = 0; i <= 1_000; i++) plaintextHosts.add(`192.0.2.1:${i}`)
  assert.deepEqual([plaintextHosts.size, plaintextHosts.has('192.0.2.1:0')], [1_000, false])
  assert.ok(plaintextHosts.has('192.0.2.1:1') && plaintextHosts.has('192.0.2.1:1000'))
})

const LOGIN: Login = { user: 'anna@example.test', password: 'p4ss:w@rd\u00fc' }
const verified = (isImplicit: boolean, login: Login | null = LOGIN): Protection => ({
  kind: 'verified',
  isImplicit,
  trust: server().trust,
  login,
})
const PLAIN = Buffer.from(`\0${LOGIN.user}\0${LOGIN.password}`).toString('base64')

describe('TLS that is required, and signing in', { concurrency: 8 }, () => {
  for (const isImplicit of [false, true])
    test(`signs in inside ${isImplicit ? 'TLS from the first octet' : 'STARTTLS'} (RFC 4954, RFC 8314)`, async (t) => {
      const remote = await remoteFor(t, offering, tls(isImplicit))
      const channel = await openNamed(t, remote, verified(isImplicit))
      assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
      assert.equal(remote.securedCommands[1], `AUTH PLAIN ${PLAIN}`)
      assert.deepEqual(remote.serverNames, ['mail.remote.test'])
      assert.ok(!remote.commands.slice(0, isImplicit ? 0 : 2).some((command) => command.startsWith('AUTH')))
    })

  test('LOGIN where the server has no PLAIN', async (t) => {
    const heard: string[] = []
    const remote = await remoteFor(
      t,
      (said) => {
        if (said.verb === 'ehlo' && said.isSecured) return '250-remote.test\r\n250 AUTH LOGIN'
        if (said.verb !== 'auth') return offering(said)
        heard.push(said.argument)
        return ['334 VXNlcm5hbWU6', '334 UGFzc3dvcmQ6', '235 2.7.0 welcome'][heard.length - 1]
      },
      tls(),
    )
    const channel = await openNamed(t, remote, verified(false))
    assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
    assert.deepEqual(heard, ['LOGIN', base64(LOGIN.user), base64(LOGIN.password)])
  })

  test('without a user nobody signs in, and the certificate is verified all the same', async (t) => {
    const remote = await remoteFor(t, offering, tls(true))
    await openNamed(t, remote, verified(true, null))
    assert.ok(!remote.commands.some((command) => command.startsWith('AUTH')))
    const stranger = await openedNamed(remote, verified(true, null), 'other.remote.test')
    assert.ok(!stranger.ok)
    assert.match(outcomeOf(stranger.met).detail, /altnames/)
  })

  const refusals: readonly (readonly [
    what: string,
    script: Script,
    tls: RemoteTls | null,
    name: string,
    detail: RegExp,
  ])[] = [
    [
      'no STARTTLS is offered',
      at('250 AUTH PLAIN', '502 5.5.1 unknown'),
      null,
      'mail.remote.test',
      /STARTTLS.*502/,
    ],
    ['EHLO is refused', ehloRefused, null, 'mail.remote.test', /502/],
    ['STARTTLS is refused', at(EHLO, '454 4.7.0 not now'), null, 'mail.remote.test', /454 4\.7\.0 not now/],
    ['there is no TLS behind the 220', offering, null, 'mail.remote.test', /while starting TLS/],
    ['the certificate is for another name', offering, tls(), 'other.remote.test', /altnames/],
    [
      'nobody trusted vouches for the certificate',
      offering,
      { context: namedServer('mail.remote.test').context },
      'mail.remote.test',
      /self-signed certificate/,
    ],
  ]
  for (const [what, script, remoteTls, name, detail] of refusals)
    test(`${what}: deferred, and the password is not said`, async (t) => {
      const remote = await remoteFor(t, script, remoteTls)
      const opening = await openedNamed(remote, verified(false), name)
      assert.ok(!opening.ok)
      const outcome = outcomeOf(opening.met)
      assert.deepEqual([outcome.result, outcome.level], ['deferred', 'host'])
      assert.match(outcome.detail, detail)
      assert.equal(remote.connections, 1, 'there is no second try in the clear')
      assert.ok(!remote.commands.some((command) => /^(?:AUTH|MAIL)/.test(command)), remote.commands.join())
    })

  test('a server that lets nobody sign in: deferred', async (t) => {
    const remote = await remoteFor(t, at(EHLO, '220 go'), tls())
    const opening = await openedNamed(remote, verified(false))
    assert.ok(!opening.ok)
    assert.equal(outcomeOf(opening.met).detail, 'the server lets nobody sign in here (while signing in)')
  })

  test('535 is trouble of the host and never a bounce, and what is told of it has no password', async (t) => {
    const remote = await remoteFor(
      t,
      (said) => {
        if (said.verb !== 'auth') return offering(said)
        return `535-5.7.8 no ${PLAIN}\r\n535 5.7.8 nor ${LOGIN.password} or ${base64(LOGIN.password)}`
      },
      tls(),
    )
    const lines: LogFields[] = []
    const log: Log = { ...silentLog, error: (event, fields = {}) => lines.push({ event, ...fields }) }
    const opening = await openedNamed(remote, verified(false), 'mail.remote.test', log)
    assert.ok(!opening.ok)
    const outcome = outcomeOf(opening.met)
    assert.deepEqual([outcome.result, outcome.level], ['deferred', 'host'])
    assert.match(outcome.detail, /^535 5\.7\.8 no .*\(while signing in\)$/)
    assert.deepEqual(lines, [
      {
        event: 'delivery-auth-failed',
        remote: `127.0.0.1:${remote.port}`,
        user: LOGIN.user,
        reason: outcome.detail,
      },
    ])
    const told = JSON.stringify([opening.met, lines])
    for (const secret of [LOGIN.password, 'p4ss', PLAIN, base64(LOGIN.password)])
      assert.ok(!told.includes(secret), `${secret} in ${told}`)
  })
})

function at(ehlo: string, starttls: string): Script {
  return ({ verb, isSecured }: Said) => {
    if (verb === 'ehlo') return isSecured ? '250 remote.test' : ehlo
    return verb === 'starttls' ? starttls : undefined
  }
}

function ehloRefused({ verb }: Said): string | undefined {
  return verb === 'ehlo' ? '502 5.5.1 what?' : undefined
}

/** As a host of this name, wherever it is. */
function openedNamed(
  { port }: FakeRemote,
  protection: Protection,
  name = 'mail.remote.test',
  log: Log = silentLog,
): Promise<Opening> {
  const peer = { address: { host: '127.0.0.1', port }, remote: `127.0.0.1:${port}`, name }
  return openPeer(
    peer,
    sessionOptions({ protection, log, greetingMs: IMPATIENT_MS }),
    AbortSignal.timeout(20_000),
  )
}

async function openNamed(t: TestContext, remote: FakeRemote, protection: Protection): Promise<Channel> {
  const opening = await openedNamed(remote, protection)
  assert.ok(opening.ok, JSON.stringify(opening))
  const { channel } = opening
  t.after(() => channel.abort('the test is over'))
  return channel
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

function memory(): { clock: { now: number }; plaintextHosts: PlaintextHosts } {
  const clock = { now: 0 }
  return { clock, plaintextHosts: new PlaintextHosts({ monotonic: () => clock.now }) }
}
