/** A plugin may be buggy or hostile: the asking side has an answer in time, and the others do not notice. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import type { Fault } from '../../core/mail/answer.ts'
import { bundledPlugin, FIXTURES, fixturePlugin, type TestSandbox, testSandbox } from '../support/sandbox.ts'

/** Ten times what is promised: slice and grace are 250 ms, a new plughost takes half a second. */
const PATIENCE_MS = 10_000

let sandbox: TestSandbox
before(async () => {
  sandbox = await testSandbox([
    bundledPlugin('relay-control'),
    fixturePlugin('misbehaving'),
    bundledPlugin('routing'),
  ])
})
after(() => sandbox.close())

const faults: readonly {
  readonly does: string
  readonly kinds: readonly Fault['kind'][]
  readonly says: RegExp
}[] = [
  { does: 'throw', kinds: ['throw'], says: /thrown on purpose/ },
  { does: 'loop', kinds: ['timeout'], says: /timed out/ },
  { does: 'dictionary', kinds: ['timeout', 'memory', 'death'], says: /./ },
  { does: 'uninterruptible', kinds: ['timeout'], says: /no answer for \d+ ms/ },
  { does: 'regular-expression', kinds: ['timeout'], says: /timed out/ },
  { does: 'process', kinds: ['throw'], says: /undefined/ },
  { does: 'require', kinds: ['throw'], says: /not a function/ },
  { does: 'import', kinds: ['throw'], says: /Not supported/ },
  { does: 'eval', kinds: ['throw'], says: /code cannot be made from strings/ },
  { does: 'constructor', kinds: ['throw'], says: /code cannot be made from strings/ },
  { does: 'foreign-key', kinds: ['throw'], says: /permission kv does not cover the key "other:key"/ },
  { does: 'grant', kinds: ['denied', 'invalid-answer'], says: /relay\.grant/ },
  { does: 'hold', kinds: ['denied'], says: /permission hold/ },
  { does: 'defer', kinds: ['denied'], says: /refuse: \['defer'\]/ },
  { does: 'wrong-status', kinds: ['invalid-answer'], says: /4\.7\.1 does not fit reject/ },
  { does: 'wrong-kind', kinds: ['invalid-answer'], says: /"accept"/ },
  { does: 'getter', kinds: ['timeout'], says: /timed out/ },
  { does: 'chatty', kinds: ['throw'], says: /too many commands/ },
  { does: 'greedy', kinds: ['throw'], says: /more than 16 tools of one call at work at once/ },
  { does: 'true', kinds: ['invalid-answer'], says: /./ },
  { does: 'tampering', kinds: ['throw', 'invalid-answer'], says: /./ },
  { does: 'throw-getter', kinds: ['timeout'], says: /timed out/ },
]

for (const { does, kinds, says } of faults) {
  test(`${does}: a fault of that plugin, in time`, async () => {
    const startedAt = performance.now()
    const reports = await sandbox.rcpt(does)
    assert.ok(performance.now() - startedAt < PATIENCE_MS)
    assert.deepEqual(
      reports.map(({ plugin }) => plugin.name),
      ['relay-control', 'misbehaving'],
    )
    assert.ok(reports[0]?.answer !== null)
    const fault = reports[1]?.fault
    assert.ok(fault)
    assert.ok(kinds.includes(fault.kind), `${fault.kind}: ${fault.message}`)
    assert.match(fault.message, says)
    assert.ok((await sandbox.rcpt('well')).every((report) => report.fault === null))
  })
}

test('an action and an answer without the permission are counted under it, like a tool', async () => {
  const counted = (permission: string): number =>
    sandbox.counters.denials.find(({ labels }) => labels['permission'] === permission)?.value ?? 0
  for (const [does, permission] of [
    ['hold', 'hold'],
    ['defer', 'refuse'],
    ['foreign-key', 'kv'],
  ] as const) {
    const before = counted(permission)
    await sandbox.rcpt(does)
    assert.equal(counted(permission), before + 1, permission)
  }
})

test('a fault shows the line and column the author wrote', async () => {
  const lines = readFileSync(join(FIXTURES, 'misbehaving.ts'), 'utf8').split('\n')
  const line = lines.findIndex((text) => text.includes('thrown on purpose'))
  const column = lines[line]?.indexOf('Error(') ?? 0
  const [, report] = await sandbox.rcpt('throw')
  assert.ok(report?.fault?.stack.includes(`misbehaving.ts:${line + 1}:${column - 'new '.length + 1}`))
})

test('a promise nobody waits for is charged to the plugin, and its answer still counts', async () => {
  // A plugin above has written all it may in this second.
  await wait(1_000)
  const reports = await sandbox.rcpt('floating')
  assert.deepEqual(
    reports.map(({ fault }) => fault),
    [null, null],
  )
  assert.ok(sandbox.logged.some(({ fields }) => String(fields['text']).includes('nobody waits for this')))
})

test('a refusal carries its code and facts, and ends the asking', async () => {
  const reports = await sandbox.rcpt('reject')
  const expected = {
    kind: 'reject',
    status: '5.7.1',
    text: 'No',
    code: 'NO',
    facts: { one: 1, yes: true, none: null },
  }
  assert.deepEqual(reports.at(-1)?.answer?.refusal, expected)
})

test('those who wait beside an endless loop get their answers', async () => {
  const all = ['well', 'loop', 'own-key', 'well', 'uninterruptible', 'well', 'own-key'].map((what) =>
    sandbox.rcpt(what),
  )
  const reports = await Promise.all(all)
  const failed = reports.map((of) => of.some(({ fault }) => fault !== null))
  assert.deepEqual([failed[0], failed[1], failed[3], failed[4], failed[5]], [false, true, false, true, false])
})

test('calls that wait for one promise are all answered when it is settled', async () => {
  const startedAt = performance.now()
  const all = await Promise.all(['shared', 'shared', 'shared'].map((what) => sandbox.rcpt(what)))
  assert.ok(all.flat().every(({ fault }) => fault === null))
  assert.ok(performance.now() - startedAt < 8_000)
})

test('a plugin that tampers with its isolate costs no plughost', async () => {
  const pid = sandbox.pidOf('misbehaving')
  await sandbox.rcpt('tampering')
  assert.equal(sandbox.pidOf('misbehaving'), pid)
  assert.equal((await sandbox.rcpt('reject')).at(-1)?.answer?.refusal?.code, 'NO')
})

test('a plughost killed from outside is replaced, and whoever waited is asked again', async () => {
  const pid = sandbox.pidOf('misbehaving')
  assert.ok(pid)
  const waiting = Promise.all(Array.from({ length: 20 }, () => sandbox.rcpt('well')))
  process.kill(pid, 'SIGKILL')
  for (const reports of await waiting) assert.ok(reports.every(({ fault }) => fault === null))
  assert.notEqual(sandbox.pidOf('misbehaving'), pid)
})

test('a death names the plugin, the hook and the session in the log', async () => {
  await sandbox.rcpt('uninterruptible')
  const { fields } = sandbox.logged.findLast(({ event }) => event === 'plughost-died') ?? {}
  assert.equal(fields?.['plugin'], 'misbehaving')
  assert.equal(fields?.['hook'], 'rcpt')
  assert.equal(fields?.['session'], 's_test')
  assert.equal(fields?.['cause'], 'timeout')
})

test('the asking process keeps its beat while a plugin spins', async () => {
  let longest = 0
  let last = performance.now()
  const beat = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  await Promise.all([sandbox.rcpt('loop'), sandbox.rcpt('uninterruptible')])
  clearInterval(beat)
  assert.ok(longest < 200, `${longest} ms without a beat`)
})
