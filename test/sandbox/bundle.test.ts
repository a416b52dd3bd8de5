/** Plugins of several files and with npm packages: what runs, where mistakes are told, and what an approval covers. */
import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { formatProblem } from '../../config/problem.ts'
import { inspectPlugin } from '../../sandbox/check.ts'
import { compilePlugin } from '../../sandbox/compile.ts'
import { reviewPlugin } from '../../sandbox/review.ts'
import { createTestHost } from '../../sandbox/testing.ts'
import { runHere } from '../core/cli/in-process.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

let folder: TemporaryFolder
before(async () => {
  folder = await TemporaryFolder.make()
})
after(async () => await folder?.[Symbol.asyncDispose]())

let plugins = 0

/** A plugin of these files in a folder of its own. @returns path of the folder */
function plugin(files: Readonly<Record<string, string>>): string {
  const root = join(folder.path, `plugin-${++plugins}`)
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, name)), { recursive: true })
    writeFileSync(join(root, name), text)
  }
  return root
}

const PACKAGES = {
  'node_modules/plain/package.json': '{"name":"plain","version":"1.2.3","main":"main.js"}',
  'node_modules/plain/main.js': 'exports.shout = (text) => text.toUpperCase() + "!"\n',
  'node_modules/@scope/modern/package.json':
    '{"name":"@scope/modern","version":"4.5.6-beta","exports":{"import":"./index.mjs","require":"./no.cjs"}}',
  'node_modules/@scope/modern/index.mjs': 'export const mode = process.env.NODE_ENV\n',
}

const INDEX = `import { definePlugin, pass } from 'postern'
import { shout } from 'plain'
import { mode } from '@scope/modern'
import { check } from './lib/check.ts'

export default definePlugin({
  name: 'several', version: '1.0.0', api: 1,
  permissions: { kv: ['several:*'] },
  hooks: {
    async rcpt({ localPart }, { kv }) {
      await check(localPart, kv)
      return pass(shout(localPart) + mode)
    },
  },
})
`
const CHECK = `import type { KeyValue } from 'postern'
interface Rule { readonly name: string }

export async function check(localPart: string, kv: KeyValue): Promise<void> {
  const rule: Rule = { name: 'ö broken' }; if (localPart === 'broken') throw new Error(rule.name)
  await kv.set('several:1', localPart, { ttlSeconds: 60 })
}
`
const WHOLE = { ...PACKAGES, 'index.ts': INDEX, 'lib/check.ts': CHECK }

async function problemsOf(root: string): Promise<string> {
  const inspected = await inspectPlugin(root)
  return 'problems' in inspected ? inspected.problems.map(formatProblem).join('\n') : ''
}

/** A plugin that does nothing, after these lines. */
function withLines(...lines: readonly string[]): string {
  const shape = `export default definePlugin({ name: 'odd', version: '1.0.0', api: 1, hooks: { connect() {} } })`
  return ["import { definePlugin } from 'postern'", ...lines, shape, ''].join('\n')
}

test('files and packages run in the isolate, and a failure has the author’s file, line and column', async () => {
  const root = plugin(WHOLE)
  const host = await createTestHost({ file: join(root, 'index.ts') })
  try {
    const fine = await host.rcpt({ to: 'anna@example.test' })
    assert.equal(fine.fault, null)
    assert.equal(fine.note?.text, 'ANNA!production')
    assert.deepEqual([...host.kept.values()], ['anna'])
    const { fault } = await host.rcpt({ to: 'broken@example.test' })
    assert.match(fault?.stack ?? '', /lib\/check\.ts:5:78\)?\n.*index\.ts:11:13/)
    assert.match(fault?.place ?? '', /lib\/check\.ts:5:78$/)
    assert.match(fault?.frame.join('\n') ?? '', /^ {3}5 \| .*\n {5}\| {78}\^/)
  } finally {
    await host.close()
  }
})

test('a review names packages with their versions, and the size of all that runs', async () => {
  const root = plugin(WHOLE)
  const reviewed = await reviewPlugin(root, join(folder.path, 'postern.lock'))
  assert.ok('packages' in reviewed, JSON.stringify(reviewed))
  assert.deepEqual(
    reviewed.packages.map(({ name, version }) => `${name} ${version}`),
    ['@scope/modern 4.5.6-beta', 'plain 1.2.3'],
  )
  assert.ok(reviewed.packages.every(({ bytes }) => bytes > 10))
  assert.ok(reviewed.sizeBytes > INDEX.length / 2)
  writeFileSync(join(folder.path, 'postern.yaml'), 'hostname: mx.example.test\n')
  const { stdout } = await runHere(['plugin', 'review', root, '--config', join(folder.path, 'postern.yaml')])
  assert.match(
    stdout,
    /^Packages in it:\n {2}@scope\/modern 4\.5\.6-beta {3}\d+ octets\n {2}plain 1\.2\.3 {3}\d+ octets$/m,
  )
})

