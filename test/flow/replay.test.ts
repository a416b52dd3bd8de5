/**
 * Activations recorded by a whole gateway and played again: with the same plugin nothing differs, with one line changed
 * exactly the decisions differ that this line decides.
 */
import assert from 'node:assert/strict'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { Replay } from '../../sandbox/replay.ts'
import { fixturePlugin, Gateway } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import type { Ended } from '../support/process-group.ts'
import { FIXTURES } from '../support/sandbox.ts'

const SOURCE = readFileSync(join(FIXTURES, 'counting.ts'), 'utf8')

let gateway: Gateway
let recording: string
before(async () => {
  gateway = await Gateway.start({
    plugins: [fixturePlugin('counting', { grant: { credentials: true }, config: { most: 5 } })],
    record: { activations: { plugins: ['counting'] } },
  })
  recording = join(gateway.folder.path, 'store', 'activations', 'counting.jsonl')
  for (const to of ['anna', 'spam-1', 'broken', 'denied', 'spam-2', 'late', 'later'])
    await gateway.send([`${to}@example.test`], message('for one'))
  await Promise.all(
    ['one', 'two', 'three'].map((to) => gateway.send([`${to}@example.test`], message('all at once'))),
  )
  await gateway.stop()
})
after(async () => {
  await gateway?.[Symbol.asyncDispose]()
})

async function replayed(...more: readonly string[]): Promise<Ended> {
  return await gateway.folder.run(['plugin', 'replay', recording, ...more])
}

function changed(from: string, to: string): string {
  assert.ok(SOURCE.includes(from))
  return gateway.folder.write('changed.ts', SOURCE.replace(from, to))
}

test('the recording is for its owner only, and has every activation', () => {
  assert.equal(statSync(recording).mode & 0o777, 0o600)
  const kinds = readFileSync(recording, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => (JSON.parse(line) as { kind: string }).kind)
  assert.equal(kinds[0], 'plugin')
  assert.ok(kinds.filter((kind) => kind === 'activation').length >= 10, `${kinds.length} lines`)
})

test('the same version decides the same, time and chance included', async () => {
  const { code, stdout, stderr } = await replayed()
  assert.equal(code, 0, `${stdout}${stderr}`)
  assert.match(stdout, /^(\d+) activations played: \1 the same, 0 different$/m)
  assert.match(stdout, /^Played: {3}counting 1\.0\.0 {3}sha256:/m)
})

test('one changed line shows exactly the decisions it changes', async () => {
  const file = changed("localPart.startsWith('spam')", "localPart === 'spam-2'")
  const { code, stdout } = await replayed('--plugin', file, '--json')
  assert.equal(code, 1)
  const { differences, played, same } = JSON.parse(stdout) as Replay
  assert.equal(played - same, 1)
  assert.deepEqual(
    differences.map(({ hook, about }) => [hook, about]),
    [['rcpt', 'spam-1@example.test']],
  )
  const [difference] = differences
  assert.ok(difference !== undefined && 'refusal' in difference.recorded && 'refusal' in difference.replayed)
  assert.equal(difference.recorded.refusal?.code, 'SPAM')
  assert.equal(difference.replayed.refusal, null)
  assert.equal(difference.replayed.note?.text, 'Fine')
})

test('a difference is told with hook, session, and both answers', async () => {
  const file = changed("reject('5.7.1', 'No spam'", "reject('5.7.1', 'No spam here'")
  const { code, stdout } = await replayed('--plugin', file)
  assert.equal(code, 1)
  assert.match(stdout, /^rcpt {3}s_\w+ {3}2\d{3}-\S+Z {3}spam-1@example\.test$/m)
  assert.match(stdout, /^ {2}recorded {2}reject 5\.7\.1 SPAM No spam {2}\{"count":2,/m)
  assert.match(stdout, /^ {2}now {7}reject 5\.7\.1 SPAM No spam here /m)
  assert.match(stdout, /: \d+ the same, 2 different$/m)
})

test('what was not recorded is a difference with its name', async () => {
  const file = changed("'counting:all'", "'counting:every'")
  const { code, stdout } = await replayed('--plugin', file)
  assert.equal(code, 1)
  const asked = 'now asks for   kv.increment("counting:every", 1, 60), which was not recorded'
  assert.ok(stdout.includes(asked), stdout)
  assert.ok(stdout.includes('no longer asks for   kv.increment("counting:all", 1, 60)'), stdout)
})

test('a plugin that does not load, and a file that is no recording, are sentences', async () => {
  const broken = await replayed('--plugin', changed('definePlugin({', 'definePlugin({{'))
  assert.equal(broken.code, 1)
  assert.match(broken.stderr, /^P1005 {2}.*changed\.ts:/)
  const nothing = gateway.folder.write('nothing.jsonl', 'nothing\nat all\n')
  const { code, stderr } = await gateway.folder.run(['plugin', 'replay', nothing])
  assert.equal(code, 1)
  assert.match(stderr, /nothing\.jsonl:1 is no line of a recording\./)
  writeFileSync(nothing, '')
  const empty = await gateway.folder.run(['plugin', 'replay', nothing])
  assert.equal(empty.code, 1)
  assert.match(empty.stderr, /There is nothing/)
})
