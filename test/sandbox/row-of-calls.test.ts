/** Many calls that come together are put to a plugin in a row: their order, their answers, and a death among them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bundledPlugin, fixturePlugin, testSandbox } from '../support/sandbox.ts'

const CALLS = 40

test('every call in a row has its own answer, of every plugin', async (t) => {
  const shared = { process: 'shared' } as const
  const sandbox = await testSandbox([bundledPlugin('relay-control'), fixturePlugin('misbehaving', shared)])
  t.after(() => sandbox.close())
  const asked = Array.from({ length: CALLS }, (_, i) => (i % 3 === 0 ? 'reject' : 'well'))
  const all = await Promise.all(asked.map((localPart) => sandbox.rcpt(localPart)))
  for (const [i, reports] of all.entries()) {
    assert.equal(reports.length, 2)
    assert.equal(reports[1]?.answer?.refusal?.code, asked[i] === 'reject' ? 'NO' : undefined)
  }
})

test('an isolate lost in a row costs the others nothing', async (t) => {
  const sandbox = await testSandbox([fixturePlugin('misbehaving')])
  t.after(() => sandbox.close())
  const asked = Array.from({ length: CALLS }, (_, i) => (i === 20 ? 'loop' : i % 2 === 0 ? 'reject' : 'well'))
  const all = await Promise.all(asked.map((localPart) => sandbox.rcpt(localPart)))
  for (const [i, [report]] of all.entries()) {
    if (i === 20) assert.equal(report?.fault?.kind, 'timeout')
    else assert.equal(report?.answer?.refusal?.code, asked[i] === 'reject' ? 'NO' : undefined)
  }
  assert.equal(sandbox.plughostDeaths(), 0)
})

test('a death in a row names the plugin, and asked again the call', async (t) => {
  const sandbox = await testSandbox([fixturePlugin('misbehaving')])
  t.after(() => sandbox.close())
  const good = Array.from({ length: CALLS }, () => sandbox.rcpt('well'))
  const poison = sandbox.rcpt('uninterruptible')
  assert.equal((await poison)[0]?.fault?.kind, 'timeout')
  for (const [report] of await Promise.all(good)) assert.equal(report?.fault, null)
  const deaths = sandbox.logged.filter(({ event }) => event === 'plughost-died').map(({ fields }) => fields)
  assert.deepEqual(
    deaths.map(({ plugin, session }) => ({ plugin, session })),
    [
      { plugin: 'misbehaving', session: undefined },
      { plugin: 'misbehaving', session: 's_test' },
    ],
  )
})
