/** Reload in two phases, by what the workers are asked to do. */
import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { loadConfig } from '../../../config/load.ts'
import type { Problem } from '../../../config/problem.ts'
import type { GenerationSource } from '../../../core/gateway/generation.ts'
import type { LogFields } from '../../../core/observe/log.ts'
import { type Reloadable, Reloading } from '../../../core/process/reload.ts'
import { readSandboxSources } from '../../../sandbox/sources.ts'
import { logInto } from '../../support/sandbox.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

const PROBLEM: Problem = { code: 'P1009', place: 'x.ts:1:1', message: 'It does not load.', remedy: 'mend it' }

/** Stands where the worker processes are. */
class Workers implements Reloadable {
  readonly calls: string[] = []
  answer: () => Promise<readonly Problem[]> = async () => []

  async prepare({ number }: GenerationSource): Promise<readonly Problem[]> {
    this.calls.push(`prepare ${number}`)
    return this.answer()
  }

  async activate({ number }: GenerationSource): Promise<void> {
    this.calls.push(`activate ${number}`)
  }

  async discard(number: number): Promise<void> {
    this.calls.push(`discard ${number}`)
  }
}

async function started(t: TestContext) {
  const folder = await TemporaryFolder.make()
  t.after(() => folder[Symbol.asyncDispose]())
  const file = join(folder.path, 'postern.yaml')
  const write = (text: string): void => writeFileSync(file, text)
  write('hostname: mx.example.test\n')
  const loaded = loadConfig(file, {})
  assert.ok(loaded.ok)
  const { config } = loaded
  const { sources } = readSandboxSources(config)
  const workers = new Workers()
  const logged: { event: string; fields: LogFields }[] = []
  const bound = config.listeners
  const reloading = new Reloading(file, { number: 1, config, sources }, bound, workers, logInto(logged))
  return { workers, reloading, write, lock: join(folder.path, 'postern.lock'), logged }
}

test('what everybody could prepare is put in force, under a new number each time', async (t) => {
  const { workers, reloading } = await started(t)
  assert.equal((await reloading.reload('x')).generation, 2)
  assert.deepEqual(
    await reloading.reload('x').then(({ isReloaded, generation }) => [isReloaded, generation]),
    [true, 3],
  )
  assert.deepEqual(workers.calls, ['prepare 2', 'activate 2', 'prepare 3', 'activate 3'])
})

test('a lock of the plugins that is gone is told', async (t) => {
  const { reloading, lock, logged } = await started(t)
  const gone = (): number => logged.filter(({ event }) => event === 'plugin-lock-gone').length
  writeFileSync(lock, 'version: 1\nplugins: []\n')
  await reloading.reload('x')
  assert.equal(gone(), 0)
  rmSync(lock)
  await reloading.reload('x')
  await reloading.reload('x')
  assert.equal(gone(), 1)
})

test('what one could not prepare is let go everywhere, whether it says so or fails', async (t) => {
  const { workers, reloading } = await started(t)
  workers.answer = async () => [PROBLEM]
  const refused = await reloading.reload('x')
  assert.deepEqual([refused.isReloaded, refused.generation, refused.problems], [false, 1, [PROBLEM]])
  workers.answer = async () => {
    throw new Error('a worker is being replaced')
  }
  const failed = await reloading.reload('x')
  assert.deepEqual([failed.isReloaded, failed.problems.map(({ code }) => code)], [false, ['P3031']])
  workers.answer = async () => []
  assert.equal((await reloading.reload('x')).generation, 4)
  assert.deepEqual(workers.calls, [
    'prepare 2',
    'discard 2',
    'prepare 3',
    'discard 3',
    'prepare 4',
    'activate 4',
  ])
})

test('those who ask while one is under way share the next one', async (t) => {
  const { workers, reloading } = await started(t)
  const outcomes = await Promise.all(Array.from({ length: 50 }, () => reloading.reload('SIGHUP')))
  assert.deepEqual(new Set(outcomes.map(({ generation }) => generation)), new Set([2]))
  const gate = Promise.withResolvers<readonly Problem[]>()
  workers.answer = () => gate.promise
  const first = reloading.reload('SIGHUP')
  await new Promise(setImmediate)
  const later = Array.from({ length: 50 }, () => reloading.reload('SIGHUP'))
  gate.resolve([])
  assert.equal((await first).generation, 3)
  assert.deepEqual(new Set((await Promise.all(later)).map(({ generation }) => generation)), new Set([4]))
  assert.equal(workers.calls.filter((call) => call.startsWith('prepare')).length, 3)
})

test('a bad file, and settings that a process has only once, are told before any worker is asked', async (t) => {
  const { workers, reloading, write } = await started(t)
  write('hostname: 7\n')
  assert.deepEqual(
    (await reloading.reload('x')).problems.map(({ code }) => code),
    ['P1105'],
  )
  write(
    [
      'listeners: [{ address: "127.0.0.1:2526" }]',
      'store: { directory: ./elsewhere }',
      'admin: { http: off }',
      'record: { sessions: 7 }',
      'log: { level: warn }',
      'workers: 2',
      'queue: { lease: 90s }',
    ].join('\n'),
  )
  assert.deepEqual(
    (await reloading.reload('x')).problems.map(({ code, message }) => `${code} ${message.split(' ')[0]}`),
    ['listeners', 'store', 'admin', 'record', 'log', 'workers', 'queue.lease'].map(
      (name) => `P3030 "${name}"`,
    ),
  )
  assert.deepEqual(workers.calls, [])
})
