/** `postern/testing`: what a test of a plugin can tell it, and what it sees of its answer. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createTestHost } from 'postern/testing'
import { TemporaryFolder } from '../support/temporary-folder.ts'

const PLUGIN = `
import { defer, definePlugin } from 'postern'

export default definePlugin({
  name: 'strict', version: '1.0.0', api: 1,
  permissions: { refuse: ['defer'], hold: true, discard: true },
  hooks: {
    rcpt({ transaction }, { tag }) {
      const isKnown = transaction.tags.some(({ plugin, name }) => plugin === 'reputation' && name === 'known')
      if (!isKnown) return defer('4.7.1', 'Nobody knows you')
      tag('passed', 'by name')
    },
    data({ transaction }, { hold, discard, expire }) {
      if (transaction.tags.length === 0) discard('untagged', ['anna@example.test'])
      else hold('tagged')
      expire(3600)
    },
  },
})
`

test('tags are told as the test says, and every action is seen', async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'strict.ts')
  writeFileSync(file, PLUGIN)
  const host = await createTestHost({ file })
  const tags = [{ plugin: 'reputation', name: 'known', value: '' }]
  const to = 'anna@example.test'
  assert.equal((await host.rcpt({ to })).refusal?.status, '4.7.1')
  assert.deepEqual(await host.rcpt({ to, tags }), {
    refusal: null,
    note: null,
    actions: [{ kind: 'tag', name: 'passed', value: 'by name' }],
    fault: null,
  })
  const expire = { kind: 'expire', seconds: 3600 }
  const text = 'Subject: x\r\n\r\nx'
  assert.deepEqual((await host.data(text)).actions, [
    { kind: 'discard', text: 'untagged', recipients: ['anna@example.test'] },
    expire,
  ])
  assert.deepEqual((await host.data(text, {}, tags)).actions, [
    { kind: 'hold', text: 'tagged', recipients: null },
    expire,
  ])
  await host.close()
})

test('an error of the plugin shows the line of its author', async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'broken.ts')
  writeFileSync(
    file,
    PLUGIN.replace("tag('passed', 'by name')", 'throw new RangeError(`no: ${transaction.number}`)'),
  )
  const host = await createTestHost({ file })
  const tags = [{ plugin: 'reputation', name: 'known', value: '' }]
  const { fault } = await host.rcpt({ to: 'anna@example.test', tags })
  await host.close()
  assert.equal(fault?.kind, 'throw')
  assert.equal(fault.message, 'RangeError: no: 1')
  assert.equal(fault.place, `${file}:11:13`)
  assert.deepEqual(fault.frame, [
    '  11 |       throw new RangeError(`no: ${transaction.number}`)',
    '     |             ^',
  ])
  // What an author reads whose test says that there is no fault.
  assert.throws(() => assert.equal(fault, null), /throw new RangeError[\s\S]*broken\.ts:11:13/)
})

/** Plughosts of this process. */
function plughosts(): readonly number[] {
  const children = readdirSync('/proc/self/task').flatMap((thread) =>
    readFileSync(`/proc/self/task/${thread}/children`, 'latin1').split(' ').filter(Boolean).map(Number),
  )
  return children.filter((pid) => readFileSync(`/proc/${pid}/cmdline`, 'latin1').includes('sandbox/host'))
}

const COUNTING = `
import { definePlugin } from 'postern'

let asked = 0
export default definePlugin({
  name: 'counting', version: '1.0.0', api: 1,
  hooks: {
    rcpt({ localPart }, { tag }) {
      const sparse: unknown[] = []
      sparse[4_294_967_293] = 1
      if (localPart === 'hang') sparse.indexOf(7)
      const everywhere = globalThis as { asked?: number }
      everywhere.asked = (everywhere.asked ?? 0) + 1
      tag('asked', String(++asked + everywhere.asked))
    },
  },
})
`

test('the next host has the process of the one before and nothing of its plugin', {
  skip: process.platform !== 'linux',
}, async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'counting.ts')
  writeFileSync(file, COUNTING)
  const seen: (readonly number[])[] = []
  for (let round = 0; round < 3; round++) {
    await using host = await createTestHost({ file })
    const { actions } = await host.rcpt({ to: 'anna@example.test' })
    assert.deepEqual(actions, [{ kind: 'tag', name: 'asked', value: '2' }])
    seen.push(plughosts())
  }
  assert.deepEqual(seen[1], seen[0])
  assert.deepEqual(seen[2], seen[0])
})

test('two hosts at once have a process each, and what killed its process harms no other host', {
  skip: process.platform !== 'linux',
}, async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'counting.ts')
  writeFileSync(file, COUNTING)
  await using other = await createTestHost({ file })
  {
    await using host = await createTestHost({ file })
    assert.ok(plughosts().length >= 2)
    assert.equal((await host.rcpt({ to: 'hang@example.test' })).fault?.kind, 'timeout')
  }
  await using after = await createTestHost({ file })
  for (const host of [other, after]) {
    const { actions } = await host.rcpt({ to: 'anna@example.test' })
    assert.deepEqual(actions, [{ kind: 'tag', name: 'asked', value: '2' }])
  }
})

test('a plugin that does not load says where', async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'broken.ts')
  writeFileSync(file, PLUGIN.replace('rcpt({', 'recpt({'))
  await assert.rejects(
    createTestHost({ file }),
    /broken\.ts:8:5 [\s\S]*\n {3}8 \| {5}recpt\(\{[\s\S]*did you mean "rcpt"/,
  )
})
