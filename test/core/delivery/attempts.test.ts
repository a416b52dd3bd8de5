import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { FakeRemote, remoteFor } from '../../support/fake-remote.ts'
import { standFor, withFaults } from './delivery-stand.ts'
import { until } from './until.ts'

/** Milliseconds; a silent remote is given up after so long in each phase. */
const SHORT = {
  greetingMs: 1_500,
  commandMs: 0,
  mailMs: 1_500,
  rcptMs: 1_500,
  dataMs: 1_500,
  dotMs: 1_500,
}
const PHASES = ['connect', 'ehlo', 'mail', 'rcpt', 'data', 'dot'] as const

// Each has a store and remotes of its own, and most of the time is spent waiting.
describe('an attempt', { concurrency: 4 }, () => {
  test('each recipient is settled for itself, and only the deferred one is tried again', async (t) => {
    let isBusy = true
    const remote = await remoteFor(t, ({ verb, argument }) => {
      if (verb !== 'rcpt') return undefined
      if (argument.startsWith('busy') && isBusy) return '450 4.2.1 busy'
      return argument.startsWith('gone') ? '550 5.1.1 no such user' : undefined
    })
    const stand = await standFor(t, { retryMs: [3_600_000] })
    await stand.accept(remote.route, ['ok@r.test', 'busy@r.test', 'gone@r.test'])
    await until(() => stand.attempts.length === 1)
    const states = (await stand.entries()).map(({ address, state, detail, attempts }) => [
      address,
      state,
      attempts,
      detail,
    ])
    assert.deepEqual(states, [
      ['ok@r.test', 'delivered', 1, '250 2.0.0 taken'],
      ['busy@r.test', 'due', 1, '450 4.2.1 busy (in reply to RCPT)'],
      ['gone@r.test', 'held', 1, '550 5.1.1 no such user (in reply to RCPT)'],
    ])
    isBusy = false
    await stand.store.retryNow({}, Date.now())
    stand.deliverer.kick()
    await stand.settled()
    assert.deepEqual(
      remote.messages.map(({ recipients }) => recipients),
      [['ok@r.test'], ['busy@r.test']],
    )
    assert.deepEqual(stand.deliverer.counters, { delivered: 2, deferred: 1, held: 1, bounced: 0 })
  })

  test('421 in each phase: deferred, tried again, delivered', async (t) => {
    const stand = await standFor(t, { pace: { pollMs: 3_600_000 } })
    for (const verb of PHASES) {
      await t.test(verb, async (t) => {
        let times = 0
        const remote = await remoteFor(t, (said) => {
          if (said.verb !== verb || times > 0) return undefined
          times += 1
          return { reply: '421 4.3.2 going down', after: 'stall' }
        })
        await stand.accept(remote.route, ['a@remote.test'])
        await stand.settled()
        const recipients = stand.attempts.splice(0).flatMap((attempt) => attempt.recipients)
        assert.deepEqual(
          recipients.map(({ result }) => result),
          ['deferred', 'delivered'],
        )
        assert.match(recipients[0]?.detail ?? '', /^421 4\.3\.2/)
        assert.equal(remote.accepted.length, 1)
      })
    }
  })

  test('a remote that is not there is tried again until it is', async (t) => {
    const first = await FakeRemote.start()
    const { port, route } = first
    await first.stop()
    const stand = await standFor(t)
    await stand.accept(route, ['a@remote.test'])
    await until(() => stand.attempts.length >= 2)
    const [entry] = await stand.entries()
    assert.ok((entry?.attempts ?? 0) >= 2)
    assert.match(entry?.detail ?? '', /ECONNREFUSED/)
    const remote = await FakeRemote.start(undefined, port)
    t.after(() => remote.stop())
    await stand.settled()
    assert.equal(remote.accepted.length, 1)
  })

  test('a stall in each phase ends with its timeout, and the mail is delivered later', {
    concurrency: true,
  }, async (t) => {
    const stand = await standFor(t, { timeouts: SHORT })
    const phases = PHASES.map((verb) =>
      t.test(verb, async (t) => {
        let times = 0
        const remote = await remoteFor(t, (said) => {
          if (said.verb !== verb || times > 0) return undefined
          times += 1
          return { after: 'stall' }
        })
        await stand.accept(remote.route, ['a@remote.test'])
        await remote.hasAccepted(1)
        await stand.settled()
        const attempts = stand.attempts.filter(({ route }) => route === remote.route)
        const recipients = attempts.flatMap((attempt) => attempt.recipients)
        assert.equal(recipients[0]?.result, 'deferred')
        assert.equal(recipients.at(-1)?.result, 'delivered')
        assert.equal(remote.accepted.length, 1)
      }),
    )
    await Promise.all(phases)
  })

  test('a drop after the final dot is tried again: as many duplicates as drops, nothing lost, nothing held', async (t) => {
    let drops = 0
    const remote = await remoteFor(t, ({ verb }) => {
      if (verb !== 'dot' || drops === 3) return undefined
      drops += 1
      return { after: 'drop' }
    })
    const stand = await standFor(t)
    for (let i = 0; i < 6; i++) await stand.accept(remote.route, [`r${i}@remote.test`])
    await stand.settled()
    assert.equal(remote.accepted.length, 6)
    assert.equal(remote.messages.length, 6 + 3)
    assert.equal((await stand.store.counts()).held, 0)
  })

  test('the next transaction on a connection begins only when the last one is settled', async (t) => {
    const events: string[] = []
    const remote = await remoteFor(t, ({ verb }) => {
      if (verb === 'mail') events.push('mail')
      return undefined
    })
    const stand = await standFor(t, {
      site: { maxConnections: 1, firstConnections: 1 },
      store: (store) =>
        withFaults(store, {
          settle: async (...given) => {
            const settled = await store.settle(...given)
            await wait(150)
            events.push('settled')
            return settled
          },
        }),
    })
    for (let i = 0; i < 3; i++) await stand.accept(remote.route, [`r${i}@remote.test`])
    await until(() => events.length === 6)
    assert.deepEqual(events, ['mail', 'settled', 'mail', 'settled', 'mail', 'settled'])
  })

  test('more than 100 recipients go in several transactions, one settled before the next', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, { pace: { pollMs: 3_600_000 }, site: { idleMs: 60_000 } })
    const recipients = Array.from({ length: 250 }, (_, i) => `r${i}@remote.test`)
    await stand.accept(remote.route, recipients)
    await stand.settled()
    const sent = remote.accepted.map((message) => message.recipients)
    assert.deepEqual(
      sent.map(({ length }) => length),
      [100, 100, 50],
    )
    assert.deepEqual(sent.flat(), recipients)
  })

  test('"too many recipients" sends the others at once and counts no attempt', async (t) => {
    let taken = 0
    const remote = await remoteFor(t, ({ verb }) => {
      if (verb === 'mail') taken = 0
      if (verb !== 'rcpt') return undefined
      taken += 1
      return taken > 10 ? '452 4.5.3 too many recipients' : undefined
    })
    const stand = await standFor(t, {
      retryMs: [3_600_000],
      pace: { pollMs: 3_600_000 },
      site: { idleMs: 60_000 },
    })
    const recipients = Array.from({ length: 25 }, (_, i) => `r${i}@remote.test`)
    await stand.accept(remote.route, recipients)
    await stand.settled()
    assert.deepEqual(
      remote.accepted.map((message) => message.recipients.length),
      [10, 10, 5],
    )
  })

  test('a deferral is tried again in time although nothing was due when the deliverer went to sleep', async (t) => {
    const remote = await remoteFor(t, ({ verb, transaction }) =>
      verb === 'rcpt' && transaction === 1 ? '450 4.2.0 greylisted' : undefined,
    )
    const stand = await standFor(t, { pace: { pollMs: 3_600_000 }, site: { idleMs: 60_000 } })
    await wait(200)
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.settled()
    assert.equal(remote.connections, 1)
    assert.equal(remote.accepted.length, 1)
  })

  test('452 to the only recipient waits like any deferral', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'rcpt' ? '452 4.2.2 mailbox full' : undefined))
    const stand = await standFor(t, { retryMs: [3_600_000] })
    await stand.accept(remote.route, ['a@remote.test'])
    await until(() => stand.attempts.length > 0)
    await wait(200)
    assert.equal(stand.attempts.length, 1)
    const [entry] = await stand.entries()
    assert.equal(entry?.attempts, 1)
    assert.ok((entry?.dueAt ?? 0) > Date.now() + 3_000_000)
  })

  test('mail whose time is over is held with what it met last', async (t) => {
    const remote = await remoteFor(t, ({ verb }) => (verb === 'rcpt' ? '450 4.2.0 not yet' : undefined))
    const stand = await standFor(t, { expireMs: 2_000, retryMs: [300] })
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.settled()
    const [entry] = await stand.entries()
    assert.equal(entry?.state, 'held')
    assert.match(entry?.detail ?? '', /^expired.*450 4\.2\.0 not yet/)
    assert.ok(stand.deliverer.counters.deferred >= 1)
    assert.equal(stand.deliverer.counters.held, 1)
  })

  test('discard: is delivered at once', async (t) => {
    const stand = await standFor(t)
    await stand.accept('discard:', ['a@remote.test'])
    await stand.settled()
    assert.deepEqual(stand.attempts[0]?.recipients, [
      { address: 'a@remote.test', result: 'delivered', detail: 'discarded' },
    ])
  })

  test('a route nobody can follow holds the mail with the reason', async (t) => {
    const stand = await standFor(t)
    await stand.accept('pigeon:roof', ['a@remote.test'])
    await stand.settled()
    const [entry] = await stand.entries()
    assert.equal(entry?.state, 'held')
    assert.match(entry?.detail ?? '', /^no delivery to pigeon:roof/)
  })

  test('an error of our own in an attempt puts the mail off and the rest goes on', async (t) => {
    const remote = await remoteFor(t)
    const stand = await standFor(t, { retryMs: [300], site: { maxConnections: 1, firstConnections: 1 } })
    const push = stand.attempts.push.bind(stand.attempts)
    let isBroken = true
    stand.attempts.push = (...attempts) => {
      if (!isBroken) return push(...attempts)
      isBroken = false
      throw new TypeError('a bug')
    }
    await stand.accept(remote.route, ['a@remote.test'])
    await stand.accept(remote.route, ['b@remote.test'])
    await stand.settled()
    await until(() => stand.attempts.length === 1)
    assert.equal(remote.messages.length, 2)
    const line = stand.lines.find(({ event }) => event === 'delivery-bug')
    assert.match(String(line?.['stack']), /TypeError: a bug\n.*delivery-stand/s)
  })
})
