/** What hostile or broken YAML can do: nothing but be refused. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseConfig } from '../../config/load.ts'
import { SETTINGS } from '../../config/settings.ts'

/** What YAML and this file's readers give a meaning to. */
const SPACED = ['\n', '\r\n', '\t', '\0', '\u2028', '  ', '- ', ': ', ', ', '? ', '---\n', '&a ', '!t ']
const PIECES = [
  ...SPACED,
  ...'{ } [ ] " \' *a # | > % ... << ~ \\x 0x1F .inf 1e999 __proto__ constructor mx off'.split(' '),
  ...'${env:A} ${file:/} $${ 10.0.0.0/8 5m 25MiB smtp://[::1] maildir:x'.split(' '),
]

test('an alias may be used a hundred times', () => {
  const text = (count: number) => `relay: { networks: [&n 10.0.0.0/8${', *n'.repeat(count)}] }`
  const loaded = parseConfig(text(100), 'c.yaml', {})
  assert.ok(loaded.ok)
  assert.equal(loaded.config.relay.networks.length, 101)
  assert.deepEqual(sentences(text(101)), ['The file uses more than 100 aliases.'])
})

test('aliases of aliases of aliases are refused before they are written out', () => {
  const lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x]']
  for (let i = 1; i < 9; i++)
    lines.push(
      `a${i}: &a${i} [${Array(9)
        .fill(`*a${i - 1}`)
        .join(', ')}]`,
    )
  assert.deepEqual(sentences(lines.join('\n')), ['The file uses more than 100 aliases.'])
})

test('a few aliases of something large are refused as well', () => {
  const large = `[${Array(5000).fill('x').join(', ')}]`
  const text = `a: &a ${large}\nb: [${Array(30).fill('*a').join(', ')}]`
  assert.deepEqual(sentences(text), ['The file holds more than 100000 values.'])
})

test('an alias inside its own anchor ends', () => {
  assert.deepEqual(sentences('plugins: &a [*a]'), ['The file is nested more than 32 deep.'])
})

test('an alias means the last anchor of its name above it', () => {
  const loaded = parseConfig('relay: { networks: [&n 10.0.0.0/8, *n, &n 192.0.2.0/24, *n] }', 'c.yaml', {})
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.config.relay.networks, ['10.0.0.0/8', '10.0.0.0/8', '192.0.2.0/24', '192.0.2.0/24'])
})

test('an anchor inside an aliased value keeps the meaning it had there', () => {
  const text = `plugins:
  - { name: a, config: &outer { n: &n 10.0.0.0/8 } }
  - { name: b, config: { n: &n 192.0.2.0/24 } }
  - { name: c, config: *outer }
relay: { networks: [*n] }
`
  const loaded = parseConfig(text, 'c.yaml', {})
  assert.ok(loaded.ok)
  assert.deepEqual(loaded.config.relay.networks, ['192.0.2.0/24'])
  assert.equal(loaded.config.plugins[2]?.config['n'], '10.0.0.0/8')
})

test('a mistake in an aliased value is marked where the value stands', () => {
  const loaded = parseConfig('queue:\n  lease: &t soon\n  expire: *t\n', 'c.yaml', {})
  assert.ok(!loaded.ok)
  assert.deepEqual(
    loaded.problems.map(({ place }) => place),
    ['c.yaml:2:13', 'c.yaml:3:11'],
  )
})

test('brackets by the hundred thousand are refused in one sentence', () => {
  assert.deepEqual(sentences('['.repeat(100_000)), ['The file is nested more than 32 deep.'])
})

test('ten thousand settings of one group are read in no time, and each unknown one is told', () => {
  const text = Array.from({ length: 10_000 }, (_, i) => `unknown${i}: 1`).join('\n')
  const started = performance.now()
  assert.equal(sentences(text).length, 10_000)
  assert.ok(performance.now() - started < 30_000)
})

