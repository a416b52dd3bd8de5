/** Every answer, action and failure of a plugin at every hook, on the wire and in what becomes of the message. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Decision, QueueEntry, RecordedSession } from '../../../core/admin/control.ts'
import { HOOK_NAMES, type HookName } from '../../../core/mail/hook-events.ts'
import type { FakeRemote } from '../../support/fake-remote.ts'
import { until } from '../../support/until.ts'
import { CONFLICTS, type Refused, ROWS, type Row, type Taken, WORDS, type Word } from './rows.ts'
import { EVERYBODY, type Heard, inWords, type Orders, type PluginName, Stage, senderOf } from './stage.ts'

const REFUSED = /^(\d{3} [45]\.\d+\.\d+) .+ \((r_[a-z]{8})\)$/
const TAKEN = /^250 2\.0\.0 Queued as (q_[a-z0-9]{12})$/

const USED_HOOKS = Object.keys(ROWS) as HookName[]
const CELLS = USED_HOOKS.flatMap((hook) =>
  (Object.keys(ROWS[hook]) as Word[]).map((word) => ({ hook, word, row: ROWS[hook][word] })),
)

/** Queue ids. */
const discardedIds: string[] = []

let stage: Stage
before(async () => {
  const orders = Object.keys(ROWS.connect).map((word) => orderOf(word as Word, ROWS.connect[word as Word]))
  stage = await Stage.open(orders)
})
after(async () => stage?.[Symbol.asyncDispose]())

test('there is a row for every answer, action and failure at every hook', () => {
  assert.deepEqual(USED_HOOKS.toSorted(), [...HOOK_NAMES].toSorted())
  for (const hook of USED_HOOKS) assert.deepEqual(Object.keys(ROWS[hook]).toSorted(), WORDS.toSorted(), hook)
})

for (const { hook, word, row } of CELLS)
  test(`${hook}: ${word}`, async () => {
    const orders = { [hook]: orderOf(word, row) }
    const { session, reply } = await play(orders, row)
    const decision = await decided(session, hook, word, row)
    assertRecorded(decision, word, row)
    if (row.outcome.refusedAt !== null && decision.answer !== 'none')
      assert.ok(reply.endsWith(`(${decision.reference})`), 'the client has the reference of the decision')
  })

for (const [name, orders, row] of CONFLICTS)
  test(`together: ${name}`, async () => {
    await play(orders, row)
  })

/** Rows alone do not show who is told. */
test('a tag is told to other plugins at later hooks, and not at the same one', async () => {
  await stage.send({ mail: 'one-tag' }, ['anna@example.test'])
  const { reply } = await stage.send({ mail: 'two-tag', queue: 'one-tag' }, ['anna@example.test'])
  const session = await stage.gateway.control.explain(TAKEN.exec(reply)?.[1] ?? '')
  const lines = (): readonly (readonly unknown[])[] =>
    stage.gateway
      .logged('plugin-said')
      .filter((line) => line['session'] === session?.id && line['text'] === 'tag')
      .map(({ plugin, facts }) => [plugin, facts])
  const told = { plugin: 'two', name: 'known', value: 'well' }
  await until(() => lines().length >= EVERYBODY.length, 'the lines of every plugin')
  assert.deepEqual(
    lines(),
    EVERYBODY.map((name) => [name, told]),
  )
})

test('nothing that was discarded has reached anybody', () => {
  const arrived = [stage.home, stage.first, stage.second].flatMap(({ messages }) =>
    messages.map(({ content }) => queueIdIn(content)),
  )
  assert.equal(discardedIds.length, CELLS.filter(({ row: { outcome } }) => 'isDiscarded' in outcome).length)
  assert.deepEqual(
    discardedIds.filter((id) => arrived.includes(id)),
    [],
  )
})

