/** `secrets`: values by name that plugins use without seeing them. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../config/load.ts'
import { formatConfig } from '../../config/show.ts'

const ENV = { API_KEY: 'correct-horse-battery', TWO_LINES: 'correct-horse\r\nX: y' }

test('a secret has a name and a value, and is never shown, written out or not', () => {
  const text = 'secrets: { api-key: "${env:API_KEY}", plain: written-out }'
  const loaded = parseConfig(text, 'postern.yaml', ENV)
  assert.ok(loaded.ok)
  assert.deepEqual({ ...loaded.config.secrets }, { 'api-key': 'correct-horse-battery', plain: 'written-out' })
  const shown = formatConfig(loaded)
  assert.match(shown, /secrets:\n {2}api-key: ‹secret›\n {2}plain: ‹secret›\n/)
  assert.ok(!shown.includes('correct-horse') && !shown.includes('written-out'))
})

const refused: readonly (readonly [string, string, RegExp])[] = [
  ['secrets: { Api_Key: long-enough }', 'P1132', /"Api_Key" is not a name for a secret/],
  ['secrets: { key: short-7 }', 'P1107', /at least 8 characters/],
  ['secrets: { key: "correct\\nhorse" }', 'P1107', /no control character/],
  ['secrets: { key: "${env:TWO_LINES}" }', 'P1107', /no control character/],
  ['secrets: { key: "${env:ABSENT}" }', 'P1111', /ABSENT/],
  ['secrets: { key: 12345678 }', 'P1105', /secrets\.key/],
]
for (const [text, code, says] of refused)
  test(`refused: ${text}`, () => {
    const loaded = parseConfig(text, 'postern.yaml', ENV)
    assert.ok(!loaded.ok)
    assert.deepEqual(
      loaded.problems.map((problem) => problem.code),
      [code],
    )
    assert.match(loaded.problems[0]?.message ?? '', says)
    const told = loaded.problems.map(({ message, remedy }) => message + remedy)
    assert.ok(!told.join('').includes('short-7'))
  })

test('a secret of eight characters is long enough', () => {
  assert.ok(parseConfig('secrets: { key: "12345678" }', 'postern.yaml', ENV).ok)
})
