/** `postern plugin check`: types, permissions against the source, each with its place. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { codeOnly } from '../../../sandbox/source-words.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

const LAUNCHER = join(import.meta.dirname, '..', '..', '..', 'bin', 'postern.cjs')

const SOURCE = `import { defer, definePlugin, reject } from 'postern'
// kv.get is only a word here, and 'lookup.has' too
export default definePlugin({
  name: 'odd', version: '1.0.0', api: 1,
  permissions: { refuse: ['reject'], hold: true, kv: ['odd:*'] },
  hooks: {
    async rcpt({ localPart }, { kv: store, lookup }) {
      const text = \`route.set( \${await lookup.has('table', \`a\${localPart}\`)} relay.grant()\`
      if (/body.chunk\\(['"]/.test(text)) return reject('5.7.1', 'no')
      await store.get('odd:1')
      return defer('4.7.1', 'later')
    },
  },
})
`

let folder: TemporaryFolder
before(async () => {
  folder = await TemporaryFolder.make()
})
after(async () => await folder?.[Symbol.asyncDispose]())

function check(source: string, ...more: readonly string[]) {
  writeFileSync(join(folder.path, 'odd.ts'), source)
  const args = [LAUNCHER, 'plugin', 'check', 'odd.ts', ...more]
  return spawnSync(process.execPath, args, { cwd: folder.path, encoding: 'utf8' })
}

test('what is used without permission, and what is asked for in vain, are warnings with their places', () => {
  const { status, stdout, stderr } = check(SOURCE)
  assert.equal(status, 0, stderr)
  assert.match(stdout, /^odd 1\.0\.0 /)
  const warnings = [...stderr.matchAll(/^(P\d{4}) {2}(\S+) {2}.*?"(\S+)"/gm)].map((match) => match.slice(1))
  assert.deepEqual(warnings, [
    ['P2003', 'odd.ts:8:40', 'lookup'],
    ['P2003', 'odd.ts:11:14', 'defer'],
    ['P2004', 'odd.ts:5:38', 'hold'],
  ])
  const { warnings: json } = JSON.parse(check(SOURCE, '--json').stdout) as { warnings: unknown[] }
  assert.equal(json.length, 3)
})

test('a mistake of types is told with its line, and ends with 1', () => {
  const { status, stderr } = check(SOURCE.replace('lookup.has(', 'lookup.hasnt('))
  assert.equal(status, 1)
  assert.match(stderr, /^P1011 {2}odd\.ts:8:47 {2}Property 'hasnt' does not exist .*\(TS2551\)$/m)
  assert.match(stderr, /^ {3}8 \| {7}const text = /m)
})

test('what is no code is blanked, and everything keeps its place', () => {
  const source = "a('x // y', `b ${c(`d${e}`, {f: '}'})} g`, /[/\"]h/, i / j / k) // l\n/* m\n */ n"
  const code = codeOnly(source)
  assert.equal(code.length, source.length)
  assert.deepEqual(code.match(/[a-z]/g), ['a', 'c', 'e', 'f', 'i', 'j', 'k', 'n'])
  assert.equal(code.indexOf('n'), source.lastIndexOf('n'))
})