/** Sends a message with these orders and looks at what comes of it. */
async function play(
  orders: Orders,
  { outcome, recipients }: Row,
): Promise<{ readonly session: RecordedSession; readonly reply: string }> {
  const to = recipients ?? [`${inWords('rcpt', orders.rcpt) || 'anna'}@example.test`]
  const heard = await stage.send(orders, to)
  assert.equal(heard.refusedAt, outcome.refusedAt, heard.reply)
  // Of several recipients the last one is who gets a copy.
  const key =
    outcome.refusedAt === null
      ? await assertTaken(heard, outcome, to.at(-1) ?? '', senderOf(orders))
      : assertRefused(heard, outcome)
  const session = await stage.gateway.control.explain(key)
  assert.ok(session !== null, `${key} is explained`)
  if ('identity' in outcome) {
    const step = session.entries.find((entry) => 'event' in entry && entry.event === 'signed-in')
    assert.equal(step && 'detail' in step && step.detail['identity'], outcome.identity)
  }
  return { session, reply: heard.reply }
}

/** The reference. */
function assertRefused({ reply, isOpen }: Heard, outcome: Refused): string {
  const [, said, reference = ''] = REFUSED.exec(reply) ?? []
  assert.equal(said, outcome.reply, reply)
  assert.equal(isOpen, !outcome.closes, outcome.closes ? 'the connection ends' : 'the connection stays')
  return reference
}

/** The queue id. */
async function assertTaken(
  { reply, isOpen }: Heard,
  outcome: Taken,
  to: string,
  sender: string,
): Promise<string> {
  const [, id = ''] = TAKEN.exec(reply) ?? []
  assert.notEqual(id, '', reply)
  assert.ok(isOpen, 'the connection stays')
  if (outcome.isDiscarded) await assertDiscarded(id)
  else if (outcome.held !== undefined) await assertHeld(id, outcome.held, to)
  else if (outcome.putOff !== undefined) await assertPutOff(id, outcome.putOff)
  else if (outcome.bounced !== undefined) await assertBounced(outcome.bounced, sender)
  else if (outcome.lifeSeconds !== undefined || outcome.tags !== undefined) await assertQueued(id, outcome)
  else await assertDelivered(id, outcome, to)
  return id
}

async function assertDiscarded(id: string): Promise<void> {
  assert.deepEqual(await stage.gateway.control.queueList({ message: id }, 10), [])
  const session = await stage.gateway.control.explain(id)
  const steps = session?.entries.filter((entry) => 'event' in entry && entry.event === 'discarded') ?? []
  assert.deepEqual(
    steps.map((step) => 'detail' in step && [step.detail['plugin'], step.detail['reason']]),
    [['one', 'not worth it']],
  )
  const lines = () => stage.gateway.logged('discarded').filter(({ message }) => message === id)
  // Lines are gathered for a moment before they are written.
  await until(() => lines().length > 0, 'a line of the log')
  assert.deepEqual(
    lines().map(({ plugin, reason }) => [plugin, reason]),
    [['one', 'not worth it']],
  )
  discardedIds.push(id)
}

async function assertPutOff(id: string, status: string): Promise<void> {
  const [entry, ...others] = await ruledEntries(id)
  assert.equal(others.length, 0)
  assert.deepEqual([entry?.state, entry?.attempts], ['due', 0])
  assert.ok(entry?.detail.startsWith(`${status} `), entry?.detail)
  assert.ok((entry?.dueAt ?? 0) > Date.now(), 'it waits')
}

async function assertBounced(status: string, sender: string): Promise<void> {
  const notice = () => stage.home.accepted.find(({ recipients }) => recipients.includes(sender))
  await until(() => notice() !== undefined, `a notice to ${sender}`)
  const { reversePath, content } = notice() ?? assert.fail()
  assert.equal(reversePath, '')
  assert.match(content.toString('latin1'), new RegExp(`^Action: failed\\r\\nStatus: ${status}\\r$`, 'm'))
}

/** Entries of a message when it has been decided what becomes of them: before an attempt that is later than the 250. */
async function ruledEntries(id: string): Promise<readonly QueueEntry[]> {
  let entries: readonly QueueEntry[] = []
  await until(async () => {
    entries = await stage.gateway.control.queueList({ message: id }, 10)
    return entries.every(({ leased, detail }) => !leased && detail !== '')
  }, `the entries of ${id}`)
  return entries
}

async function assertHeld(id: string, reason: string, whose: string): Promise<void> {
  const entries = await ruledEntries(id)
  assert.deepEqual(
    entries.map(({ address, state, detail }) => [address, state, detail]),
    [[whose, 'held', reason]],
  )
}

