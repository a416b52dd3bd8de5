/**
 * What a plugin decides before an attempt, and is told after it, through a whole gateway: each answer by what becomes
 * of the mail, and that a plugin which misbehaves there delays nobody else's.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { QueueEntry } from '../../core/admin/control.ts'
import { FakeRemote } from '../support/fake-remote.ts'
import { fixturePlugin, Gateway, type LogLine } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import { until } from '../support/until.ts'

/** Ten times what a quick delivery takes, and a fifth of what the plugin that misbehaves may take. */
const QUICK_MS = 2_000

let next: FakeRemote
let moved: FakeRemote
let other: FakeRemote
let gateway: Gateway
before(async () => {
  next = await FakeRemote.start(({ verb, argument }) => {
    if (verb !== 'rcpt') return undefined
    if (argument.startsWith('gone')) return '550 5.1.1 No such user here'
    return argument.startsWith('busy') ? '450 4.2.1 Busy' : undefined
  })
  moved = await FakeRemote.start()
  other = await FakeRemote.start()
  const destination = moved.route
  gateway = await Gateway.start({
    domains: {
      'example.test': { deliver: 'maildir:./mail' },
      'next.test': { deliver: next.route },
      'other.test': { deliver: other.route },
    },
    plugins: [
      { name: 'relay-control' },
      { name: 'routing' },
      fixturePlugin('deciding', { config: { destination }, grant: { 'route.set': [destination] } }),
    ],
  })
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
  await Promise.all([next, moved, other].map((remote) => remote?.stop()))
})

/** Sends to one recipient from a sender of ours; returns the queue id. */
async function send(to: string, from = 'anna@example.test'): Promise<string> {
  const reply = await gateway.send([to], message(`for ${to}`), from)
  assert.match(reply, /^250 2\.0\.0 Queued as q_/)
  return reply.split(' ').at(-1) ?? ''
}

/** The entry of a message once `is` is true of it. */
async function entryOf(id: string, is: (entry: QueueEntry) => boolean): Promise<QueueEntry> {
  let found: QueueEntry | undefined
  await until(async () => {
    found = (await gateway.control.queueList({ message: id }, 1))[0]
    return found !== undefined && is(found)
  }, `the entry of ${id}`)
  return found as QueueEntry
}

/** What the plugin wrote down of events about a recipient. */
function told(address: string): readonly LogLine['event'][] {
  return toldFacts(address).map(({ type }) => String(type))
}

function toldFacts(address: string): readonly Record<string, unknown>[] {
  return gateway
    .logged('plugin-said')
    .map(({ facts }) => facts as Record<string, unknown>)
    .filter(({ addresses }) => addresses === address)
}

const wasRuled = (entry: QueueEntry): boolean => !entry.leased && entry.detail !== ''

test('wait: not attempted, not counted, asked again when it said', async () => {
  const id = await send('wait@next.test')
  const before = Date.now()
  const { state, attempts, detail, dueAt } = await entryOf(id, wasRuled)
  assert.deepEqual([state, attempts], ['due', 0])
  assert.match(detail, /^4\.7\.0 Not before the evening \(r_[a-z]{8}\) \(deciding at deliver\)$/)
  assert.ok(Math.abs(dueAt - before - 3_600_000) < 20_000, `due in ${dueAt - before} ms`)
  assert.equal(next.connections, 0)
  const { stdout } = await gateway.folder.run(['explain', id])
  assert.match(stdout, /^deliver\n {2}1 {2}deciding +DEFER .*4\.7\.0 {2}EVENING {2}Not before the evening\n/m)
  assert.match(stdout, /attempt = 1 +waitSeconds = 3600/)
})

