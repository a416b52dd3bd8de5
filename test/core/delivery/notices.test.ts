import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { describe, test } from 'node:test'
import type { RoutedNotice } from '../../../core/delivery/notices.ts'
import { NO_DSN_RECIPIENT } from '../../../core/mail/dsn-parameters.ts'
import type { NewRecipient } from '../../../core/queue/queue-store.ts'
import { type FakeRemote, remoteFor, type Script } from '../../support/fake-remote.ts'
import { type Stand, standFor, withFaults } from './delivery-stand.ts'
import { until } from './until.ts'

const HOUR = 3_600_000
const SENDER = 'from@example.test'

/** Real time, put forward by the test. */
class LeapingClock {
  ahead = 0
  now(): number {
    return Date.now() + this.ahead
  }
  monotonic(): number {
    return performance.now() + this.ahead
  }
}

interface Setting {
  readonly remote: FakeRemote
  /** Where the notices come. */
  readonly home: FakeRemote
  readonly stand: Stand
  readonly clock: LeapingClock
}

type StandOptions = NonNullable<Parameters<typeof standFor>[1]>

async function setting(
  t: Parameters<typeof standFor>[0],
  script: Script,
  options: StandOptions = {},
): Promise<Setting> {
  const remote = await remoteFor(t, script)
  routes.set(remote, remote.route)
  const home = await remoteFor(t)
  const clock = new LeapingClock()
  const stand = await standFor(t, {
    clock,
    // Varied by a tenth: an hour later it is due in any case.
    retryMs: [HOUR / 2],
    expireMs: 120 * HOUR,
    routeNotice: ({ to }) => Promise.resolve(noticeBy(home.route, to)),
    ...options,
  })
  return { remote, home, stand, clock }
}

const answersAtRcpt =
  (replies: Readonly<Record<string, string>>): Script =>
  ({ verb, argument }) =>
    verb === 'rcpt' ? replies[argument.split('@')[0] ?? ''] : undefined

/** To be sent by this route. */
const noticeBy = (route: string, address: string): RoutedNotice => ({
  recipients: [{ address, route, hold: null }],
  tags: [],
  lifeSeconds: null,
})

async function states(stand: Stand): Promise<readonly (readonly [string, string])[]> {
  return (await stand.entries()).map(({ address, state }) => [address, state] as const)
}

function recipient(address: string, route: string, dsn = NO_DSN_RECIPIENT): NewRecipient {
  return { address, route, hold: null, dsn }
}

/** Known still when the remote has stopped. */
const routes = new WeakMap<FakeRemote, string>()

/** Puts the clock forward and lets everything that is due then be tried. */
async function leap({ stand, clock, remote }: Setting, ms: number): Promise<void> {
  // A notice on its way is an attempt too, and not the one that is waited for.
  const made = (): number => stand.attempts.filter(({ route }) => route === routes.get(remote)).length
  const before = made()
  clock.ahead += ms
  stand.deliverer.kick()
  await until(() => made() > before)
}

const text = (content: Buffer | undefined): string => content?.toString('latin1') ?? ''

