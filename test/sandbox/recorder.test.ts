/** Recordings of activations: what is kept, what is not, and how much. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ActivationsConfig } from '../../config/config.ts'
import type { MessageReader } from '../../core/mail/hook-events.ts'
import { silentLog } from '../../core/observe/log.ts'
import {
  type Activation,
  ActivationTrace,
  type RecordedPlugin,
  type WithheldActivation,
} from '../../sandbox/activation.ts'
import { Recorder } from '../../sandbox/recorder.ts'
import { fixturePlugin, SESSION, type TestSandbox, testSandbox } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

const MIB = 1024 * 1024
const SETTINGS: ActivationsConfig = { plugins: ['counting'], bytes: MIB, bodies: false }

/** Records what `work` asks, in a folder of the test's. @returns its lines */
async function recorded(
  folder: string,
  settings: ActivationsConfig,
  work: (sandbox: TestSandbox) => Promise<unknown>,
): Promise<readonly (RecordedPlugin | Activation | WithheldActivation)[]> {
  const recorder = new Recorder(folder, silentLog)
  const plugin = fixturePlugin('counting', { grant: { credentials: true } })
  const sandbox = await testSandbox([plugin], { recording: { recorder, settings } })
  await work(sandbox)
  sandbox.close()
  await recorder.close()
  return readdirSync(folder)
    .toSorted()
    .flatMap((file) => readFileSync(join(folder, file), 'utf8').trimEnd().split('\n'))
    .map((line) => JSON.parse(line) as RecordedPlugin | Activation | WithheldActivation)
}

function data(sandbox: TestSandbox, subject: string): Promise<unknown> {
  const message: MessageReader = {
    sizeBytes: 100,
    header: new Uint8Array(0),
    headers: () => [{ name: 'Subject', value: ` ${subject}\r\n` }],
    content: { kind: 'inline', bytes: new Uint8Array(0) },
    bodyChunk: async (index) => (index === 0 ? Buffer.from('the very body') : undefined),
  }
  const transaction = { number: 1, reversePath: '', declaredSize: null, recipients: [], tags: [] }
  const event = { session: SESSION, transaction, message: { sizeBytes: 100 } }
  return sandbox.panel.ask({ hook: 'data', event, message, session: SESSION.id, chainMs: 30_000 }, 0)
}

function auth(sandbox: TestSandbox, password: string): Promise<unknown> {
  const event = { session: SESSION, method: 'PLAIN', identity: 'anna', password, token: null } as const
  const call = { hook: 'auth', event, message: null, session: SESSION.id, chainMs: 30_000 } as const
  return sandbox.panel.ask(call, 0)
}

test('an activation has what came in and what was said', async () => {
  await using folder = await TemporaryFolder.make()
  const lines = await recorded(folder.path, SETTINGS, (sandbox) => sandbox.rcpt('anna'))
  const [plugin, activation] = lines
  assert.ok(plugin?.kind === 'plugin' && activation?.kind === 'activation')
  assert.deepEqual([plugin.name, plugin.version, plugin.load], ['counting', '1.0.0', activation.load])
  assert.deepEqual(
    activation.effects.map(({ method, write, ok, at }) => [method, write, ok, at !== null]),
    [
      ['kv.increment', true, true, true],
      ['kv.get', false, true, true],
      ['kv.set', true, true, true],
    ],
  )
  assert.ok('note' in activation.said)
  const { now, before, after } = activation.said.note?.facts ?? {}
  assert.equal(now, activation.t)
  assert.notEqual(before, after, 'chance goes on behind a wait')
  assert.deepEqual((activation.event as { recipient: string }).recipient, 'anna@example.test')
})

test('of a password nothing is kept', async () => {
  await using folder = await TemporaryFolder.make()
  const lines = await recorded(folder.path, SETTINGS, (sandbox) => auth(sandbox, 'correct horse'))
  assert.ok(!JSON.stringify(lines).includes('correct horse'))
  const [, withheld] = lines
  assert.ok(withheld?.kind === 'withheld')
  assert.deepEqual([withheld.hook, withheld.why], ['auth', 'password'])
})

test('content of a message is kept where the setting says so; the header always', async () => {
  for (const bodies of [false, true]) {
    await using folder = await TemporaryFolder.make()
    const ask = (sandbox: TestSandbox): Promise<unknown> => data(sandbox, 'a body')
    const lines = await recorded(folder.path, { ...SETTINGS, bodies }, ask)
    const [, activation] = lines
    assert.ok(activation?.kind === 'activation')
    assert.equal(JSON.stringify(lines).includes('the very body'), bodies)
    assert.equal(activation.effects[0]?.withheld, bodies ? undefined : true)
    assert.match(JSON.stringify(activation.fields), /a body/)
  }
})

test('what is sent to servers is kept where the setting says so', () => {
  for (const bodies of [false, true]) {
    let step = 0
    const trace = new ActivationTrace(() => ++step, bodies)
    trace.asked([1], 0, 1)
    const options = { method: 'POST', headers: { a: 'b' }, body: { text: 'the very body' } }
    trace.effect(1, 'http.fetch', ['https://a.example/', options], true)(false, 'no answer')
    trace.effect(1, 'tcp.exchange', ['a.example:783', ['the very body'], { end: true }], true)(true, 'EX_OK')
    trace.effect(
      1,
      'http.fetch',
      ['https://a.example/', { method: 'GET', body: null }],
      true,
    )(false, 'no answer')
    const effects = trace.of(1)?.effects ?? []
    assert.equal(JSON.stringify(effects).includes('the very body'), bodies)
    assert.match(JSON.stringify(effects), /a\.example:783.*"end":true/)
    const gone = bodies ? undefined : true
    assert.deepEqual(
      effects.map(({ withheld }) => withheld),
      [gone, gone, undefined],
    )
  }
})

test('who is not named is not recorded', async () => {
  await using folder = await TemporaryFolder.make()
  await assert.rejects(
    recorded(join(folder.path, 'none'), { ...SETTINGS, plugins: [] }, (sandbox) => sandbox.rcpt('anna')),
    { code: 'ENOENT' },
  )
})

test('the files stay within their size, and each says of whom it is', async () => {
  await using folder = await TemporaryFolder.make()
  const subject = 'x'.repeat(50_000)
  for (let round = 0; round < 4; round++)
    await recorded(folder.path, SETTINGS, async (sandbox) => {
      for (let n = 0; n < 5; n++) await data(sandbox, subject)
    })
  const files = readdirSync(folder.path)
  assert.deepEqual(files.toSorted(), ['counting.1.jsonl', 'counting.jsonl'])
  const sizes = files.map((file) => statSync(join(folder.path, file)).size)
  assert.ok(Math.max(...sizes) < 2 * MIB, `${sizes.join(' and ')} octets`)
  for (const file of files) {
    assert.equal(statSync(join(folder.path, file)).mode & 0o777, 0o600)
    assert.match(readFileSync(join(folder.path, file), 'utf8'), /^\{"kind":"plugin"/)
  }
})

test('a recording that cannot be written stops no call', async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'taken')
  writeFileSync(file, '')
  const recorder = new Recorder(join(file, 'below'), silentLog)
  const plugin = fixturePlugin('counting', { grant: { credentials: true } })
  const sandbox = await testSandbox([plugin], { recording: { recorder, settings: SETTINGS } })
  const [report] = await sandbox.rcpt('anna')
  assert.equal(report?.answer?.note?.text, 'Fine')
  sandbox.close()
  await recorder.close()
})