test('a wait that is over: the mail goes, once', async () => {
  const id = await send('once@next.test')
  await next.hasAccepted(1)
  assert.deepEqual(next.accepted[0]?.recipients, ['once@next.test'])
  await until(() => told('once@next.test').length > 0, 'an event')
  assert.deepEqual(toldFacts('once@next.test'), [
    {
      type: 'delivered',
      times: 1,
      addresses: 'once@next.test',
      detail: '250 2.0.0 taken',
      remote: `127.0.0.1:${next.port}`,
      route: next.route,
      expired: false,
      reversePath: 'anna@example.test',
    },
  ])
  await until(
    async () => (await gateway.control.queueList({ message: id }, 1)).length === 0,
    'an empty queue',
  )
})

test('defer: put off as after an attempt that failed, and not counted', async () => {
  const { state, attempts, dueAt, acceptedAt } = await entryOf(await send('later@next.test'), wasRuled)
  assert.deepEqual([state, attempts], ['due', 0])
  assert.ok(dueAt - acceptedAt > 30_000, 'the first step of the schedule')
  assert.deepEqual(told('later@next.test'), [])
})

test('reject: given up, the sender is told in its words, and the reference is explained', async () => {
  const id = await send('bounce@next.test')
  await until(() => gateway.kept().length === 1, 'a notice')
  const notice = gateway.kept()[0]?.toString('latin1') ?? ''
  assert.match(
    notice,
    /^Final-Recipient: rfc822; bounce@next\.test\r?\nAction: failed\r?\nStatus: 5\.7\.1\r?$/m,
  )
  const reference = /Nobody there any more \((r_[a-z]{8})\)/.exec(notice)?.[1] ?? ''
  const [byReference, byId] = await Promise.all([reference, id].map((key) => gateway.control.explain(key)))
  assert.ok(byReference !== null && byReference?.id === byId?.id)
  await until(() => told('bounce@next.test').length > 0, 'an event')
  const [bounced, ...others] = toldFacts('bounce@next.test')
  assert.deepEqual(
    [bounced?.['type'], bounced?.['remote'], bounced?.['expired'], others],
    ['bounced', null, false, []],
  )
  // The notice itself is asked about, delivered, and told of.
  await until(() => told('anna@example.test').includes('delivered'), 'the event of the notice')
  assert.equal(toldFacts('anna@example.test')[0]?.['reversePath'], '')
})

test('hold: kept with the reason, and what an operator lets go goes', async () => {
  const id = await send('hold@next.test')
  const { detail } = await entryOf(id, ({ state }) => state === 'held')
  assert.equal(detail, 'deciding: look at it')
  await until(() => told('hold@next.test').length > 0, 'an event')
  assert.deepEqual(told('hold@next.test'), ['held'])
  const before = next.accepted.length
  assert.equal(await gateway.control.queueRelease({ message: id }), 1)
  await next.hasAccepted(before + 1)
  assert.deepEqual(next.accepted.at(-1)?.recipients, ['hold@next.test'])
})

test('another route: the mail leaves by it, and the old one never hears of it', async () => {
  const id = await send('move@next.test')
  await moved.hasAccepted(1)
  assert.deepEqual(moved.accepted[0]?.recipients, ['move@next.test'])
  assert.ok(!next.commands.some((command) => command.includes('move@')))
  await until(
    async () => (await gateway.control.queueList({ message: id }, 1)).length === 0,
    'an empty queue',
  )
  await until(() => told('move@next.test').length > 0, 'an event')
  assert.deepEqual(
    toldFacts('move@next.test').map(({ type, route }) => [type, route]),
    [['delivered', moved.route]],
  )
  const [ruled] = gateway.logged('delivery-ruled').filter((line) => line['message'] === id)
  assert.deepEqual([ruled?.['ruling'], ruled?.['route']], ['reroute', next.route])
})

