/** What waits for plugins: how many calls, and how long without a plughost. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PluginConfig } from '../../config/config.ts'
import { worstBacklog } from '../../sandbox/plugin-backlog.ts'
import { fixturePlugin, testSandbox } from '../support/sandbox.ts'
import { until } from '../support/until.ts'

const plugin = (more: Partial<PluginConfig> = {}): PluginConfig => fixturePlugin('misbehaving', more)

test('the worst of several is the worst in each respect', () => {
  assert.deepEqual(worstBacklog([]), { calls: 0, absentMs: 0 })
  const backlogs = [
    { calls: 3, absentMs: 0 },
    { calls: 1, absentMs: 70 },
  ]
  assert.deepEqual(worstBacklog(backlogs), { calls: 3, absentMs: 70 })
})

test('calls under way are counted until they are answered', async (t) => {
  const sandbox = await testSandbox([plugin()])
  t.after(() => sandbox.close())
  assert.deepEqual(sandbox.backlog(), { calls: 0, absentMs: 0 })
  const asked = Array.from({ length: 5 }, () => sandbox.rcpt('anna'))
  await until(() => sandbox.backlog().calls === 5, 'five calls under way')
  await Promise.all(asked)
  assert.deepEqual(sandbox.backlog(), { calls: 0, absentMs: 0 })
})

test('a plughost that died is missed from its death until the next one is ready', async (t) => {
  const sandbox = await testSandbox([plugin()])
  t.after(() => sandbox.close())
  const pid = sandbox.pidOf('misbehaving')
  assert.ok(pid)
  process.kill(pid, 'SIGKILL')
  await until(() => sandbox.backlog().absentMs > 0, 'the absence')
  const { absentMs } = sandbox.backlog()
  await until(() => sandbox.backlog().absentMs > absentMs, 'a longer absence')
  await until(() => sandbox.backlog().absentMs === 0, 'the next plughost')
  assert.notEqual(sandbox.pidOf('misbehaving'), pid)
})

test('nobody waits for a plugin whose failure lets mail through', async (t) => {
  const sandbox = await testSandbox([plugin({ onError: 'skip' })])
  t.after(() => sandbox.close())
  const asked = Array.from({ length: 5 }, () => sandbox.rcpt('anna'))
  process.kill(sandbox.pidOf('misbehaving') as number, 'SIGKILL')
  await until(() => sandbox.pidOf('misbehaving') === null, 'the death')
  assert.deepEqual(sandbox.backlog(), { calls: 0, absentMs: 0 })
  await Promise.all(asked)
})
