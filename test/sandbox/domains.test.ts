/** Who shares a process with whom, and how far those processes are shut in. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { after, before, test } from 'node:test'
import { missingHardening } from '../../sandbox/plughost-process.ts'
import { bundledPlugin, fixturePlugin, type TestSandbox, testSandbox } from '../support/sandbox.ts'

const isLinux = process.platform === 'linux'

const GRANT = { 'relay.grant': true, 'route.set': ['*'], credentials: true }
const CONFIG = { byAddress: {}, first: 'discard:', second: 'discard:' }

let sandbox: TestSandbox
before(async () => {
  sandbox = await testSandbox([
    bundledPlugin('relay-control'),
    fixturePlugin('misbehaving'),
    fixturePlugin('curious', { process: 'shared' }),
    fixturePlugin('answers', { process: 'shared', grant: GRANT, config: CONFIG }),
    bundledPlugin('routing'),
  ])
})
after(() => sandbox.close())

function statusOf(pid: number): string {
  return readFileSync(`/proc/${pid}/status`, 'utf8')
}

test('plugins that come with the gateway share a process, one of the user has its own unless it is to be shared', () => {
  const domains = sandbox.plughosts().map(({ domain, plugins }) => [domain, ...plugins])
  assert.deepEqual(domains, [
    ['bundled', 'relay-control', 'routing'],
    ['misbehaving', 'misbehaving'],
    ['shared', 'curious', 'one'],
  ])
  assert.equal(new Set(sandbox.plughosts().map(({ pid }) => pid)).size, 3)
})

test('the configured order is kept across processes', async () => {
  const reports = await sandbox.rcpt('well')
  assert.deepEqual(
    reports.map(({ plugin }) => plugin.name),
    ['relay-control', 'misbehaving', 'curious', 'one', 'routing'].filter((name) =>
      sandbox.panel.subscribers('rcpt').some((one) => one.name === name),
    ),
  )
})

test('a death in one process is not noticed in another', async () => {
  const bystander = sandbox.pidOf('relay-control')
  const guilty = sandbox.pidOf('misbehaving')
  await sandbox.rcpt('uninterruptible')
  await sandbox.rcpt('well', 0, '192.0.2.99')
  assert.equal(sandbox.pidOf('relay-control'), bystander)
  assert.notEqual(sandbox.pidOf('misbehaving'), guilty)
})

test('only plugins of the gateway run with the JIT compiler', { skip: !isLinux }, () => {
  const flags = sandbox.plughosts().map(({ pid }) => readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0'))
  assert.deepEqual(
    flags.map((words) => words.includes('--jitless')),
    [false, true, true],
  )
})

test('what the system offers is used, and what it does not is said', { skip: !isLinux }, () => {
  const missing = missingHardening().join('\n')
  for (const { pid } of sandbox.plughosts()) {
    const status = statusOf(pid as number)
    assert.equal(/^Uid:\s+65534\s/m.test(status), !missing.includes('a user of its own'))
    assert.equal(/^NoNewPrivs:\s+1$/m.test(status), !missing.includes('setpriv'))
    const ownNetwork = readlinkSync(`/proc/${pid}/ns/net`) !== readlinkSync('/proc/self/ns/net')
    assert.equal(ownNetwork, !missing.includes('unshare'))
  }
})

test('a plughost has nothing of the environment', { skip: !isLinux }, () => {
  for (const { pid } of sandbox.plughosts()) assert.equal(readFileSync(`/proc/${pid}/environ`, 'utf8'), '')
})

test('who is not root gets a plughost too, and is told what it lacks', {
  skip: !isLinux || process.getuid?.() !== 0,
}, () => {
  const script = `
    const { missingHardening } = await import('./sandbox/plughost-process.ts')
    const { bundledPlugin, fixturePlugin, testSandbox } = await import('./test/support/sandbox.ts')
    const sandbox = await testSandbox([bundledPlugin('relay-control'), fixturePlugin('misbehaving')])
    const reports = await sandbox.rcpt('well')
    console.log(JSON.stringify({ faults: reports.map(({ fault }) => fault), missing: missingHardening() }))
    sandbox.close()
    process.exit(0)`
  const nobody = ['--reuid', '65534', '--regid', '65534', '--clear-groups', '--', process.execPath]
  const said = execFileSync('setpriv', [...nobody, '--input-type=module', '-e', script], {
    encoding: 'utf8',
    env: {},
  })
  const { faults, missing } = JSON.parse(said) as { faults: unknown[]; missing: string[] }
  assert.deepEqual(faults, [null, null])
  assert.ok(missing.some((line) => line.includes('not started as root')))
})
