/** A second plughost stands by with the same plugins loaded: it goes on when the first one dies, and is replaced then. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { type TestContext, test } from 'node:test'
import { bundledPlugin, fixturePlugin, type TestSandbox, testSandbox } from '../support/sandbox.ts'
import { until } from '../support/until.ts'

const PATIENCE_MS = 20_000
const DEATHS = 3
/** Not so many that it is not known which of them killed the plughost. */
const OTHERS = 3

async function sandboxWith(t: TestContext, ...names: string[]): Promise<TestSandbox> {
  const grant = { 'route.set': ['*'] }
  const plugins = names.map((name) => fixturePlugin(name, { process: 'shared', grant }))
  const sandbox = await testSandbox([bundledPlugin('relay-control'), ...plugins], { standby: true })
  t.after(() => sandbox.close())
  return sandbox
}

/** Process that stands by, as soon as there is one other than `before`. */
async function standbyOf(sandbox: TestSandbox, before: number | null = null): Promise<number> {
  const pid = (): number | null =>
    sandbox.plughosts().find(({ domain }) => domain === 'standby shared')?.pid ?? null
  await until(() => pid() !== null && pid() !== before, 'a plughost that stands by', PATIENCE_MS)
  return pid() as number
}

test('it goes on at once when the plughost dies, and another stands by then', async (t) => {
  const sandbox = await sandboxWith(t, 'misbehaving', 'deciding')
  let standby = await standbyOf(sandbox)
  for (let death = 0; death < DEATHS; death++) {
    const dying = sandbox.pidOf('misbehaving') ?? assert.fail()
    process.kill(dying, 'SIGKILL')
    await until(() => sandbox.pidOf('misbehaving') === standby, 'the other one', PATIENCE_MS)
    const reports = await sandbox.rcpt('well')
    assert.deepEqual(
      reports.map(({ fault }) => fault),
      reports.map(() => null),
    )
    assert.equal(sandbox.pidOf('misbehaving'), standby)
    standby = await standbyOf(sandbox, standby)
  }
  assert.equal(sandbox.plughostDeaths(), DEATHS)
})

test('calls that wait in the plughost when it dies are answered by the other one', async (t) => {
  const sandbox = await sandboxWith(t, 'misbehaving')
  const standby = await standbyOf(sandbox)
  const [killer, ...others] = await Promise.all([
    sandbox.rcpt('uninterruptible'),
    ...Array.from({ length: OTHERS }, () => sandbox.rcpt('well')),
  ])
  assert.equal(killer?.at(-1)?.fault?.kind, 'timeout')
  assert.ok(others.flat().every(({ fault }) => fault === null))
  assert.equal(sandbox.pidOf('misbehaving'), standby)
})

test('one that dies while it stands by is replaced, and nobody hears of it', async (t) => {
  const sandbox = await sandboxWith(t, 'misbehaving')
  const standby = await standbyOf(sandbox)
  const working = sandbox.pidOf('misbehaving')
  process.kill(standby, 'SIGKILL')
  await standbyOf(sandbox, standby)
  assert.equal(sandbox.pidOf('misbehaving'), working)
  assert.deepEqual(
    sandbox.logged.filter(({ event }) => event === 'plughost-died').map(({ fields }) => fields['cause']),
    ['died'],
  )
  assert.equal(sandbox.plughostDeaths(), 1)
})

test('plugins of the gateway have none, and it ends with its sandbox', async (t) => {
  const sandbox = await sandboxWith(t, 'misbehaving')
  const pid = await standbyOf(sandbox)
  const standing = sandbox.plughosts().filter(({ domain }) => domain.startsWith('standby '))
  assert.deepEqual(standing, [{ domain: 'standby shared', pid, plugins: ['misbehaving'] }])
  sandbox.close()
  await until(() => !runs(pid), 'its end', PATIENCE_MS)
})

function runs(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
