/** One plughost is started ahead for plugins of the user's: who takes it, when there is one, and when there is none. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { LogFields } from '../../core/observe/log.ts'
import { readSandboxSources } from '../../sandbox/sources.ts'
import { SparePlughost } from '../../sandbox/spare-plughost.ts'
import { bundledPlugin, fixturePlugin, logInto, type TestSandbox, testSandbox } from '../support/sandbox.ts'
import { until } from '../support/until.ts'

const PATIENCE_MS = 20_000
const SHORT_LIVED = join(import.meta.dirname, 'short-lived-plughost.js')
const { prelude } = readSandboxSources({ plugins: [], lookups: {}, secrets: {}, file: null }).sources.border

interface Stand {
  readonly spare: SparePlughost
  readonly letGo: () => void
  readonly logged: { readonly event: string }[]
}

function wanted(t: TestContext, entry?: string): Stand {
  const logged: { event: string; fields: LogFields }[] = []
  const spare = new SparePlughost({ log: logInto(logged), ...(entry === undefined ? {} : { entry }) })
  let isWanted = true
  const unwanted = spare.want({ prelude, plugins: 1 })
  const letGo = (): void => {
    if (isWanted) unwanted()
    isWanted = false
  }
  t.after(letGo)
  return { spare, letGo, logged }
}

async function sandboxWith(t: TestContext, spare: SparePlughost, ...names: string[]): Promise<TestSandbox> {
  const plugins = names.map((name) =>
    name === 'relay-control' ? bundledPlugin(name) : fixturePlugin(name, { process: 'shared' }),
  )
  const sandbox = await testSandbox(plugins, { idle: spare })
  t.after(() => sandbox.close())
  return sandbox
}

/** Process of the spare, as soon as there is one other than `before`. */
async function pidOf(spare: SparePlughost, before: number | null = null): Promise<number> {
  const pid = (): number | null => spare.views()[0]?.pid ?? null
  await until(() => pid() !== null && pid() !== before, 'a spare plughost', PATIENCE_MS)
  return pid() as number
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('who was killed is followed by the spare one at once, and another is made', async (t) => {
  const { spare } = wanted(t)
  const sandbox = await sandboxWith(t, spare, 'misbehaving')
  const first = await pidOf(spare)
  assert.notEqual(sandbox.pidOf('misbehaving'), first)
  const [report] = await sandbox.rcpt('uninterruptible')
  assert.equal(report?.fault?.kind, 'timeout')
  // It is there before anybody asks, and the next call is answered by it.
  assert.equal(sandbox.pidOf('misbehaving'), first)
  assert.equal((await sandbox.rcpt('reject')).at(-1)?.answer?.refusal?.code, 'NO')
  assert.equal(sandbox.pidOf('misbehaving'), first)
  const second = await pidOf(spare, first)
  process.kill(first, 'SIGKILL')
  const waiting = await Promise.all(Array.from({ length: 20 }, () => sandbox.rcpt('well')))
  assert.ok(waiting.flat().every(({ fault }) => fault === null))
  assert.equal(sandbox.pidOf('misbehaving'), second)
})

test('a generation beside the one in force takes it, plugins of the gateway do not', async (t) => {
  const { spare } = wanted(t)
  const first = await pidOf(spare)
  const bundled = await sandboxWith(t, spare, 'relay-control')
  assert.equal(await pidOf(spare), first)
  assert.notEqual(bundled.pidOf('relay-control'), first)
  const candidate = await sandboxWith(t, spare, 'misbehaving')
  assert.equal(candidate.pidOf('misbehaving'), first)
  const second = await pidOf(spare, first)
  candidate.close()
  await until(() => !runs(first), 'the end of what ran plugins', PATIENCE_MS)
  assert.ok(runs(second))
})

test('it is started as a plughost of the user', { skip: process.platform !== 'linux' }, async (t) => {
  const { spare } = wanted(t)
  const sandbox = await sandboxWith(t, spare, 'misbehaving')
  const [ours, its] = [await pidOf(spare), sandbox.pidOf('misbehaving')].map((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0'),
  )
  assert.ok(ours?.includes('--jitless'))
  assert.deepEqual(ours, its)
})

test('there is none before somebody wants one, and none when nobody does any more', async (t) => {
  const spare = new SparePlughost({ log: logInto([]) })
  assert.deepEqual(spare.views(), [])
  assert.equal(spare.isReady, false)
  const { spare: other, letGo } = wanted(t)
  const pid = await pidOf(other)
  letGo()
  assert.deepEqual(other.views(), [])
  await until(() => !runs(pid), 'the end of the spare', PATIENCE_MS)
})

test('a spare that dies is replaced, each time after a longer wait', async (t) => {
  const { spare, logged } = wanted(t, SHORT_LIVED)
  const diedAt: number[] = []
  await until(
    () => {
      while (diedAt.length < spare.deaths) diedAt.push(performance.now())
      return diedAt.length >= 4
    },
    'four deaths',
    PATIENCE_MS,
  )
  const waits = diedAt.slice(1).map((at, index) => at - (diedAt[index] ?? 0))
  // Behind the first start, which waited for nothing; a look at it may be late by some.
  for (const [index, leastMs] of [100, 200, 400].entries())
    assert.ok((waits[index] ?? 0) > leastMs * 0.8, `${waits.map(Math.round).join(', ')} ms`)
  assert.ok(logged.filter(({ event }) => event === 'plughost-died').length >= 4)
})
