/** Places for connections: never more than there are, fairly shared out, and a queue of dead hosts does not stop the rest. */
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { ConnectionPlaces, type SitePlaces } from '../../../core/delivery/connection-places.ts'
import { type FakeRemote, remoteFor } from '../../support/fake-remote.ts'
import { standFor } from './delivery-stand.ts'
import { until } from './until.ts'

const NEVER = new AbortController().signal

/** Waits for a place and writes the name down when it has one. */
function queue(site: SitePlaces, name: string, got: string[], signal = NEVER): Promise<void> {
  return site.wait(signal).then((has) => void got.push(has ? name : `${name} gave up`))
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('below, at and above the count', () => {
  const places = new ConnectionPlaces(2)
  const [a, b] = [places.ofSite(), places.ofSite()]
  assert.ok(a.take())
  assert.ok(!a.isWanted)
  assert.ok(b.take())
  assert.ok(!b.take())
  a.give()
  assert.ok(b.take())
  assert.ok(!a.take())
})

test('a free place goes to the site with the fewest, among equals to the one that waits longest', async () => {
  const places = new ConnectionPlaces(3)
  const [busy, one, two] = [places.ofSite(), places.ofSite(), places.ofSite()]
  for (let i = 0; i < 3; i++) assert.ok(busy.take())
  const got: string[] = []
  void queue(busy, 'busy', got)
  void queue(one, 'one', got)
  void queue(two, 'two', got)
  void queue(one, 'one again', got)
  assert.ok(busy.isWanted)
  busy.give()
  await turn()
  assert.deepEqual(got, ['one'])
  busy.give()
  await turn()
  // One has as many as busy now, and has been served since.
  assert.deepEqual(got, ['one', 'two'])
  busy.give()
  await turn()
  assert.deepEqual(got, ['one', 'two', 'busy'])
  one.give()
  await turn()
  assert.deepEqual(got, ['one', 'two', 'busy', 'one again'])
  assert.ok(!busy.isWanted)
})

test('nobody overtakes those who wait, and who gives up waiting takes no place', async () => {
  const places = new ConnectionPlaces(1)
  const [a, b] = [places.ofSite(), places.ofSite()]
  assert.ok(a.take())
  const [got, leaving] = [[] as string[], new AbortController()]
  const left = queue(b, 'b', got, leaving.signal)
  leaving.abort()
  await left
  assert.deepEqual(got, ['b gave up'])
  assert.ok(!a.isWanted)
  void queue(b, 'b', got)
  a.give()
  assert.ok(!a.take(), 'the place is given already')
  await turn()
  assert.deepEqual(got, ['b gave up', 'b'])
  assert.equal(await a.wait(leaving.signal), false)
  b.give()
  assert.ok(a.take())
})

test('of places that are not used the one unused longest is given up, once', async () => {
  const places = new ConnectionPlaces(2)
  const [a, b, c] = [places.ofSite(), places.ofSite(), places.ofSite()]
  assert.ok(a.take() && b.take())
  const given: string[] = []
  const got: string[] = []
  const usedAgain = a.idle(() => given.push('a'))
  for (const [site, name] of [
    [b, 'b'],
    [a, 'a'],
  ] as const)
    site.idle(() => {
      given.push(name)
      site.give()
    })
  usedAgain()
  await queue(c, 'c', got)
  assert.deepEqual([given, got], [['b'], ['c']])
  await queue(c, 'c', got)
  assert.deepEqual(
    [given, got],
    [
      ['b', 'a'],
      ['c', 'c'],
    ],
  )
})

describe('all sites together', { concurrency: 4 }, () => {
  test('hosts that never answer take turns, and the mail for one that does gets through', async (t) => {
    const silent = await Promise.all(
      Array.from({ length: 12 }, () =>
        remoteFor(t, ({ verb }) => (verb === 'connect' ? { after: 'stall' } : undefined)),
      ),
    )
    const alive = await remoteFor(t)
    const stand = await standFor(t, {
      maxConnections: 4,
      retryMs: [3_600_000],
      timeouts: { connectMs: 400, greetingMs: 400 },
    })
    let most = 0
    const watching = setInterval(() => {
      most = Math.max(
        most,
        silent.reduce((sum, { open }) => sum + open, alive.open),
      )
    }, 5)
    t.after(() => clearInterval(watching))
    for (const { route } of silent) await stand.accept(route, ['a@dead.test'])
    await stand.accept(alive.route, ['b@alive.test'])
    await alive.hasAccepted(1)
    await until(() => stand.attempts.length === silent.length + 1)
    assert.ok(silent.every(({ connections }) => connections === 1))
    // One that is being closed may overlap with the next.
    assert.ok(most >= 4 && most <= 8, `${most} at once`)
  })

  test('a site with much to do makes room for one with little', async (t) => {
    const order: string[] = []
    const noting = (name: string): Promise<FakeRemote> =>
      remoteFor(t, ({ verb }) => {
        if (verb !== 'dot') return undefined
        order.push(name)
        return { delayMs: 5 }
      })
    const [much, little] = [await noting('much'), await noting('little')]
    const stand = await standFor(t, { maxConnections: 1, site: { messagesPerConnection: 5 } })
    for (let i = 0; i < 40; i++) await stand.accept(much.route, [`r${i}@much.test`])
    await stand.accept(little.route, ['r@little.test'])
    await stand.settled()
    assert.equal(order.filter((name) => name === 'much').length, 40)
    assert.ok(order.indexOf('little') < 35, `it was number ${order.indexOf('little')}`)
  })

  test('an unused connection is given up when another site wants the place', async (t) => {
    const [first, second] = [await remoteFor(t), await remoteFor(t)]
    const stand = await standFor(t, { maxConnections: 1, site: { idleMs: 600_000 } })
    await stand.accept(first.route, ['a@first.test'])
    await stand.settled()
    assert.equal(first.open, 1, 'it is kept')
    await stand.accept(second.route, ['b@second.test'])
    await stand.settled()
    assert.equal(second.accepted.length, 1)
    await until(() => first.open === 0)
    assert.equal(first.commands.at(-1), 'QUIT')
  })

  test('a folder needs no place', async (t) => {
    const silent = await remoteFor(t, ({ verb }) => (verb === 'connect' ? { after: 'stall' } : undefined))
    const stand = await standFor(t, { maxConnections: 1 })
    await stand.accept(silent.route, ['a@dead.test'])
    await stand.accept('discard:', ['b@here.test'])
    await until(() => stand.deliverer.counters.delivered === 1)
  })

  test('a drain gives back what waits for a place', async (t) => {
    const [silent, other] = [
      await remoteFor(t, ({ verb }) => (verb === 'connect' ? { after: 'stall' } : undefined)),
      await remoteFor(t),
    ]
    const stand = await standFor(t, { maxConnections: 1 })
    await stand.accept(silent.route, ['a@dead.test'])
    await until(() => silent.connections === 1)
    await stand.accept(other.route, ['b@other.test'])
    await wait(50)
    await stand.deliverer.drain(10_000)
    assert.equal(stand.deliverer.inHand, 0)
    assert.equal(other.connections, 0)
    assert.deepEqual(
      (await stand.entries()).map(({ state, leased, attempts }) => ({ state, leased, attempts })),
      [
        { state: 'due', leased: false, attempts: 0 },
        { state: 'due', leased: false, attempts: 0 },
      ],
    )
  })
})