for (const name of ['constructor', 'toString', 'hasOwnProperty', 'prototype', '__proto__', '<<', '']) {
  test(`"${name}" is a setting like any unknown one`, () => {
    assert.deepEqual(sentences(`${JSON.stringify(name)}: { polluted: true }`), [`Unknown setting "${name}".`])
    assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false)
  })
}

test('"__proto__" is refused even where a plugin or a lookup chooses the names', () => {
  for (const text of [
    'plugins: [{ name: greylist, config: { __proto__: { a: 1 } } }]',
    'plugins: [{ name: greylist, config: { deep: [{ "__proto__": 1 }] } }]',
    'lookups: { __proto__: [] }',
    'domains: { __proto__: { deliver: "discard:" } }',
  ])
    assert.deepEqual(sentences(text), ['Unknown setting "__proto__".'])
})

test('domains, lookups and configurations of plugins inherit nothing', () => {
  const text = `
domains: { constructor: { deliver: "discard:" } }
lookups: { constructor: [] }
plugins: [{ name: greylist }, { name: routing, config: { constructor: 1 } }]`
  const loaded = parseConfig(text, 'c.yaml', {})
  assert.ok(loaded.ok)
  const { domains, lookups, plugins } = loaded.config
  const groups = [domains, lookups, ...plugins.flatMap(({ config, grant }) => [config, grant])]
  assert.deepEqual(
    groups.map((group) => ['toString' in group, Object.keys(group)]),
    [
      [false, ['constructor']],
      [false, ['constructor']],
      [false, []],
      [false, []],
      [false, ['constructor']],
      [false, []],
    ],
  )
})

test('whatever the text, loading answers with a configuration or with problems that have a place', () => {
  const shipped = readFileSync('config/postern.yaml', 'utf8')
  const pieces = fc.constantFrom(...PIECES, ...Object.keys(SETTINGS.properties))
  const made = fc.array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 8 })), { maxLength: 60 })
  const damaged = fc
    .array(fc.record({ at: fc.nat(shipped.length), length: fc.nat(20), piece: pieces }), {
      minLength: 1,
      maxLength: 5,
    })
    .map((cuts) =>
      cuts.reduce(
        (text, { at, length, piece }) => text.slice(0, at) + piece + text.slice(at + length),
        shipped,
      ),
    )
  const texts = fc.oneof(
    made.map((parts) => parts.join('')),
    damaged,
  )
  fc.assert(
    fc.property(texts, (text) => answersInOrder(text)),
    { numRuns: 500 },
  )
})

test('whatever the values of known settings, loading answers in the same way', () => {
  const value = fc.jsonValue({ maxDepth: 3 })
  const names = fc.constantFrom(
    ...Object.keys(SETTINGS.properties),
    'listeners',
    'address',
    'deliver',
    'config',
  )
  const inner = fc.dictionary(fc.oneof(names, fc.string()), value, { maxKeys: 4 })
  const settings = fc.dictionary(names, fc.oneof(value, inner, fc.array(inner, { maxLength: 3 })), {
    maxKeys: 6,
  })
  fc.assert(
    fc.property(settings, (data) => answersInOrder(JSON.stringify(data))),
    { numRuns: 300 },
  )
})

function answersInOrder(text: string): void {
  const loaded = parseConfig(text, 'c.yaml', {})
  if (loaded.ok) return
  const places = loaded.problems.map(({ place }) =>
    /^c\.yaml:([1-9]\d*):([1-9]\d*)$/.exec(place)?.slice(1).map(Number),
  )
  assert.ok(places.length > 0)
  for (const [i, place] of places.entries()) {
    assert.ok(place !== undefined)
    const [line = 0, column = 0] = place
    const [previousLine = 0, previousColumn = 0] = places[i - 1] ?? []
    assert.ok(line > previousLine || (line === previousLine && column >= previousColumn))
  }
}

function sentences(text: string): string[] {
  const loaded = parseConfig(text, 'c.yaml', {})
  return loaded.ok ? [] : loaded.problems.map(({ message }) => message)
}
