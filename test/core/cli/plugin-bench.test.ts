/** `postern plugin bench`: what a plugin costs, with and without JIT, and what it says when it cannot be measured. */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Bench } from '../../../sandbox/bench.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { runHere } from './in-process.ts'

const SOURCE = `import { defer, definePlugin, pass } from 'postern'
let work = 0
export default definePlugin({
  name: 'busy', version: '1.2.3', api: 1,
  permissions: { kv: ['busy:*'] },
  config: { type: 'object', properties: { rounds: { type: 'integer', default: 10 } } },
  hooks: {
    connect() {},
    async rcpt({ recipient }, { kv }, config) {
      for (let i = 0; i < config.rounds; i++) work += i
      const known = await kv.get('busy:' + recipient)
      if (recipient === 'missing@example.test') throw new Error('not this one')
      return pass(String(known))
    },
  },
})
`

let folder: TemporaryFolder
let file: string
before(async () => {
  folder = await TemporaryFolder.make()
  file = join(folder.path, 'busy.ts')
  writeFileSync(file, SOURCE)
})
after(async () => await folder?.[Symbol.asyncDispose]())

async function benched(...args: readonly string[]): Promise<Bench> {
  const { code, stdout, stderr } = await runHere([
    'plugin',
    'bench',
    file,
    '--json',
    '--count',
    '20',
    ...args,
  ])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as Bench
}

test('every hook is measured with JIT and without it', async () => {
  const { plugin, runs } = await benched()
  assert.deepEqual([plugin.name, plugin.version], ['busy', '1.2.3'])
  assert.deepEqual(
    runs.map(({ jit, hooks }) => [jit, ...hooks.map(({ hook }) => hook)]),
    [
      [false, 'connect', 'rcpt'],
      [true, 'connect', 'rcpt'],
    ],
  )
  for (const { heapBytes, loadMicros, hooks } of runs) {
    assert.ok(heapBytes > 50_000 && heapBytes < 32 * 1024 * 1024, String(heapBytes))
    assert.ok(loadMicros > 0)
    for (const { calls, medianMicros, p99Micros, mostMicros, faults } of hooks) {
      assert.deepEqual([calls, faults], [20, 0])
      assert.ok(0 < medianMicros && medianMicros <= p99Micros && p99Micros <= mostMicros)
    }
  }
})

test('settings come from the configuration that was named, and cost what they cost', async () => {
  const configuration = join(folder.path, 'postern.yaml')
  writeFileSync(
    configuration,
    `hostname: mx.example.test\nplugins: [{ path: ./busy.ts, config: { rounds: 200000 } }]\n`,
  )
  const few = await benched('--hook', 'rcpt')
  const many = await benched('--hook', 'rcpt', '--config', configuration)
  const medianOf = ({ runs }: Bench) => runs[0]?.hooks[0]?.medianMicros ?? 0
  assert.ok(medianOf(many) > 3 * medianOf(few), `${medianOf(many)} and ${medianOf(few)}`)
})

test('recorded activations are asked about, and their tools answer as they did', async () => {
  const recording = join(folder.path, 'busy.jsonl')
  writeFileSync(recording, recorded('anna@example.test'))
  const { runs } = await benched('--log', recording)
  assert.deepEqual(
    runs.map(({ hooks }) => hooks.map(({ hook, faults }) => [hook, faults])),
    [[['rcpt', 0]], [['rcpt', 0]]],
  )
})

test('a hook that fails is told with its place, and ends with 1', async () => {
  const recording = join(folder.path, 'failing.jsonl')
  writeFileSync(recording, recorded('missing@example.test'))
  const { code, stdout, stderr } = await runHere([
    'plugin',
    'bench',
    file,
    '--count',
    '5',
    '--log',
    recording,
  ])
  assert.equal(code, 1)
  assert.match(stdout, /^rcpt +no +5 .* 5$/m)
  assert.match(
    stderr,
    /busy\.ts:12:\d+ {2}rcpt failed in 5 calls without JIT, first by throw: .*not this one/,
  )
  assert.match(stderr, /^ {2}12 \| .*throw new Error/m)
})

test('what cannot be measured is a sentence', async () => {
  const hook = await runHere(['plugin', 'bench', file, '--hook', 'data'])
  assert.equal(hook.code, 1)
  assert.match(hook.stderr, /The plugin "busy" has no hook "data"\.\nFix: it has connect, rcpt/)
  assert.equal((await runHere(['plugin', 'bench', file, '--hook', 'date'])).code, 2)
  assert.equal((await runHere(['plugin', 'bench', file, '--count', '0'])).code, 2)
  mkdirSync(join(folder.path, 'empty'))
  const nothing = await runHere(['plugin', 'bench', join(folder.path, 'empty')])
  assert.equal(nothing.code, 1)
  assert.match(nothing.stderr, /^P1002 /)
  const recording = join(folder.path, 'connect.jsonl')
  writeFileSync(recording, recorded('anna@example.test').split('\n')[0] ?? '')
  const unrecorded = await runHere(['plugin', 'bench', file, '--log', recording])
  assert.equal(unrecorded.code, 1)
  assert.match(unrecorded.stderr, /The recording has no activation of connect, rcpt that can be played\./)
})

/** A recording of one call at `rcpt`, its one tool answered. */
function recorded(recipient: string): string {
  const common = { load: 'l1', n: 1, hook: 'rcpt', session: 's_1' }
  const effect = { method: 'kv.get', args: [`busy:${recipient}`], write: false, at: 2, ok: true }
  const lines = [
    { kind: 'plugin', load: 'l1', name: 'busy', version: '1.2.3', build: 'b', source: file, hooks: ['rcpt'] },
    {
      kind: 'activation',
      ...common,
      end: 3,
      t: 1_767_225_600_000,
      seed: 7,
      event: { recipient },
      effects: [{ ...effect, value: 'yes' }],
      said: { refusal: null, note: null, actions: [] },
      cpuMicros: 10,
    },
  ]
  return `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`
}
