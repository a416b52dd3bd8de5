/** `hash`, `timer`, `metrics`, through the whole border; and what one plugin may have at once. */
import assert from 'node:assert/strict'
import { createHash, createHmac } from 'node:crypto'
import { test } from 'node:test'
import { AtOnce } from '../../../sandbox/broker/at-once.ts'
import { MAX_SERIES, PluginCounters } from '../../../sandbox/broker/plugin-counters.ts'
import { probe } from '../../support/probe.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

const SECRET = 'correct-horse-battery'
const USES = {
  sha256: `tools.hash.sha256('héllo')`,
  hmac: `tools.hash.hmac('secret:key', 'text')`,
  plainKey: `tools.hash.hmac('key', 'text')`,
  otherKey: `tools.hash.hmac('secret:other', 'text')`,
  sleep: `tools.timer.sleep(1500)`,
  tooLong: `tools.timer.sleep(10000)`,
  count: `(tools.metrics.count('new'), tools.metrics.count('new', { label: 'a b', by: 3 }), tools.metrics.count('new'), 0)`,
  badName: `(tools.metrics.count('New!'), 0)`,
} as const

test('hashes, waits and counters', async () => {
  await using folder = await TemporaryFolder.make()
  const options = {
    permissions: { secrets: ['key'] },
    grant: { secrets: ['key'] },
    secrets: { key: SECRET, other: SECRET },
  }
  const plugin = await probe(folder.path, options, Object.values(USES))
  const value = async (use: string): Promise<unknown> => Reflect.get(await plugin.use(use), 'value')
  const name = async (use: string): Promise<unknown> => Reflect.get(await plugin.use(use), 'name')
  assert.equal(await value(USES.sha256), createHash('sha256').update('héllo').digest('hex'))
  assert.equal(await value(USES.hmac), createHmac('sha256', SECRET).update('text').digest('hex'))
  assert.equal(await name(USES.plainKey), 'InvalidArgument')
  assert.equal(await name(USES.otherKey), 'PermissionDenied')
  assert.equal(await name(USES.sleep), undefined)
  assert.equal(await name(USES.tooLong), 'InvalidArgument')
  await plugin.use(USES.count)
  await plugin.use(USES.badName)
  assert.deepEqual(plugin.counted(), [
    { labels: { plugin: 'probe', name: 'new', label: '' }, value: 2 },
    { labels: { plugin: 'probe', name: 'new', label: 'a b' }, value: 3 },
  ])
  await plugin.close()
})

test('a plugin has so many series and no more; those it has go on counting', () => {
  const counters = new PluginCounters()
  for (let i = 0; i < MAX_SERIES; i++) counters.count('one', 'seen', `label ${i}`, 1)
  assert.throws(() => counters.count('one', 'seen', 'one more', 1), { name: 'QuotaExceeded' })
  counters.count('one', 'seen', 'label 0', 1)
  counters.count('two', 'seen', 'one more', 1)
  assert.equal(counters.counts.length, MAX_SERIES + 1)
  assert.equal(counters.counts[0]?.value, 2)
})

test('what one plugin has under way at once is bounded, and free again when it is over', async () => {
  const waits = new AtOnce('timer.sleeps', 2)
  const { promise, resolve } = Promise.withResolvers<void>()
  const under = [waits.during('one', () => promise), waits.during('one', () => promise)]
  await assert.rejects(
    waits.during('one', async () => {}),
    { name: 'QuotaExceeded', quota: 'timer.sleeps' },
  )
  assert.equal(await waits.during('two', async () => 'done'), 'done')
  resolve()
  await Promise.all(under)
  assert.equal(await waits.during('one', async () => 'done'), 'done')
})
