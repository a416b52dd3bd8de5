/** An author outside of the repository: new, check, test, and types an editor finds. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

const ROOT = join(import.meta.dirname, '..', '..', '..')
const LAUNCHER = join(ROOT, 'bin', 'postern.cjs')
const TSC = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc')

let home: string
before(() => {
  home = mkdtempSync(join(tmpdir(), 'postern-author-'))
  const made = postern('plugin', 'new', 'no-robots')
  assert.equal(made.status, 0, made.stderr)
})
after(() => rmSync(home, { recursive: true }))

function run(args: readonly string[]) {
  // Node tells the tests it runs that they are run by it; an author's shell does not.
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  return spawnSync(process.execPath, args, { cwd: home, encoding: 'utf8', env })
}

function postern(...args: readonly string[]) {
  return run([LAUNCHER, ...args])
}

test('a new plugin passes its check, and says what it may do', () => {
  const { status, stdout } = postern('plugin', 'check', 'plugins/no-robots')
  assert.equal(status, 0)
  assert.match(
    stdout,
    /^no-robots 0\.1\.0 {3}sha256:[0-9a-f]{12} {3}hooks: rcpt\n {2}may refuse mail \(reject\)\n$/,
  )
})

test('a new plugin passes its own test, in a real isolate', () => {
  const { status, stdout } = postern('plugin', 'test', 'plugins/no-robots')
  assert.equal(status, 0, stdout)
  assert.match(stdout, /pass 2\n/)
})

test('the types of postern resolve outside of the repository, and a mistake is found', () => {
  const source = join(home, 'plugins', 'no-robots', 'index.ts')
  const fine = run([TSC, '-p', 'plugins/no-robots'])
  assert.equal(fine.status, 0, fine.stdout)
  const text = readFileSync(source, 'utf8')
  writeFileSync(source, text.replace('localPart.toLowerCase()', 'localPart.toLowerCse()'))
  const wrong = run([TSC, '-p', 'plugins/no-robots'])
  writeFileSync(source, text)
  assert.notEqual(wrong.status, 0)
  assert.match(wrong.stdout, /index\.ts\(17,\d+\): error TS2551.*toLowerCase/)
})

test('a test that fails ends with 1', () => {
  const file = join(home, 'plugins', 'no-robots', 'index.test.ts')
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace("'UNREAD'", "'READ'"))
  const { status } = postern('plugin', 'test', 'plugins/no-robots')
  writeFileSync(file, text)
  assert.equal(status, 1)
})

test('a plugin that does not load is told with its place, and ends with 1', () => {
  const file = join(home, 'broken.ts')
  writeFileSync(file, 'enum Level { Low }\n')
  const { status, stderr } = postern('plugin', 'check', 'broken.ts')
  assert.equal(status, 1)
  assert.match(stderr, /^P1005 {2}broken\.ts:1:1 {2}TypeScript enum cannot be used in a plugin\./)
})

test('what is there is not written over, and a bad name is a mistake in the usage', () => {
  const again = postern('plugin', 'new', 'no-robots')
  assert.equal(again.status, 1)
  assert.match(again.stderr, /There is something at .*no-robots already\.\nFix: choose another name/)
  assert.equal(postern('plugin', 'new', 'No Robots').status, 2)
})

test('what is no plugin is a sentence', () => {
  const { status, stderr } = postern('plugin', 'test', 'nowhere')
  assert.equal(status, 1)
  assert.match(stderr, /There is no plugin at .*nowhere\./)
})

test('a plugin without a test is told where one goes', () => {
  const folder = join(home, 'untested')
  mkdirSync(folder)
  writeFileSync(join(folder, 'index.ts'), '')
  const { status, stderr } = postern('plugin', 'test', 'untested')
  assert.equal(status, 1)
  assert.match(stderr, /There is no test in .*untested\.\nFix: write one in .*index\.test\.ts/)
})