describe('a notice', { concurrency: 4 }, () => {
  test('tells of every recipient refused in one attempt, and those are owed nothing any more', async (t) => {
    const gone = '550 5.1.1 no such user'
    const { remote, home, stand } = await setting(
      t,
      answersAtRcpt({ gone, away: '554 5.7.1 not here', busy: '450 4.2.1 busy' }),
    )
    const to = ['ok@r.test', 'gone@r.test', 'away@r.test', 'busy@r.test']
    const id = await stand.accept(remote.route, to)
    await home.hasAccepted(1)
    await until(async () => (await stand.entries()).length === 4)
    assert.deepEqual(await states(stand), [
      ['ok@r.test', 'delivered'],
      ['gone@r.test', 'bounced'],
      ['away@r.test', 'bounced'],
      ['busy@r.test', 'due'],
    ])
    const [notice, ...others] = home.accepted
    assert.deepEqual(others, [])
    assert.deepEqual([notice?.reversePath, notice?.recipients], ['', [SENDER]])
    const said = text(notice?.content)
    assert.match(said, /^Final-Recipient: rfc822; gone@r\.test\r\nAction: failed\r\nStatus: 5\.1\.1\r\n/m)
    assert.match(said, /^Final-Recipient: rfc822; away@r\.test\r\nAction: failed\r\nStatus: 5\.7\.1\r\n/m)
    assert.doesNotMatch(said, /busy@|ok@r\.test/)
    // The next hop of the test is an address of our own: nothing for the sender.
    assert.doesNotMatch(said, /127\.0\.0\.1/)
    assert.ok(said.includes(`X-Postern-Queue-Id: ${id}`))
    const { bounced, held } = stand.deliverer.counters
    assert.deepEqual({ bounced, held }, { bounced: 2, held: 0 })
    const [line] = stand.lines.filter(({ event }) => event === 'notice-queued')
    assert.deepEqual([line?.['message'], line?.['to']], [id, SENDER])
  })

  test('is stored in the settlement that gives the recipient up', async (t) => {
    const given: unknown[][] = []
    const { remote, home, stand } = await setting(t, answersAtRcpt({ gone: '550 no' }), {
      store: (store) =>
        withFaults(store, {
          settle: (...all) => {
            given.push([all[1].map(({ result }) => result), all[2].map(({ origin }) => origin)])
            return store.settle(...all)
          },
        }),
    })
    await stand.accept(remote.route, ['gone@r.test'])
    await home.hasAccepted(1)
    await stand.settled()
    assert.deepEqual(given, [
      [['bounced'], [{ kind: 'internal', what: 'dsn', tags: [] }]],
      [['delivered'], []],
    ])
    assert.deepEqual(await stand.entries(), [])
  })

  test('is not made with NOTIFY=NEVER, nor with a NOTIFY that leaves FAILURE out', async (t) => {
    const { remote, home, stand } = await setting(t, answersAtRcpt({ gone: '550 no', away: '550 no' }))
    const { route } = remote
    const recipients = [
      recipient('gone@r.test', route, { notify: [], orcpt: null }),
      recipient('away@r.test', route, { notify: ['DELAY'], orcpt: null }),
    ]
    await stand.addChanged(route, [], { recipients })
    await until(() => stand.attempts.length === 1)
    await stand.settled()
    assert.deepEqual(await stand.entries(), [])
    assert.equal(home.messages.length, 0)
    assert.equal(stand.deliverer.counters.bounced, 2)
  })

  test('is never sent to <>: what failed is held, whatever NOTIFY says', async (t) => {
    const { remote, home, stand } = await setting(t, answersAtRcpt({ gone: '550 5.1.1 no' }))
    const { route } = remote
    const recipients = [recipient('gone@r.test', route, { notify: ['FAILURE'], orcpt: null })]
    await stand.addChanged(route, [], { reversePath: '', recipients })
    await until(() => stand.attempts.length === 1)
    await stand.settled()
    assert.deepEqual(await states(stand), [['gone@r.test', 'held']])
    assert.equal(home.messages.length, 0)
  })

  test('that fails itself is held after its one attempt, and nobody is told of it', async (t) => {
    const refusing: Script = ({ verb }) => (verb === 'rcpt' ? '550 5.1.1 no' : undefined)
    const remote = await remoteFor(t, refusing)
    const stand = await standFor(t, {
      routeNotice: ({ to }) => Promise.resolve(noticeBy(remote.route, to)),
    })
    await stand.accept(remote.route, ['gone@r.test'])
    await until(() => stand.attempts.length === 2)
    await stand.settled()
    const [entry, ...others] = await stand.entries()
    assert.deepEqual(others, [])
    assert.deepEqual([entry?.address, entry?.state, entry?.reversePath], [SENDER, 'held', ''])
    assert.deepEqual(entry?.origin, { kind: 'internal', what: 'dsn', tags: [] })
    assert.equal(Number(entry?.expiresAt) - Number(entry?.acceptedAt), 24 * HOUR)
  })

  for (const [what, routeNotice] of [
    ['without a route to the sender', () => Promise.resolve(null)],
    ['when finding the route fails', () => Promise.reject(new Error('a bug'))],
  ] as const) {
    test(`cannot be made ${what}: the recipient is held and the log says why`, async (t) => {
      const { remote, stand } = await setting(t, answersAtRcpt({ gone: '550 5.1.1 no' }), { routeNotice })
      await stand.accept(remote.route, ['gone@r.test', 'ok@r.test'])
      await until(() => stand.attempts.length === 1)
      assert.deepEqual(await states(stand), [
        ['gone@r.test', 'held'],
        ['ok@r.test', 'delivered'],
      ])
      assert.equal(stand.lines.filter(({ event }) => event === 'notice-impossible').length, 1)
    })
  }

  test('is not made of a mistake of ours: mail by a route nobody can read is held', async (t) => {
    const { home, stand } = await setting(t, () => undefined)
    await stand.accept('pigeon:roof', ['a@r.test'])
    await until(() => stand.attempts.length === 1)
    assert.deepEqual(await states(stand), [['a@r.test', 'held']])
    assert.equal(home.messages.length, 0)
  })

  test('about a lease that was lost is not stored', async (t) => {
    let isLost = true
    const { remote, home, stand } = await setting(t, answersAtRcpt({ gone: '550 no' }), {
      store: (store) =>
        withFaults(store, {
          settle: async (...all) => {
            if (isLost) await store.release([all[0]])
            isLost = false
            return await store.settle(...all)
          },
        }),
    })
    await stand.accept(remote.route, ['gone@r.test'])
    await until(() => stand.lines.some(({ event }) => event === 'delivery-lease-lost'))
    assert.deepEqual(await states(stand), [['gone@r.test', 'due']])
    stand.deliverer.kick()
    await home.hasAccepted(1)
    await stand.settled()
    assert.equal(home.messages.length, 1)
  })

  test('tells of a delay once after four hours, and of the end when the time is over', async (t) => {
    let isBusy = true
    const all = await setting(t, ({ verb }) => (verb === 'rcpt' && isBusy ? '450 4.2.1 busy' : undefined))
    const { remote, home, stand, clock } = all
    await stand.accept(remote.route, ['a@r.test'])
    await until(() => stand.attempts.length === 1)
    await leap(all, 3 * HOUR)
    assert.equal(home.messages.length, 0)
    await leap(all, HOUR + 1)
    await home.hasAccepted(1)
    const delayed = text(home.accepted[0]?.content)
    assert.match(delayed, /^Action: delayed\r\nStatus: 4\.2\.1\r\n/m)
    assert.match(delayed, /^Will-Retry-Until: /m)
    await until(async () => (await stand.entries()).length === 1)
    await leap(all, HOUR + 1)
    await leap(all, 24 * HOUR)
    assert.equal(home.messages.length, 1)
    await leap(all, 96 * HOUR)
    await home.hasAccepted(2)
    const failed = text(home.accepted[1]?.content)
    assert.match(failed, /^Action: failed\r\nStatus: 4\.2\.1\r\n/m)
    assert.match(failed, /tried until its time was over/)
    await stand.settled()
    assert.deepEqual(await stand.entries(), [])
    isBusy = false
    assert.ok(clock.ahead > 120 * HOUR)
  })

  test('tells of a route where nobody answers, without saying how we tried', async (t) => {
    const all = await setting(t, () => undefined)
    const { remote, home, stand } = all
    const { route } = remote
    await remote.stop()
    await stand.accept(route, ['a@r.test'])
    await until(() => stand.attempts.length === 1)
    await leap(all, 121 * HOUR)
    await home.hasAccepted(1)
    const failed = text(home.accepted[0]?.content)
    assert.match(failed, /^Action: failed\r\nStatus: 4\.4\.7\r\n/m)
    assert.doesNotMatch(failed, /127\.0\.0\.1|ECONNREFUSED/)
  })

  test('of success is sent where it was asked for: passed on', async (t) => {
    const { remote, home, stand } = await setting(t, () => undefined)
    const { route } = remote
    const orcpt = { type: 'rfc822', address: 'old@r.test' }
    const recipients = [
      recipient('a@r.test', route, { notify: ['SUCCESS'], orcpt }),
      recipient('b@r.test', route),
    ]
    await stand.addChanged(route, [], { recipients, dsn: { ret: 'FULL', envid: 'QQ 1' } })
    await home.hasAccepted(1)
    const said = text(home.accepted[0]?.content)
    assert.match(said, /^Original-Envelope-Id: QQ 1\r\n/m)
    assert.match(
      said,
      /^Original-Recipient: rfc822; old@r\.test\r\nFinal-Recipient: rfc822; a@r\.test\r\nAction: relayed\r\nStatus: 2\.0\.0\r\n/m,
    )
    assert.doesNotMatch(said, /b@r\.test|hello/)
  })

  test('has nothing in it that the remote wrote as more than words, and Python reads it', async (t) => {
    const evil = [
      '550-5.1.1 \x1b[31mred\x00',
      '550-Content-Type: text/html',
      '550---=_postern_x--',
      '550-',
      `550 ${'\r'}Bcc: victim@example.org\rAction: delivered ${'x'.repeat(3_000)}`,
    ].join('\r\n')
    const { remote, home, stand } = await setting(t, answersAtRcpt({ gone: evil }))
    await stand.accept(remote.route, ['gone@r.test'])
    await home.hasAccepted(1)
    const content = home.accepted[0]?.content ?? Buffer.alloc(0)
    const said = text(content)
    assert.deepEqual([said.includes('\0'), said.includes('\x1b')], [false, false])
    assert.doesNotMatch(said, /^(?:Bcc|Action: delivered)/im)
    assert.equal(said.match(/^Action: /gm)?.length, 1)
    const python = spawnSync('python3', ['-c', PYTHON], { input: content })
    if (python.error !== undefined) return t.skip('python3 was not found')
    assert.equal(python.status, 0, python.stderr.toString())
    assert.deepEqual(JSON.parse(python.stdout.toString()), {
      types: ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
      groups: 2,
      action: 'failed',
      bcc: null,
      defects: 0,
    })
  })
})

const PYTHON = `
import email, json, sys
m = email.message_from_bytes(sys.stdin.buffer.read())
human, status, original = m.get_payload()
groups = status.get_payload()
json.dump({'types': [p.get_content_type() for p in (human, status, original)], 'groups': len(groups),
  'action': groups[1]['Action'], 'bcc': m['Bcc'], 'defects': sum(len(p.defects) for p in m.walk())}, sys.stdout)
`
