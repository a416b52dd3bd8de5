/** F11: 4yz, 5yz and 421 in every phase, and mixed replies to RCPT: who is tried again, who is told, and who is neither. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RouteNotice } from '../../../core/delivery/notices.ts'
import { standFor } from '../../core/delivery/delivery-stand.ts'
import { until } from '../../core/delivery/until.ts'
import { type FakeRemote, remoteFor, type Said } from '../../support/fake-remote.ts'

const LATER_MS = 60_000

type Fate = 'deferred' | 'bounced'

const CASES: readonly (readonly [Said['verb'], reply: string, Fate])[] = [
  ['connect', '421 4.3.2 busy', 'deferred'],
  ['connect', '554 5.3.2 no service', 'deferred'],
  ['ehlo', '421 4.3.2 busy', 'deferred'],
  ['mail', '421 4.3.2 going down', 'deferred'],
  ['mail', '451 4.3.0 later', 'deferred'],
  ['mail', '550 5.7.1 not you', 'bounced'],
  ['rcpt', '421 4.3.2 going down', 'deferred'],
  ['rcpt', '450 4.2.1 busy', 'deferred'],
  ['rcpt', '550 5.1.1 nobody', 'bounced'],
  ['data', '421 4.3.2 going down', 'deferred'],
  ['data', '451 4.3.0 later', 'deferred'],
  ['data', '554 5.5.1 no', 'bounced'],
  ['dot', '421 4.3.2 going down', 'deferred'],
  ['dot', '452 4.3.1 full', 'deferred'],
  ['dot', '554 5.6.0 not this', 'bounced'],
]

function noticesTo({ route }: FakeRemote): RouteNotice {
  return ({ to: address }) =>
    Promise.resolve({ recipients: [{ address, route, hold: null }], tags: [], lifeSeconds: null })
}

for (const [verb, reply, fate] of CASES)
  test(`F11: ${reply} to ${verb} is ${fate}`, { timeout: 30_000 }, async (t) => {
    const home = await remoteFor(t)
    const remote = await remoteFor(t, (said) => (said.verb === verb ? reply : undefined))
    const stand = await standFor(t, { retryMs: [LATER_MS], routeNotice: noticesTo(home) })
    await stand.accept(remote.route, ['a@remote.test', 'b@remote.test'])
    await until(() => stand.attempts.some(({ route }) => route === remote.route))
    const entries = (await stand.entries()).filter(({ route }) => route === remote.route)
    if (fate === 'deferred') {
      assert.deepEqual(
        entries.map(({ state }) => state),
        ['due', 'due'],
      )
      assert.equal(home.messages.length, 0, 'nobody is told of a deferral')
      return
    }
    await home.hasAccepted(1)
    await stand.settled()
    assert.equal(home.accepted.length, 1)
    const notice = home.accepted[0]?.content.toString('latin1') ?? ''
    assert.equal([...notice.matchAll(/^Final-Recipient: /gm)].length, 2, 'both are named')
    assert.equal([...notice.matchAll(/^Action: failed/gm)].length, 2)
    assert.deepEqual((await stand.entries()).length, 0)
  })

test('F11: replies to RCPT are each recipient’s own', { timeout: 30_000 }, async (t) => {
  const home = await remoteFor(t)
  const remote = await remoteFor(t, ({ verb, argument }) => {
    if (verb !== 'rcpt') return undefined
    if (argument.startsWith('later')) return '450 4.2.1 busy'
    return argument.startsWith('gone') ? '550 5.1.1 nobody' : undefined
  })
  const stand = await standFor(t, { retryMs: [LATER_MS], routeNotice: noticesTo(home) })
  await stand.accept(remote.route, [
    'ok1@r.test',
    'later@r.test',
    'gone1@r.test',
    'ok2@r.test',
    'gone2@r.test',
  ])
  await home.hasAccepted(1)
  assert.deepEqual(
    remote.accepted.map(({ recipients }) => recipients),
    [['ok1@r.test', 'ok2@r.test']],
  )
  const owed = (await stand.entries()).filter(
    ({ route, state }) => route === remote.route && state !== 'delivered' && state !== 'bounced',
  )
  assert.deepEqual(
    owed.map(({ address }) => address),
    ['later@r.test'],
  )
  const notice = home.accepted[0]?.content.toString('latin1') ?? ''
  assert.equal([...notice.matchAll(/^Final-Recipient: /gm)].length, 2)
  assert.match(notice, /gone1@r\.test/)
  assert.doesNotMatch(notice, /later@r\.test/)
})
