/**
 * A plugin that attacks while it is loaded: by its manifest, its schema, its errors, its code at the top. The start ends
 * with a problem that names it, nothing of it runs on the worker's loop, and the worker goes on.
 */
import assert from 'node:assert/strict'
import { truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { PluginConfig } from '../../config/config.ts'
import { missingHardening } from '../../sandbox/plughost-process.ts'
import { reviewPlugin } from '../../sandbox/review.ts'
import { fixturePlugin, problemsOf } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

/** Evaluating has half a second, a silent plughost is killed after ten; generous for a busy machine. */
const LOAD_MS = 40_000
/** The worker's loop goes on; generous for a machine that is busy with other things. */
const LONGEST_PAUSE_MS = 2_000
/** More than this nobody reads. */
const MAX_PROBLEM_CHARS = 4_000

let folder: TemporaryFolder
before(async () => {
  folder = await TemporaryFolder.make()
  // Trying what the system offers happens once, at the start of a worker.
  missingHardening()
})
after(() => folder[Symbol.asyncDispose]())

let made = 0
function plugin(text: string, more: Partial<PluginConfig> = {}): PluginConfig {
  const path = join(folder.path, `${++made}-mine.ts`)
  writeFileSync(path, text)
  return fixturePlugin('mine', { source: { kind: 'file', path }, ...more })
}

/** A plugin whose manifest has these, after some lines of code. */
function manifest(fields: string, code = ''): string {
  return `import { definePlugin } from 'postern'
${code}
export default definePlugin({ name: 'mine', version: '1.0.0', api: 1, hooks: { rcpt() {} }, ${fields} } as never)
`
}

const schema = (text: string, code = ''): string => manifest(`config: ${text}`, code)

const NESTED = (levels: number, wrap: string): string => `
let nested = { type: 'string' } as unknown
for (let i = 0; i < ${levels}; i++) nested = ${wrap}
`

const attacks: readonly (readonly [name: string, text: string, says: RegExp, config?: object])[] = [
  // The schema of its configuration: of JSON Schema only what cannot run away.
  [
    'a schema that refers to itself',
    schema(`{ $ref: '#' }`),
    /^P1008 .*uses "\$ref", which is not supported/,
  ],
  ['a schema that refers to a file', schema(`{ $ref: 'file:///etc/passwd' }`), /^P1008 .*uses "\$ref"/],
  [
    'a schema that refers to a server',
    schema(`{ type: 'object', properties: { a: { $ref: 'http://127.0.0.1:1/' } } }`),
    /^P1008 .*config\.a: .*uses "\$ref"/,
  ],
  [
    'a pattern without end',
    schema(`{ type: 'object', properties: { a: { type: 'string', pattern: '^(a+)+$' } } }`),
    /^P1008 .*uses "pattern", which is not supported/,
    { a: `${'a'.repeat(40)}b` },
  ],
  [
    'a key pattern without end',
    schema(`{ type: 'object', patternProperties: { '^(a+)+$': { type: 'string' } } }`),
    /^P1008 .*uses "patternProperties"/,
  ],
  [
    'a schema of many levels',
    schema('nested', NESTED(1_000, `{ type: 'array', items: nested }`)),
    /^P1008 .*is deeper than 8 levels/,
  ],
  [
    'a default of very many levels',
    schema(`{ type: 'object', default: nested }`, NESTED(100_000, '[nested]')),
    /^P100[89] /,
  ],
  [
    'a default of many levels',
    schema(`{ type: 'object', default: nested }`, NESTED(4_000, '[nested]')),
    /^P1003 .*nested too deep/,
  ],
  [
    'an enum of a million words',
    schema(
      `{ type: 'object', properties: { a: { type: 'string', enum: words } } }`,
      `const words = Array.from({ length: 1_000_000 }, (_, i) => String(i))`,
    ),
    /^P1009 /,
    { a: 'x' },
  ],
  [
    'an enum of a hundred thousand words',
    schema(
      `{ type: 'object', properties: { a: { type: 'string', enum: words } } }`,
      `const words = Array.from({ length: 100_000 }, (_, i) => String(i))`,
    ),
    /^P1008 .*expected one of "0", .* and 99980 more, found "x"/,
    { a: 'x' },
  ],
  [
    'a setting called __proto__',
    schema(`JSON.parse('{"type":"object","properties":{"__proto__":{"type":"integer"}}}')`),
    /^P1008 .*config\.__proto__: expected an integer/,
    JSON.parse('{"__proto__":"x"}') as object,
  ],
  // The manifest.
  ['a name of 1 MB', manifest(`name: 'n'.repeat(1_000_000)`), /^P1003 /],
  ['a hook with a name of 1 MB', manifest(`hooks: { ['h'.repeat(1_000_000)]() {} }`), /^P1003 /],
  ['a hook with a name of 1 MB of signs', manifest(`hooks: { ['('.repeat(1_000_000)]() {} }`), /^P1003 /],
  ['a permission with a name of 1 MB', manifest(`permissions: { ['p'.repeat(1_000_000)]: true }`), /^P1003 /],
  [
    'a hundred thousand hooks',
    manifest(`hooks: Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => ['h' + i, () => {}]))`),
    /^P100[39] /,
  ],
  ['a manifest of 20 MB', manifest(`version: '1'.repeat(20_000_000)`), /^P100[39] /],
  ['a manifest whose getter does not end', manifest(`get version() { for (;;); }`), /^P1009 .*timed out/],
  [
    'a manifest whose toJSON does not end',
    manifest(`config: { toJSON() { for (;;); } }`),
    /^P1009 .*timed out/,
  ],
  // Errors: what they say of their place is theirs.
  [
    'an error far to the right',
    `const e = new Error('x')
e.stack = (e.stack ?? '').replace(/:\\d+:\\d+/g, ':1:999999999')
throw e
export default {}
`,
    /^P1009 /,
  ],
  [
    'an error on a line that is not there',
    `const e = new Error('x')
e.stack = (e.stack ?? '').replace(/:\\d+:\\d+/g, ':999999999999:1')
throw e
export default {}
`,
    /^P1009 /,
  ],
  ['an error of 10 MB', `throw new Error('x'.repeat(10_000_000))\nexport default {}\n`, /^P1009 /],
  [
    'an error whose message does not end',
    `throw { get message() { for (;;); } }\nexport default {}\n`,
    /^P1009 /,
  ],
  [
    'an error in a line of half a megabyte',
    `const filler = '${'x'.repeat(500_000)}'; throw new Error(filler)
export default {}
`,
    /^P1009 \S*|^P1009 /,
  ],
  // Code at the top.
  ['code that does not end', 'for (;;);\nexport default {}\n', /^P1009 .*timed out/],
  [
    'code that cannot be interrupted',
    `const a: unknown[] = []
a[4_294_967_293] = 1
a.indexOf(7)
export default {}
`,
    /^P1009 .*no answer for \d+ ms/,
  ],
  [
    'code that waits for ever',
    `await new Promise(() => {})\nexport default {}\n`,
    /^P1009 .*does not load: its code outside of hooks waits \(await\) for what does not come/,
  ],
  [
    'code that waits for ever behind its definition',
    `${manifest('')}\nawait new Promise(() => {}) // a comment`,
    /^P1009 .*its code outside of hooks waits/,
  ],
  ['code that waits for what comes', `await null\n${manifest('')}\nawait Promise.resolve()`, /^$/],
  [
    'code that takes all memory',
    `const kept: unknown[] = []
for (;;) kept.push(new Array(100_000).fill(kept.length))
export default {}
`,
    /^P1009 /,
  ],
  [
    'promises that do not end',
    `const again = (): unknown => Promise.resolve().then(again)\nvoid again()\n${manifest('')}`,
    /^$|^P1009 /,
  ],
]

for (const [name, text, says, config = {}] of attacks)
  test(name, async (t) => {
    const stop = pulse()
    const startedAt = performance.now()
    const said = await problemsOf([plugin(text, { config: config as PluginConfig['config'] })])
    const tookMs = performance.now() - startedAt
    const longest = stop()
    t.diagnostic(`${Math.round(tookMs)} ms, longest pause ${Math.round(longest)} ms: ${said.slice(0, 160)}`)
    assert.match(said, says)
    if (said !== '') assert.match(said, /mine/)
    assert.ok(said.length < MAX_PROBLEM_CHARS, `${said.length} characters`)
    assert.ok(tookMs < LOAD_MS, `${tookMs} ms`)
    assert.ok(longest < LONGEST_PAUSE_MS, `${longest} ms`)
  })

test('a source of 1 GB is refused by its size and not read', async () => {
  const huge = plugin('')
  // A file with a hole: it has the size and no octets.
  truncateSync(huge.source.kind === 'file' ? huge.source.path : '', 2 ** 30)
  const startedAt = performance.now()
  const rssBefore = process.memoryUsage().rss
  assert.match(
    await problemsOf([huge]),
    /^P1004 {2}\S*mine\.ts {2}The plugin is larger than 1 MiB with what it imports\.\nFix: put its data/,
  )
  assert.ok(performance.now() - startedAt < 2_000)
  assert.ok(process.memoryUsage().rss - rssBefore < 256 * 1024 * 1024)
})

const changing: readonly (readonly [what: string, fields: string, code?: string])[] = [
  ['chance', `version: '1.0.' + Math.floor(Math.random() * 1e6)`],
  ['the clock', `version: '1.0.' + (Date.now() % 1e6) + new Date().getFullYear()`],
  [
    'a counter in its world',
    `version: '1.0.' + ++world.count`,
    `const world = ((globalThis as any).kept ??= { count: 0 })`,
  ],
]
for (const [what, fields, code] of changing)
  test(`a manifest that follows ${what} is the same whenever it is read`, async () => {
    const { source } = plugin(manifest(fields, code))
    const path = source.kind === 'file' ? source.path : ''
    const lock = join(folder.path, `${what}.lock`)
    // Each of these loads it twice, in plughosts of their own.
    const [first, second] = [await reviewPlugin(path, lock), await reviewPlugin(path, lock)]
    assert.ok(!('problems' in first), JSON.stringify(first))
    assert.deepEqual(second, first)
  })

test('a manifest that follows a clock nobody sets cannot be approved', async () => {
  const clock = `new Intl.DateTimeFormat('en', { second: 'numeric', fractionalSecondDigits: 3 }).format()`
  const { source } = plugin(manifest(`permissions: { kv: [${clock}] }`))
  const path = source.kind === 'file' ? source.path : ''
  const reviewed = await reviewPlugin(path, join(folder.path, 'none.lock'))
  assert.equal('problems' in reviewed && reviewed.problems[0]?.code, 'P2014')
})

test('a manifest of many levels is compared with itself and does not exhaust the stack', async () => {
  for (const levels of [1_000, 2_000, 4_000]) {
    const { source } = plugin(schema(`{ type: 'object', default: nested }`, NESTED(levels, '[nested]')))
    const path = source.kind === 'file' ? source.path : ''
    const reviewed = await reviewPlugin(path, join(folder.path, 'none.lock'))
    assert.equal('problems' in reviewed && reviewed.problems[0]?.code, 'P1003')
  }
})

/** Longest time the loop of this process stood still. */
function pulse(): () => number {
  let longest = 0
  let last = performance.now()
  const timer = setInterval(() => {
    longest = Math.max(longest, performance.now() - last)
    last = performance.now()
  }, 5)
  return () => {
    clearInterval(timer)
    return Math.max(longest, performance.now() - last)
  }
}