async function assertQueued(id: string, { lifeSeconds, tags }: Taken): Promise<void> {
  const [entry, ...others] = await stage.gateway.control.queueList({ message: id }, 10)
  assert.equal(others.length, 0)
  assert.equal(entry?.state, 'due')
  if (lifeSeconds !== undefined) assert.equal(entry.expiresAt - entry.acceptedAt, lifeSeconds * 1_000)
  if (tags !== undefined)
    assert.deepEqual(
      entry.origin.tags.map(({ plugin, name, value }) => `${plugin} ${name}=${value}`),
      tags,
    )
}

async function assertDelivered(id: string, { to, seen = ['before'] }: Taken, whose: string): Promise<void> {
  const remote = to === undefined ? stage.home : stage[to]
  const arrived = (at: FakeRemote) => at.accepted.find(({ content }) => queueIdIn(content) === id)
  await until(() => arrived(remote) !== undefined, `${id} at the next server`)
  const message = arrived(remote)
  assert.deepEqual(message?.recipients, [whose])
  const header = message.content.toString('latin1').split('\r\n\r\n')[0] ?? ''
  assert.deepEqual(
    [...header.matchAll(/^X-Seen: (.*)$/gm)].map(([, value]) => value?.trim()),
    seen,
  )
}

function assertRecorded(decision: Decision, word: Word, { outcome }: Row): void {
  assert.equal(decision.fault?.kind ?? null, outcome.fault ?? null)
  if (outcome.fault !== undefined) return
  const [kind] = word.split(' ')
  const isRefusal = kind === 'reject' || kind === 'defer' || kind === 'wait' || kind === 'disconnect'
  assert.equal(decision.answer, kind === 'wait' ? 'defer' : isRefusal ? kind : 'none')
  if (kind === 'pass') assert.equal(decision.code, 'PASSED')
  const done = decision.actions.map((action) => action.kind)
  const isAction = !isRefusal && kind !== 'none' && kind !== 'pass'
  assert.deepEqual(done, isAction ? [kind === 'accept' ? 'auth.accept' : kind] : [])
}

/** What a plugin said; after an attempt that is later than the message, and it is told of the end of the session too. */
async function decided(session: RecordedSession, hook: HookName, word: Word, row: Row): Promise<Decision> {
  const plugin = actorOf(word)
  let decision: Decision | undefined
  await until(async () => {
    const known = await stage.gateway.control.explain(session.id)
    decision = decisions(known ?? session).find(
      (one) => one.hook === hook && one.plugin === plugin && (hook !== 'tell' || isRecorded(one, word, row)),
    )
    return decision !== undefined
  }, `what ${plugin} said at ${hook}`)
  return decision ?? assert.fail()
}

function isRecorded(decision: Decision, word: Word, row: Row): boolean {
  try {
    assertRecorded(decision, word, row)
    return true
  } catch {
    return false
  }
}

function decisions({ entries }: RecordedSession): readonly Decision[] {
  return entries.filter((entry) => 'hook' in entry)
}

/** Who is told. */
function actorOf(word: Word): PluginName {
  const [kind, onError] = word.split(' ')
  if (kind === 'denied')
    return onError === 'skip' ? 'powerlessskip' : onError === 'hold' ? 'powerlesshold' : 'powerless'
  return onError === 'skip' ? 'skipping' : onError === 'hold' ? 'holding' : 'one'
}

/** What they are told, and what another one is. */
function orderOf(word: Word, { beside }: Row): string {
  const [kind = ''] = word.split(' ')
  const deeds: Readonly<Record<string, string>> = { 'invalid-answer': 'invalid', denied: 'hold' }
  const deed = word === 'disconnect for good' ? 'disconnectforgood' : (deeds[kind] ?? kind.replace('.', ''))
  return [`${actorOf(word)}-${deed}`, beside ?? ''].join(' ').trim()
}

function queueIdIn(content: Buffer): string {
  return /\bid (q_\w+)/.exec(content.subarray(0, 2_000).toString('latin1'))?.[1] ?? ''
}