for (const deed of ['throw', 'spin', 'never', 'too-long', 'disconnect']) {
  test(`${deed} at deliver: the mail stays, and another route does not notice`, async () => {
    const id = await send(`${deed}@next.test`)
    const before = other.accepted.length
    const startedAt = performance.now()
    await send('quick@other.test')
    await other.hasAccepted(before + 1)
    const tookMs = performance.now() - startedAt
    assert.ok(tookMs < QUICK_MS, `the other route took ${tookMs} ms`)
    const { state, attempts, detail } = await entryOf(id, wasRuled)
    assert.deepEqual([state, attempts], ['due', 0])
    assert.match(detail, /^4\.3\.0 Policy check not available, try again later \(r_[a-z]{8}\)/)
    assert.ok(!next.commands.some((command) => command.includes(`${deed}@`)))
  })
}

test('refused and put off by the next server: an event each, with its words', async () => {
  await send('gone@next.test')
  await send('busy@next.test')
  await until(() => told('gone@next.test').length > 0 && told('busy@next.test').length > 0, 'events')
  assert.deepEqual(told('gone@next.test'), ['bounced'])
  assert.match(String(toldFacts('gone@next.test')[0]?.['detail']), /^550 5\.1\.1 No such user here/)
  assert.deepEqual(told('busy@next.test'), ['deferred'])
  assert.match(String(toldFacts('busy@next.test')[0]?.['detail']), /^450 4\.2\.1 Busy/)
})

for (const [deed, kind] of [
  ['throw', 'throw'],
  ['spin', 'timeout'],
  ['refuse', 'invalid-answer'],
  ['hold', 'invalid-answer'],
] as const) {
  test(`${deed} at tell: a fault that is recorded, and nothing else`, async () => {
    const before = other.accepted.length
    const startedAt = performance.now()
    const id = await send(`tell-${deed}@other.test`)
    await send('neighbour@other.test')
    await other.hasAccepted(before + 2)
    const tookMs = performance.now() - startedAt
    assert.ok(tookMs < QUICK_MS, `took ${tookMs} ms`)
    const failed = (): LogLine | undefined =>
      gateway.logged('plugin-failed').find((line) => line['hook'] === 'tell' && line['kind'] === kind)
    await until(() => failed() !== undefined, 'a line of the log')
    assert.deepEqual(
      [failed()?.['plugin'], failed()?.['reference'], failed()?.['onError']],
      ['deciding', '', 'skip'],
    )
    await until(
      async () => (await gateway.control.queueList({ message: id }, 1)).length === 0,
      'an empty queue',
    )
    await until(async () => {
      const entries = (await gateway.control.explain(id))?.entries ?? []
      return entries.some((entry) => 'hook' in entry && entry.hook === 'tell' && entry.fault?.kind === kind)
    }, 'the fault in the record')
  })
}

test('the end of a session is told with what came of it', async () => {
  using client = await gateway.greeted()
  await client.send('anna@example.test', ['fine@other.test'], message('one'))
  await client.expect('221', 'QUIT')
  await client.closed()
  const ended = (): Record<string, unknown> | undefined =>
    gateway
      .logged('plugin-said')
      .map(({ facts }) => facts as Record<string, unknown>)
      .findLast(({ type, by }) => type === 'disconnected' && by === 'quit')
  await until(() => ended() !== undefined, 'an event')
  assert.equal(ended()?.['accepted'], 1)
  assert.match(String(ended()?.['session']), /^s_/)
})

test('after a restart the reference of a decision is found all the same', async () => {
  const id = await send('bounce@next.test', 'far@elsewhere.example')
  await entryOf(id, ({ state }) => state === 'held')
  await gateway.restart()
  assert.equal(await gateway.control.queueRelease({ message: id }), 1)
  const reference = (detail: string): string => /\((r_[a-z]{8})\)/.exec(detail)?.[1] ?? ''
  let key = ''
  await until(async () => {
    const [entry] = await gateway.control.queueList({ message: id, state: 'held' }, 1)
    key = reference(entry?.detail ?? '')
    return key !== '' && (await gateway.control.explain(key)) !== null
  }, 'a reference that is explained')
  const { stdout } = await gateway.folder.run(['explain', key])
  assert.match(stdout, new RegExp(`^Message ${id} `))
})
