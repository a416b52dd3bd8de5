/** A plughost is not believed: whatever it says, the call has an answer or a fault, and the worker does not suffer. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../core/observe/clock.ts'
import { Broker } from '../../sandbox/broker/broker.ts'
import { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import type { CallReport } from '../../sandbox/call.ts'
import { effectivePermissions } from '../../sandbox/permissions.ts'
import { missingHardening } from '../../sandbox/plughost-process.ts'
import { PluginBounds } from '../../sandbox/plugin-bounds.ts'
import { TrustDomain } from '../../sandbox/trust-domain.ts'
import type { PluginUsage } from '../../sandbox/usage.ts'
import { brokerParts } from '../support/broker-parts.ts'
import { logInto } from '../support/sandbox.ts'

const ENTRY = join(import.meta.dirname, 'lying-plughost.js')
/** Four plughosts, one after the other, and the waits between them; ten times what that takes here. */
const PATIENCE_MS = 20_000
/** The worker's loop goes on; generous for a machine that is busy with other things. */
const LONGEST_PAUSE_MS = 1_000

interface Heard {
  readonly report: CallReport | undefined
  readonly causes: readonly unknown[]
  /** How often it was refused more, by quota. */
  readonly quotas: Readonly<Record<string, number>>
}

/** Asks one call of a plughost that lies like this. */
async function asked(t: TestContext, lie: string, times = 1): Promise<Heard> {
  const logged: { event: string; fields: Readonly<Record<string, unknown>> }[] = []
  const usage = new Map<string, PluginUsage>()
  const log = logInto(logged)
  const counters = new PluginCounters()
  const broker = new Broker(brokerParts({ counters, log }))
  const domain = new TrustDomain({
    clock: systemClock,
    log,
    broker,
    random: Math.random,
    usage,
    jit: true,
    idle: null,
    bounds: new PluginBounds(),
    entry: ENTRY,
  })
  t.after(() => domain.close())
  const request = {
    name: 'liar',
    file: '',
    code: '',
    api: '',
    prelude: '',
    config: lie,
    memoryMb: 32,
    sliceMs: 100,
  }
  assert.ok('manifest' in (await domain.load(1, request)))
  domain.keep(1, { request, permissions: effectivePermissions({ kv: ['*'] }, null) })
  let report: CallReport | undefined
  for (let i = 0; i < times; i++)
    [report] = await domain.ask(lie === 'silence' ? { ...QUESTION, pluginMs: 500 } : QUESTION)
  const deaths = logged.filter(({ event }) => event === 'plughost-died')
  return {
    report,
    causes: deaths.map(({ fields }) => fields['cause']),
    quotas: Object.fromEntries(counters.quotaRefusals.map(({ labels, value }) => [labels['quota'], value])),
  }
}

const QUESTION = {
  hook: 'rcpt',
  plugins: [1],
  event: { rest: '{}', subject: '', subjectJson: '' },
  fieldsJson: '',
  message: null,
  session: 's_test',
  transaction: 1,
  secret: '',
  pluginMs: 30_000,
  chainMs: 30_000,
  isBarred: async () => null,
} as const

// Trying what the system offers happens once, at the start of a worker.
missingHardening()

/** Longest time the loop of this process stood still. */
function pulse(): () => number {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  return () => {
    clearInterval(timer)
    return longest
  }
}

const CONDEMNED = [
  'foreign call',
  'another plugin',
  'no plugin at all',
  'a report of no kind',
  'quiet about a foreign call',
  'quiet about another plugin',
  'an opinion that is quiet',
  'a frame of 1 GiB',
  'a frame of nothing',
  'no JSON',
  'deep JSON',
  'a frame of no type',
  'ready again',
  'a plugin it was not given',
  'an effect of a foreign call',
  'a flood of log lines',
  'a flood of frames',
]

for (const lie of CONDEMNED) {
  test(`${lie}: the plughost is killed, the call fails, the worker goes on`, async (t) => {
    const startedAt = performance.now()
    const stop = pulse()
    const { report, causes } = await asked(t, lie)
    const longest = stop()
    t.diagnostic(`${Math.round(performance.now() - startedAt)} ms, longest pause ${Math.round(longest)} ms`)
    assert.equal(report?.fault?.kind, 'unavailable')
    assert.ok(causes.length > 0 && causes.every((cause) => cause === 'protocol'), String(causes))
    assert.ok(performance.now() - startedAt < PATIENCE_MS)
    assert.ok(longest < LONGEST_PAUSE_MS, `${longest} ms`)
  })
}

test('an answer after the end: it counts once, and the plughost is killed', async (t) => {
  const { report, causes } = await asked(t, 'an answer after the end', 2)
  assert.equal(report?.plugin, 1)
  assert.ok(causes.includes('protocol'))
})

test('a flood of effects: the call is given up and its plugin named', async (t) => {
  const stop = pulse()
  const { report, quotas } = await asked(t, 'a flood of effects')
  const longest = stop()
  assert.equal(report?.fault?.kind, 'throw')
  assert.match(report?.fault?.message ?? '', /tools beyond its quota/)
  assert.ok(Object.keys(quotas).length > 0)
  assert.ok(longest < LONGEST_PAUSE_MS, `${longest} ms`)
})

test('an effect that does not exist, and one that is too large, are refused', async (t) => {
  const unknown = await asked(t, 'an unknown effect')
  assert.deepEqual(unknown.report?.answer, [
    { kind: 'pass', ok: false, value: 'there is no tool called file.read' },
    [],
  ])
  const huge = await asked(t, 'a huge effect')
  assert.match(JSON.stringify(huge.report?.answer), /arguments of more than 70000 characters/)
  assert.deepEqual(huge.quotas, { 'effects.request-size': 1 })
})

test('silence: the call is given up when its time is over', async (t) => {
  const { report } = await asked(t, 'silence')
  assert.equal(report?.fault?.kind, 'timeout')
})
