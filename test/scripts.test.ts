/** Every test is run by one of the scripts of package.json: a file that no pattern finds would never fail. */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')
/** By their numbers, with `npm run fault`. */
const BY_NUMBER = /^test\/fault\/experiments\//

test('no test is left out of the scripts', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Readonly<Record<string, string>>
  }
  const patterns = Object.values(scripts).flatMap((script) => script.match(/[^\s']+\.test\.ts/g) ?? [])
  assert.ok(patterns.length > 0)
  const run = new Set(patterns.flatMap((pattern) => globSync(pattern, { cwd: ROOT })))
  const there = globSync('{test,plugins}/**/*.test.ts', { cwd: ROOT })
  assert.deepEqual(
    there.filter((file) => !run.has(file) && !BY_NUMBER.test(file)),
    [],
  )
})
