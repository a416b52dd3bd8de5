/** Permissions against the source: tools that need one are known, and none is missed for a tool that uses it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { compilePlugin } from '../../sandbox/compile.ts'
import { permissionWarnings } from '../../sandbox/permission-use.ts'
import type { Asked } from '../../sandbox/permissions.ts'
import { fixturePlugin } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

async function warningsOf(use: string, asked: Asked): Promise<readonly string[]> {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'uses.ts')
  const permissions = JSON.stringify(asked).replaceAll('"', "'")
  writeFileSync(
    path,
    `import { definePlugin } from 'postern'
export default definePlugin({ name: 'uses', version: '1.0.0', api: 1, permissions: ${permissions},
  hooks: { async data(event, tools) { ${use} } } })
`,
  )
  const compiled = compilePlugin(fixturePlugin('uses', { source: { kind: 'file', path } }))
  assert.ok('text' in compiled, JSON.stringify(compiled))
  return permissionWarnings(compiled, asked).map(({ code, message }) => `${code} ${message}`)
}

const USES: readonly (readonly [use: string, permission: keyof Asked, asked: Asked])[] = [
  ['await tools.body.chunk(0)', 'body.read', { 'body.read': true }],
  [`await tools.message.search(['x'])`, 'body.read', { 'body.read': true }],
  ['await tools.message.parts()', 'message.parts', { 'message.parts': true }],
  ['await tools.message.hash()', 'message.parts', { 'message.parts': true }],
  [`await tools.notes.get('x', { plugin: 'other' })`, 'notes', { notes: ['other'] }],
  [`await tools.http.fetch('https://a.example')`, 'http', { http: ['https://a.example'] }],
]

for (const [use, permission, asked] of USES)
  test(`${use}: asked for it is right, not asked for it is told`, async () => {
    assert.deepEqual(await warningsOf(use, asked), [])
    const [warning = '', ...more] = await warningsOf(use, {})
    assert.match(warning, new RegExp(`^P2003 .*without the permission ${permission}`))
    assert.deepEqual(more, [])
  })

test('own notes need no permission', async () => {
  assert.deepEqual(await warningsOf(`await tools.notes.get('x')`, {}), [])
})

test('asked for and not used is told', async () => {
  const [warning = ''] = await warningsOf('', { 'message.parts': true })
  assert.match(warning, /^P2004 .*"message\.parts"/)
})
