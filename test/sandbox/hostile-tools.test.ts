/**
 * A plugin that attacks with its tools: arguments without end, floods, promises that never settle. Each is a named
 * failure in the record and the log, what it held is given back, and the plugin is asked again.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Decision } from '../../core/admin/control.ts'
import { HookRunner } from '../../core/hooks/runner.ts'
import type { RcptEvent } from '../../core/mail/hook-events.ts'
import { systemClock } from '../../core/observe/clock.ts'
import { DecisionRecords } from '../../core/observe/decision-record.ts'
import type { LogFields } from '../../core/observe/log.ts'
import { fixturePlugin, logInto, SESSION, type TestSandbox, testSandbox } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

/** Of one call that never ends. */
const NEVER_MS = 500
const AT_ONCE = 8
const ROUNDS = 12

const SOURCE = `import { definePlugin } from 'postern'
const held = () => new Uint8Array(1_000_000)
const deeds = {
  'search of 1 MB': ({ message }) => message.search(['x'.repeat(1_000_000)]),
  'search of 100 kB': ({ message }) => message.search(['x'.repeat(100_000)]),
  'note of 16 MB': ({ notes }) => notes.set('a', 'x'.repeat(16_000_000)),
  'note of 20 kB': ({ notes }) => notes.set('a', 'x'.repeat(20_000)),
  'value of 1 MB': ({ kv }) => kv.set('mine:a', 'x'.repeat(1_000_000), { ttlSeconds: 60 }),
  'line after line': ({ log }) => { for (;;) log.info('again') },
  '900 lines': ({ log }) => { for (let i = 0; i < 900; i++) log.info('again') },
  'tool after tool': async ({ kv }) => { for (;;) try { await kv.get('mine:a') } catch {} },
  'never': () => { const bytes = held(); return new Promise(() => { bytes[0] = 1 }) },
  'never, with a tool': async ({ kv }) => { const bytes = held(); await kv.get('mine:a'); await new Promise(() => {}); return bytes },
}
export default definePlugin({
  name: 'attacker', version: '1.0.0', api: 1, permissions: { kv: ['mine:*'], 'body.read': true },
  hooks: { rcpt: async ({ localPart }, tools) => { await deeds[localPart]?.(tools) } },
})
`

let folder: TemporaryFolder
let sandbox: TestSandbox
before(async () => {
  folder = await TemporaryFolder.make()
  const path = join(folder.path, 'attacker.ts')
  writeFileSync(path, SOURCE)
  sandbox = await testSandbox([fixturePlugin('attacker', { source: { kind: 'file', path } })])
})
after(async () => {
  sandbox.close()
  await folder[Symbol.asyncDispose]()
})

function event(localPart: string): RcptEvent {
  const transaction = { number: 1, reversePath: '', declaredSize: null, recipients: [], tags: [] }
  const domain = { name: 'example.test', ours: true }
  return { session: SESSION, transaction, recipient: 'anna@example.test', localPart, domain }
}

/** Asks as a session does: the decision in its record, and the lines of the log. */
async function asked(deed: string): Promise<{ decision: Decision; lines: readonly LogFields[] }> {
  const logged: { event: string; fields: LogFields }[] = []
  const record = new DecisionRecords(10, Infinity, systemClock).open(SESSION.id, SESSION.client)
  const runner = new HookRunner(sandbox.panel, () => systemClock.monotonic(), logInto(logged))
  await runner.ask('rcpt', event(deed), null, record)
  const [decision] = record.entries
  assert.ok(decision !== undefined && 'plugin' in decision)
  return {
    decision,
    lines: logged.filter((line) => line.event === 'plugin-failed').map(({ fields }) => fields),
  }
}

const attacks: readonly (readonly [deed: string, says: RegExp])[] = [
  ['search of 1 MB', /RangeError: an answer or argument is too large/],
  ['search of 100 kB', /arguments of more than 70000 characters/],
  ['note of 16 MB', /RangeError: a text of more than 65536 characters/],
  ['note of 20 kB', /QuotaExceeded: the notes of a plugin have at most 16384 octets/],
  ['value of 1 MB', /RangeError: a text of more than 65536 characters/],
  ['line after line', /RangeError: too many commands in one activation/],
  ['tool after tool', /it went on using tools beyond its quota/],
]

for (const [deed, says] of attacks)
  test(`${deed}: a failure with its name, and the plugin is asked again`, async () => {
    const { decision, lines } = await asked(deed)
    assert.equal(decision.plugin, 'attacker')
    assert.equal(decision.fault?.kind, 'throw')
    assert.match(decision.fault.message, says)
    assert.deepEqual(
      lines.map(({ plugin, reference }) => [plugin, reference]),
      [['attacker', decision.reference]],
    )
    assert.equal((await asked('well')).decision.fault, null)
  })

test('what is beyond a quota is counted', () => {
  const usage = sandbox.panel.usage.get('attacker')
  const quotas = sandbox.counters.quotaRefusals.map(({ labels }) => labels['quota'])
  assert.ok(quotas.includes('effects.in-call') && quotas.includes('effects.request-size'), quotas.join())
  assert.ok((usage?.faults ?? 0) >= attacks.length)
})

test('hundreds of lines in each call: a hundred a second are written, the rest is counted and told once', async () => {
  const before = sandbox.panel.usage.get('attacker')?.droppedLogLines ?? 0
  const from = sandbox.logged.length
  for (let i = 0; i < 5; i++) assert.equal((await asked('900 lines')).decision.fault, null)
  const dropped = (sandbox.panel.usage.get('attacker')?.droppedLogLines ?? 0) - before
  assert.ok(dropped > 1_000, `${dropped} dropped`)
  const events = sandbox.logged.slice(from).map((line) => line.event)
  assert.ok(sandbox.logged.some((line) => line.event === 'plugin-log-dropped'))
  assert.ok(events.filter((name) => name === 'plugin-said').length + dropped >= 4_500)
})

for (const deed of ['never', 'never, with a tool'])
  test(`${deed}: the call is given up in its time, and what it held is given back`, async () => {
    const deathsBefore = sandbox.plughostDeaths()
    const call = { hook: 'rcpt', event: event(deed), message: null, session: SESSION.id } as const
    for (let round = 0; round < ROUNDS; round++) {
      const calls = Array.from({ length: AT_ONCE }, () =>
        sandbox.panel.ask({ ...call, chainMs: NEVER_MS }, 0),
      )
      for (const [report] of await Promise.all(calls)) {
        assert.equal(report?.fault?.kind, 'timeout')
        assert.match(report.fault.message, /rcpt took longer than 500 ms in all/)
      }
    }
    // Three times the memory of an isolate, a third of it at no time.
    assert.equal((await asked('well')).decision.fault, null)
    assert.equal(sandbox.plughostDeaths(), deathsBefore)
  })
