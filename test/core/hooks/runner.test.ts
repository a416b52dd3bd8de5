import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PluginPanel } from '../../../core/hooks/plugin-panel.ts'
import { type HookOutcome, HookRunner } from '../../../core/hooks/runner.ts'
import type { DeliverEvent, HookName } from '../../../core/mail/hook-events.ts'
import type { Client, Session } from '../../../core/mail/session.ts'
import { type Decision, DecisionRecords, type SessionRecord } from '../../../core/observe/decision-record.ts'
import { silentLog } from '../../../core/observe/log.ts'
import { defer, disconnect, fault, pass, reject, TestPanel, type TestPlugin } from '../smtp/panel.ts'

const client: Client = { address: '192.0.2.9', port: 1, network: '192.0.2.9' }
const session: Session = {
  id: 's_x',
  client,
  role: 'mx',
  listener: '127.0.0.1:25',
  trusted: false,
  hello: null,
  tls: null,
  identity: null,
}
const clock = { now: () => 1_000, monotonic: () => 0 }

interface Asked {
  readonly outcome: HookOutcome
  readonly panel: TestPanel
  readonly record: SessionRecord
  readonly decisions: readonly Decision[]
}

async function askConnect(...plugins: readonly TestPlugin[]): Promise<Asked> {
  const panel = new TestPanel(plugins)
  const record = new DecisionRecords(10, Infinity, clock).open('s_x', client)
  const outcome = await new HookRunner(panel, clock.monotonic, silentLog).ask(
    'connect',
    { session },
    null,
    record,
  )
  return { outcome, panel, record, decisions: record.entries as Decision[] }
}

async function askMail(...plugins: readonly TestPlugin[]): Promise<HookOutcome> {
  const record = new DecisionRecords(10, Infinity, clock).open('s_x', client)
  const transaction = { number: 1, reversePath: '', declaredSize: null, recipients: [], tags: [] }
  const runner = new HookRunner(new TestPanel(plugins), clock.monotonic, silentLog)
  return runner.ask('mail', { session, transaction }, null, record)
}

const passes = (name: string): TestPlugin => ({ name, hooks: { connect: () => pass(), mail: () => pass() } })
const holds = (name: string): TestPlugin => ({
  name,
  hooks: { connect: () => pass({ kind: 'hold', text: 'look at it', recipients: null }) },
})
const fails = (name: string, onError: TestPlugin['onError'] = 'defer'): TestPlugin => ({
  name,
  onError: onError ?? 'defer',
  hooks: { connect: () => fault(), mail: () => fault() },
})

test('without plugins nothing is refused', async () => {
  const { outcome } = await askConnect()
  assert.deepEqual(outcome, { refusal: null, actions: [], owed: null, incomplete: false })
})

test('every plugin is asked, in order, while none refuses', async () => {
  const { outcome, panel } = await askConnect(passes('a'), holds('b'), passes('c'))
  assert.deepEqual(panel.calls, ['a connect', 'b connect', 'c connect'])
  assert.equal(outcome.refusal, null)
})

test('the first refusal ends the hook', async () => {
  const refuses: TestPlugin = { name: 'b', hooks: { connect: () => reject('5.7.1', 'Not you') } }
  const { outcome, panel, record } = await askConnect(passes('a'), refuses, passes('c'))
  assert.deepEqual(panel.calls, ['a connect', 'b connect'])
  assert.deepEqual(outcome.refusal, {
    plugin: 'b',
    code: 554,
    status: '5.7.1',
    text: 'Not you',
    reference: record.keys[0],
    disconnect: false,
  })
  assert.match(outcome.refusal.reference, /^r_[a-z]{8}$/)
})

test('actions of all plugins add up, with the name of each', async () => {
  const { outcome } = await askConnect(holds('a'), passes('b'), holds('c'))
  assert.deepEqual(
    outcome.actions.map(({ plugin, action }) => `${plugin} ${action.kind}`),
    ['a hold', 'c hold'],
  )
})

test('"no opinion" is in the record too', async () => {
  const { decisions } = await askConnect(passes('a'))
  assert.deepEqual(
    decisions.map(({ plugin, answer, reference }) => [plugin, answer, reference]),
    [['a', 'none', '']],
  )
})

test('a plugin that fails at connect owes an answer, and the others are asked all the same', async () => {
  const { outcome, panel } = await askConnect(fails('a'), passes('b'))
  assert.deepEqual(panel.calls, ['a connect', 'b connect'])
  assert.equal(outcome.refusal, null)
  assert.deepEqual([outcome.owed?.code, outcome.owed?.status, outcome.owed?.plugin], [451, '4.3.0', 'a'])
  assert.equal(outcome.incomplete, true)
})

test('of two failures the first is owed; a refusal behind them still refuses', async () => {
  const refuses: TestPlugin = { name: 'c', hooks: { connect: () => defer('4.7.0', 'Later') } }
  const { outcome } = await askConnect(fails('a'), fails('b'), refuses)
  assert.equal(outcome.owed?.plugin, 'a')
  assert.equal(outcome.refusal?.code, 421)
})

