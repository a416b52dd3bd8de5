/** What a plugin may use of the processor for one session: beyond it the plugin is not asked for that session. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { PluginBounds } from '../../sandbox/plugin-bounds.ts'
import { SessionCpu } from '../../sandbox/session-cpu.ts'
import { fixturePlugin, SESSION, testSandbox } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

const one = { hook: 'rcpt', session: 's_1', plugin: 'one' } as const
/** Of calls that take 10 ms or so; generous for a fast machine. */
const MAX_CALLS = 2_000

const BURNING = `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'burning', version: '1.0.0', api: 1,
  hooks: { connect() {}, rcpt() { let n = 0; for (let i = 0; i < 300_000; i++) n += i; return undefined } },
})
`

function budget() {
  const clock = { ms: 0 }
  return { clock, cpu: new SessionCpu(() => clock.ms) }
}

test('what is used beyond 250 ms is given back at a quarter of the time', () => {
  const { clock, cpu } = budget()
  cpu.used(one, 249_000)
  assert.deepEqual([cpu.isCalm, cpu.isSpent(one)], [true, false])
  cpu.used(one, 101_000)
  assert.deepEqual([cpu.isCalm, cpu.isSpent(one)], [false, true])
  clock.ms = 400
  assert.equal(cpu.isSpent(one), true)
  clock.ms = 401
  assert.equal(cpu.isSpent(one), false)
  assert.equal(cpu.isCalm, true)
  cpu.used(one, 2_000)
  assert.equal(cpu.isSpent(one), true)
})

test('it is of one plugin in one session, and not of what the gateway asks by itself', () => {
  const { cpu } = budget()
  cpu.used(one, 300_000)
  assert.equal(cpu.isSpent({ ...one, session: 's_2' }), false)
  assert.equal(cpu.isSpent({ ...one, plugin: 'two' }), false)
  assert.equal(cpu.isSpent({ ...one, hook: 'deliver' }), false)
  cpu.used({ ...one, hook: 'tell', session: 's_3' }, 300_000)
  assert.equal(cpu.isSpent({ ...one, session: 's_3' }), false)
})

test('thousands of ordinary calls cost nothing', () => {
  const { cpu } = budget()
  for (let call = 0; call < 10_000; call++) cpu.used(one, 900)
  assert.equal(cpu.isCalm, true)
})

test('sessions that are remembered are bounded, and the newest stays', () => {
  const { cpu } = budget()
  for (let session = 0; session <= 10_000; session++) cpu.used({ ...one, session: `s_${session}` }, 300_000)
  assert.equal(cpu.isSpent({ ...one, session: 's_0' }), false)
  assert.equal(cpu.isSpent({ ...one, session: 's_1' }), true)
  assert.equal(cpu.isSpent({ ...one, session: 's_10000' }), true)
})

test('a plugin that has used it is not asked for this session, is asked for another, and it is counted', async (t) => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'burning.ts')
  writeFileSync(path, BURNING)
  // Time stands still: nothing is given back.
  const bounds = new PluginBounds(() => 0)
  const sandbox = await testSandbox([fixturePlugin('burning', { source: { kind: 'file', path } })], {
    bounds,
  })
  t.after(() => sandbox.close())
  let micros = 0
  let calls = 0
  let [report] = await sandbox.rcpt('well')
  while (report?.fault === null && calls++ < MAX_CALLS) {
    micros += report.cpuMicros
    ;[report] = await sandbox.rcpt('well')
  }
  assert.deepEqual(report?.fault, {
    kind: 'unavailable',
    message: 'not asked: it has used 250 ms of the processor for this session',
    stack: '',
  })
  assert.ok(micros >= 250_000, `${micros} µs`)
  assert.deepEqual(sandbox.counters.quotaRefusals, [
    { labels: { plugin: 'burning', quota: 'cpu.session' }, value: 1 },
  ])
  const connect = { hook: 'connect', event: { session: SESSION }, message: null, chainMs: 30_000 } as const
  const [same] = await sandbox.panel.ask({ ...connect, session: SESSION.id }, 0)
  assert.deepEqual(same?.fault, report?.fault)
  const [other] = await sandbox.panel.ask({ ...connect, session: 's_other' }, 0)
  assert.equal(other?.fault, null)
  assert.equal(sandbox.panel.usage.get('burning')?.notAsked, 2)
})
