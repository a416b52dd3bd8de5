/** Telling: in order, a few at a time, never waited for. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { HookRunner } from '../../../core/hooks/runner.ts'
import { MAX_PENDING, Teller } from '../../../core/hooks/teller.ts'
import type { TellEvent } from '../../../core/mail/hook-events.ts'
import { type Decision, DecisionRecords } from '../../../core/observe/decision-record.ts'
import { type Log, silentLog } from '../../../core/observe/log.ts'
import { fault, pass, TestPanel, type TestPlugin } from '../smtp/panel.ts'

const clock = { now: () => 1_000, monotonic: () => 0 }
const client = { address: '192.0.2.9', port: 1, network: '192.0.2.9' }
const NEVER = new Promise<ReturnType<typeof pass>>(() => {})

function outcome(queueId: string): TellEvent {
  return {
    type: 'delivered',
    queueId,
    origin: { kind: 'internal', what: 'test', tags: [] },
    reversePath: '',
    recipients: [],
    route: 'discard:',
    remote: 'discard:',
    attempt: `${queueId}/1`,
    expired: false,
  }
}

function tellerFor(...plugins: readonly TestPlugin[]) {
  const panel = new TestPanel(plugins)
  const hooks = new HookRunner(panel, clock.monotonic, silentLog)
  const lines: { event: string; fields: unknown }[] = []
  const warn = (event: string, fields: unknown): void => void lines.push({ event, fields })
  const log: Log = { ...silentLog, warn }
  const teller = new Teller({ hooks: () => hooks, log })
  const record = new DecisionRecords(10, Infinity, clock).open('s_x', client)
  const tell = (...ids: readonly string[]): void => {
    for (const id of ids) teller.tell(outcome(id), record)
  }
  return { panel, teller, record, lines, tell }
}

test('without a plugin that listens nothing is kept', async () => {
  const { teller, tell } = tellerFor({ name: 'a', hooks: { connect: () => pass() } })
  assert.equal(teller.isHeard, false)
  tell('q_1')
  await teller.drain(0)
  assert.equal(teller.dropped, 0)
})

test('every plugin is told every event in order, whatever the one before it made of it', async () => {
  const { panel, teller, record, tell } = tellerFor(
    { name: 'a', onError: 'defer', hooks: { tell: () => fault() } },
    { name: 'b', onError: 'hold', hooks: { tell: () => fault('timeout') } },
    { name: 'c', hooks: { tell: () => pass() } },
  )
  tell('q_1', 'q_2', 'q_3')
  await teller.drain(5_000)
  const heard = panel.events.filter((_, index) => panel.calls[index] === 'c tell')
  assert.deepEqual(
    heard.map(({ event }) => 'queueId' in event && event.queueId),
    ['q_1', 'q_2', 'q_3'],
  )
  const decisions = record.entries as Decision[]
  assert.equal(decisions.length, 9)
  // Nobody is refused and nothing is held, so there is no reference, and to go on is all that it means.
  assert.ok(decisions.every(({ reference }) => reference === ''))
  assert.ok(decisions.every(({ onError, fault: failed }) => onError === (failed === null ? null : 'skip')))
})

test('nothing is waited for, and a few are told at once', async () => {
  const { panel, tell } = tellerFor({ name: 'slow', hooks: { tell: () => NEVER } })
  tell(...Array.from({ length: 50 }, (_, i) => `q_${i}`))
  await wait(50)
  assert.equal(panel.calls.length, 2)
})

test('beyond the bound the oldest are dropped, counted, and said once', async () => {
  const gate = Promise.withResolvers<ReturnType<typeof pass>>()
  const { panel, teller, lines, tell } = tellerFor({ name: 'slow', hooks: { tell: () => gate.promise } })
  tell(...Array.from({ length: 2 + MAX_PENDING + 5 }, (_, i) => `q_${i}`))
  assert.equal(teller.dropped, 5)
  assert.deepEqual(
    lines.map(({ event }) => event),
    ['tell-overflow'],
  )
  gate.resolve(pass())
  await teller.drain(10_000)
  const ids = panel.events.map(({ event }) => 'queueId' in event && event.queueId)
  assert.deepEqual(ids.slice(0, 3), ['q_0', 'q_1', 'q_7'])
  assert.equal(ids.length, MAX_PENDING + 2)
  assert.deepEqual(lines.at(-1), { event: 'tell-dropped', fields: { dropped: 5 } })
  assert.equal(lines.length, 2)
})

test('a stop waits a moment, then drops and counts what was not told', async () => {
  const { teller, lines, tell } = tellerFor({ name: 'slow', hooks: { tell: () => NEVER } })
  tell('q_1', 'q_2', 'q_3')
  const startedAt = performance.now()
  await teller.drain(100)
  assert.ok(performance.now() - startedAt < 3_000)
  assert.equal(teller.dropped, 3)
  assert.deepEqual(lines.at(-1), { event: 'tell-dropped', fields: { dropped: 3 } })
  tell('q_4')
  assert.equal(teller.dropped, 3)
})