test('a plugin that fails at mail defers at once', async () => {
  const { refusal, owed } = await askMail(fails('a'), passes('b'))
  assert.deepEqual([refusal?.code, refusal?.status, refusal?.disconnect], [451, '4.3.0', false])
  assert.equal(owed, null)
})

test('onError skip: the failure is passed over, and known to be', async () => {
  const { refusal, actions, incomplete } = await askMail(fails('a', 'skip'), passes('b'))
  assert.deepEqual([refusal, actions, incomplete], [null, [], true])
})

test('onError hold: the mail is held and says for whom', async () => {
  const { refusal, actions, incomplete } = await askMail(fails('a', 'hold'))
  assert.equal(refusal, null)
  assert.deepEqual(actions, [
    { plugin: 'a', action: { kind: 'hold', text: 'failed in mail', recipients: null } },
  ])
  assert.equal(incomplete, true)
})

test('the client is not told which plugin failed, or how', async () => {
  const { refusal } = await askMail(fails('secret-filter'))
  assert.doesNotMatch(refusal?.text ?? '', /secret|broken|throw/)
})

for (const [hook, answer, code] of [
  ['connect', reject('5.7.1', 'x'), 554],
  ['connect', defer('4.7.0', 'x'), 421],
  ['mail', reject('5.7.1', 'x'), 550],
  ['mail', defer('4.7.0', 'x'), 451],
  ['mail', disconnect('4.7.0', 'x'), 421],
  ['mail', disconnect('5.7.1', 'x'), 554],
] as const) {
  const { kind, status } = answer.refusal ?? { kind: '', status: '' }
  test(`${kind} ${status} at ${hook} is a ${code}`, async () => {
    const plugin: TestPlugin = { name: 'a', hooks: { [hook]: () => answer } }
    const outcome = hook === 'mail' ? await askMail(plugin) : (await askConnect(plugin)).outcome
    assert.equal(outcome.refusal?.code, code)
    assert.equal(outcome.refusal.disconnect, kind === 'disconnect')
  })
}

test('a refusal that nobody hears keeps its status and its reference, and says for how long', async () => {
  const refusal = { kind: 'defer', status: '4.7.0', text: 'x', code: '', facts: {}, waitSeconds: 5 } as const
  for (const [answer, expected] of [
    [reject('5.7.1', 'x'), { code: 0, status: '5.7.1', text: 'x', disconnect: false }],
    [
      { ...pass(), refusal },
      { code: 0, status: '4.7.0', text: 'x', disconnect: false, waitSeconds: 5 },
    ],
  ] as const) {
    const panel = new TestPanel([{ name: 'a', hooks: { deliver: () => answer } }])
    const record = new DecisionRecords(10, Infinity, clock).open('q_x', client)
    const event = {} as DeliverEvent
    const said = await new HookRunner(panel, clock.monotonic, silentLog).ask('deliver', event, null, record)
    const { reference, ...rest } = said.refusal ?? { reference: '' }
    assert.match(reference, /^r_[a-z]{8}$/)
    assert.deepEqual(rest, { plugin: 'a', ...expected })
  }
})

test('the class of the status follows the reply code (RFC 3463 §2)', async () => {
  const plugin: TestPlugin = { name: 'a', hooks: { mail: () => defer('5.7.1', 'x') } }
  assert.equal((await askMail(plugin)).refusal?.status, '4.7.1')
})

test('the plugins together have the time of the hook, and each call is told what is left', async () => {
  const left: number[] = []
  let now = 0
  const panel: PluginPanel = {
    subscribers: () =>
      [0, 1].map((n) => ({ name: `p${n}`, version: '1', build: '', onError: 'skip' as const })),
    ask: async ({ chainMs }, from) => {
      left.push(chainMs)
      now += 25_000
      const plugin = { name: `p${from}`, version: '1', build: '', onError: 'skip' as const }
      return [{ plugin, answer: null, fault: fault('timeout'), wallMicros: 0, cpuMicros: 0 }]
    },
    isPenalized: () => false,
    takesTokens: false,
  }
  const record = new DecisionRecords(10, Infinity, clock).open('s_x', client)
  await new HookRunner(panel, () => now, silentLog).ask('connect', { session }, null, record)
  assert.deepEqual(left, [30_000, 5_000])
})

test('a panel that reports nothing is a bug, not a yes', async () => {
  const panel: PluginPanel = {
    subscribers: (_hook: HookName) => [{ name: 'a', version: '1', build: '', onError: 'defer' }],
    ask: () => Promise.resolve([]),
    isPenalized: () => false,
    takesTokens: false,
  }
  const record = new DecisionRecords(10, Infinity, clock).open('s_x', client)
  await assert.rejects(
    new HookRunner(panel, () => 0, silentLog).ask('connect', { session }, null, record),
    /no report/,
  )
})
