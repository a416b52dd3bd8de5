/** The types an author outside of this repository gets: what is right compiles, what is wrong does not. */
import assert from 'node:assert/strict'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkTypes } from '../../sandbox/type-check.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

const FIXTURE = join(import.meta.dirname, '..', 'fixtures', 'types', 'mistakes.ts')

test('every mistake an author can make with the interface is a mistake of types', async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'mistakes.ts')
  cpSync(FIXTURE, file)
  const { compiler, problems } = checkTypes(file)
  assert.ok(compiler !== null)
  assert.deepEqual(problems, [])
})

test('without the marks each of them is told, at its line', async () => {
  await using folder = await TemporaryFolder.make()
  const file = join(folder.path, 'mistakes.ts')
  const lines = readFileSync(FIXTURE, 'utf8').split('\n')
  const marked = lines.flatMap((line, index) => (line.includes('@ts-expect-error') ? [index + 2] : []))
  writeFileSync(file, lines.map((line) => line.replace('@ts-expect-error', '')).join('\n'))
  const told = checkTypes(file).problems.map(({ place }) => Number(place.split(':').at(-2)))
  assert.ok(marked.length >= 12)
  assert.deepEqual([...new Set(told)], marked)
})
