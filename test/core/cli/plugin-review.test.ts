/** `plugin review` and `plugin approve`: what somebody reads who decides about a plugin, and what is written down. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parse } from 'yaml'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { runHere } from './in-process.ts'

const source = (permissions: string): string => `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'mine', version: '1.0.0', api: 1, permissions: ${permissions},
  config: { type: 'object', properties: { seconds: { type: 'integer', default: 5, description: 'Wait' } } },
  hooks: { rcpt() {}, data() {} },
})
`

test('a plugin is reviewed, approved, changed, and reviewed again', async () => {
  await using folder = await TemporaryFolder.make()
  const [file, config, lock] = ['mine.ts', 'postern.yaml', 'postern.lock'].map((name) =>
    join(folder.path, name),
  ) as [string, string, string]
  writeFileSync(config, '')
  writeFileSync(file, source(`{ kv: ['mine:*'], 'relay.grant': true }`))
  const run = (verb: string, ...more: string[]) =>
    runHere(['plugin', verb, file, '--config', config, ...more])

  const first = await run('review')
  assert.equal(first.code, 0, first.stderr)
  assert.match(first.stdout, /^mine 1\.0\.0 {3}\S*mine\.ts {3}\d+ octets\nbuild: sha256:[0-9a-f]{64}\n/)
  assert.match(first.stdout, /\nhooks: rcpt, data\nIt\n {2}critical {3}may let anyone send mail anywhere\n/)
  assert.match(first.stdout, /\n {2}ordinary {3}keeps values between sessions under mine:\*\n/)
  assert.match(
    first.stdout,
    /\nSettings:\n {2}seconds: integer, default 5 {3}Wait\nIt is not approved\.\nApprove exactly this/,
  )
  assert.ok(!existsSync(lock))

  const command = /\n {2}postern (plugin approve \S+mine\.ts --build \S+)\n$/.exec(first.stdout)?.[1] ?? ''
  const another = await run('approve', '--build', `sha256:${'0'.repeat(64)}`)
  assert.deepEqual([another.code, another.stderr.slice(0, 5)], [1, 'P2012'])
  assert.ok(!existsSync(lock))
  const approved = await runHere([...command.split(' '), '--config', config])
  assert.equal(approved.code, 0, approved.stderr)
  assert.match(approved.stdout, /From now on every plugin with "path:" starts only as it was approved/)
  const written = parse(readFileSync(lock, 'utf8')) as { plugins: readonly Record<string, unknown>[] }
  const { build, approvedAt, ...entry } = written.plugins[0] ?? {}
  assert.deepEqual(entry, {
    name: 'mine',
    path: 'mine.ts',
    hooks: ['rcpt', 'data'],
    permissions: { kv: ['mine:*'], 'relay.grant': true },
  })
  assert.ok(first.stdout.includes(String(build)))
  assert.ok(Math.abs(Date.parse(String(approvedAt)) - Date.now()) < 600_000)
  assert.match((await run('review')).stdout, /this code with these permissions\.\n$/)

  writeFileSync(file, source(`{ kv: ['mine:*'], hold: true }`))
  const changed = await run('review')
  assert.match(changed.stdout, /: other code, sha256:[0-9a-f]{64}\.\n {2}new {4}may keep mail in hold\n/)
  assert.match(changed.stdout, /\n {2}gone {3}critical: may let anyone send mail anywhere\nApprove exactly/)
  const json = JSON.parse((await run('review', '--json')).stdout) as { approved: { isSameBuild: boolean } }
  assert.equal(json.approved.isSameBuild, false)
})

test('what does not load is neither reviewed nor approved', async () => {
  await using folder = await TemporaryFolder.make()
  const [file, config] = [join(folder.path, 'mine.ts'), join(folder.path, 'postern.yaml')]
  writeFileSync(config, '')
  writeFileSync(file, 'export default {\n')
  for (const verb of ['review', 'approve']) {
    const said = await runHere(['plugin', verb, file, '--config', config])
    assert.equal(said.code, 1)
    assert.match(said.stderr, /^P1005/)
  }
  assert.ok(!existsSync(join(folder.path, 'postern.lock')))
})
