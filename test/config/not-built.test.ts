/** What the design has and the gateway does not yet is refused in one sentence, with what to use instead. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../config/load.ts'

const notBuilt: readonly (readonly [text: string, place: string, sentence: string, remedy: string])[] = [
  [
    'dkim: {}',
    '1:1',
    'Setting "dkim" is not built yet.',
    'remove it, and let the next server (outbound.route) sign',
  ],
  [
    'shaping: []',
    '1:1',
    'Setting "shaping" is not built yet.',
    'remove it, and let the next server (outbound.route) set the pace',
  ],
  [
    'store: { kind: redis }',
    '1:16',
    'Setting "store.kind": "redis" is not built yet.',
    'use "kind: local" with a "directory"',
  ],
]

for (const [text, place, sentence, remedy] of notBuilt)
  test(`not built yet: ${text}`, () => {
    const loaded = parseConfig(text, 'postern.yaml', {})
    assert.ok(!loaded.ok)
    const told = loaded.problems.map(({ code, place: at, message, remedy: fix }) => [code, at, message, fix])
    assert.deepEqual(told, [['P1150', `postern.yaml:${place}`, sentence, remedy]])
  })

test('settings that are not built yet may be written with the value they have today', () => {
  const text = 'store: { kind: local }\nlisteners: [{ address: "127.0.0.1:0", role: mx }]'
  assert.equal(parseConfig(text, 'postern.yaml', {}).ok, true)
})