test('a build is of everything that runs, and of nothing else', () => {
  const buildOf = (files: Readonly<Record<string, string>>): string => {
    const path = plugin(files)
    const compiled = compilePlugin({
      source: { kind: 'file', path },
      config: {},
      grant: {},
      onError: 'defer',
      process: 'own',
      place: '',
    })
    assert.ok('digest' in compiled, JSON.stringify(compiled))
    return compiled.digest
  }
  const first = buildOf(WHOLE)
  assert.equal(buildOf({ ...WHOLE, 'unused.ts': 'nothing' }), first)
  assert.notEqual(buildOf({ ...WHOLE, 'lib/check.ts': CHECK.replace("'broken'", "'mended'") }), first)
  const changed = { 'node_modules/plain/main.js': 'exports.shout = (text) => text + "?"\n' }
  assert.notEqual(buildOf({ ...WHOLE, ...changed }), first)
})

test('a module of Node.js is told at the import, with the package that wants it', async () => {
  const own = plugin({
    'index.ts': withLines("import { file } from './lib/file.ts'", 'void file'),
    'lib/file.ts': "\nimport { readFile } from 'node:fs/promises'\nexport const file = readFile\n",
  })
  assert.match(
    await problemsOf(own),
    /^P1006 {2}\S*lib\/file\.ts:2:26 {2}Plugins cannot import "node:fs\/promises"\./,
  )
  const packaged = plugin({
    'index.ts': withLines("import net from 'netty'", 'void net'),
    'node_modules/netty/package.json': '{"name":"netty","version":"1.0.0"}',
    'node_modules/netty/index.js': 'module.exports = require("net").connect\n',
  })
  assert.match(
    await problemsOf(packaged),
    /^P1006 {2}\S*node_modules\/netty\/index\.js:1:26 {2}Plugins cannot import "net", which the package "netty" wants\./,
  )
})

test('an import that leads nowhere, or out of the folder, is told at its place', async () => {
  const nowhere = plugin({ 'index.ts': withLines("import x from './x.ts'", 'void x') })
  assert.match(
    await problemsOf(nowhere),
    /^P1006 {2}\S*index\.ts:2:15 {2}Plugins cannot import "\.\/x\.ts": it is not there\./,
  )
  writeFileSync(join(folder.path, 'users.json'), '{"anna":"a hash"}')
  const out = plugin({ 'index.ts': withLines("import users from '../users.json'", 'void users') })
  const OUTSIDE = /^P1006 {2}\S*index\.ts:2:19 {2}Plugins cannot import "\S+": it is not in the folder/
  assert.match(await problemsOf(out), OUTSIDE)
  const linked = plugin({ 'index.ts': withLines("import users from './users.json'", 'void users') })
  symlinkSync(join(folder.path, 'users.json'), join(linked, 'users.json'))
  assert.match(await problemsOf(linked), OUTSIDE)
})

test('mistakes in other files are told in them: of syntax, and what is thrown while loading', async () => {
  const index = withLines("import { a } from './a.ts'", 'void a')
  const syntax = plugin({ 'index.ts': index, 'a.ts': 'export const a = 1\nconst b = = 2\n' })
  assert.match(await problemsOf(syntax), /^P1005 {2}\S*a\.ts:2:11 {2}Syntax error: /)
  const thrown = plugin({ 'index.ts': index, 'a.ts': "export const a = 1\nthrow new Error('not today')\n" })
  assert.match(await problemsOf(thrown), /^P1009 {2}\S*a\.ts:2:7 {2}.*not today/)
})

test('a plugin has an end, with its packages', async () => {
  const large = plugin({
    'index.ts': withLines("import data from './data.json'", 'export const all = data'),
    'data.json': JSON.stringify('x'.repeat(1024 * 1024)),
  })
  assert.match(await problemsOf(large), /^P1004 .*larger than 1 MiB/)
})

test('what a helper file uses without permission is a warning there', async () => {
  const root = plugin({
    'index.ts': withLines("import { look } from './look.ts'", 'void look'),
    'look.ts':
      "import type { Lookup } from 'postern'\nexport const look = (lookup: Lookup) => lookup.has('a', 'b')\n",
  })
  const inspected = await inspectPlugin(root)
  assert.ok('warnings' in inspected, JSON.stringify(inspected))
  assert.deepEqual(
    inspected.warnings.map(({ code, place }) => [code, place.replace(/^.*\//, '')]),
    [['P2003', 'look.ts:2:41']],
  )
})
