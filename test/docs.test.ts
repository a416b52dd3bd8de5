/**
 * The documents against the code, both ways: what there is is documented, and nothing is documented that is not there.
 * Names are taken from the objects where there are any, else from the sources; each list must be as long as expected, so
 * that a pattern which matches nothing any more does not pass.
 */
import assert from 'node:assert/strict'
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { createTestHost } from 'postern/testing'
import { parse } from 'yaml'
import { PROBLEM_CODES } from '../config/problem.ts'
import { SETTINGS } from '../config/settings.ts'
import { HOOKS, UNSAID } from '../core/hooks/hook-table.ts'
import { HOOK_NAMES } from '../core/mail/hook-events.ts'
import { PERMISSION_NAMES, permissionSentences } from '../sandbox/permissions.ts'

const ROOT = join(import.meta.dirname, '..')
const PAGES = globSync(['*.md', 'docs/**/*.md', 'plugins/*/README.md'], { cwd: ROOT })
const SOURCES = globSync(['core/**/*.ts', 'sandbox/**/*.ts', 'config/**/*.ts'], { cwd: ROOT })

const page = (name: string): string => readFileSync(join(ROOT, name), 'utf8')

/** Both lists hold the same, and at least `least`: a pattern that finds nothing is found out. */
function same(documented: Iterable<string>, existing: Iterable<string>, least: number): void {
  const [there, said] = [new Set(existing), new Set(documented)]
  assert.ok(there.size >= least, `only ${there.size} found in the code`)
  assert.deepEqual([...there].filter((name) => !said.has(name)).toSorted(), [], 'not documented')
  assert.deepEqual([...said].filter((name) => !there.has(name)).toSorted(), [], 'documented, but not there')
}

/** First groups of every match. */
function found(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(([, first = '']) => first)
}

/** The part of a page under a heading of level two. */
function section(name: string, heading: string): string {
  const [, rest] = page(name).split(`\n## ${heading}\n`)
  assert.ok(rest !== undefined, `${name} has no section "${heading}"`)
  return rest.split('\n## ')[0] ?? ''
}

/** Rows of the tables in a text, as trimmed cells, without heads. */
function rows(text: string): string[][] {
  const cells = text
    .split('\n')
    .filter((line) => line.startsWith('| '))
    .map((line) => line.split('|').slice(1, -1))
  return cells.map((row) => row.map((cell) => cell.trim())).filter(([first = '']) => first.startsWith('`'))
}

const bare = (cell = ''): string => cell.replaceAll('`', '')

test('every hook is documented with its reply codes, actions and times', () => {
  const table = rows(section('docs/plugins.md', 'Hooks'))
  same(
    table.map(([hook]) => bare(hook)),
    HOOK_NAMES,
    6,
  )
  const code = (value: number | null): string =>
    value === null ? '–' : value === UNSAID ? 'yes' : String(value)
  for (const [name, , reject, defer, disconnect, actions, one, all] of table) {
    const { codes, actions: allowed, pluginMs, chainMs } = HOOKS[bare(name) as keyof typeof HOOKS]
    const expected = [
      code(codes.reject),
      code(codes.defer),
      code(codes.disconnect),
      allowed.join(', ') || '–',
    ]
    expected.push(`${pluginMs / 1000} s`, `${chainMs / 1000} s`)
    assert.deepEqual([reject, defer, disconnect, bare(actions), one, all], expected, name)
  }
})

test('every permission is documented with its risk', () => {
  const table = rows(section('docs/plugins.md', 'Permissions'))
  same(
    table.map(([permission]) => bare(permission)),
    PERMISSION_NAMES,
    9,
  )
  for (const [name, , risk] of table) {
    const [sentence] = permissionSentences({ [bare(name)]: true })
    assert.equal(risk, sentence?.startsWith('critical: ') ? 'critical' : 'ordinary', name)
  }
})

test('every problem code is documented', () => {
  const used = SOURCES.flatMap((file) => found(page(file), /'(P\d{4})'/g))
  same(found(page('docs/errors.md'), /^- `(P\d{4})` /gm), [...used, ...Object.keys(PROBLEM_CODES)], 45)
})

test('every code of a refusal of the core is documented', () => {
  const lines = globSync('core/smtp/*.ts', { cwd: ROOT }).flatMap((file) => page(file).split('\n'))
  const saysWhy = (line: string, index: number): boolean =>
    /\breason(?::| =) /.test(line) || /\breason\] =$/.test(lines[index - 1] ?? '')
  const reasons = lines.filter(saysWhy).join('\n')
  const table = rows(section('docs/errors.md', 'Codes of refusals'))
  same(
    table.map(([code]) => bare(code)),
    found(reasons, /'([A-Z][A-Z_]+)'/g),
    20,
  )
})

interface Rules {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Rules>>
  readonly additionalProperties?: Rules | boolean
  readonly items?: Rules
  readonly default?: unknown
  readonly notBuilt?: { readonly values?: readonly unknown[]; readonly except?: readonly unknown[] }
}

/** Settings by path; a group that is nothing but its members is left out. */
function settingsOf(rules: Rules, path: string): (readonly [string, Rules])[] {
  const members = Object.entries(rules.properties ?? {}).flatMap(([name, inner]) =>
    settingsOf(inner, path === '' ? name : `${path}.${name}`),
  )
  const others = rules.additionalProperties
  const inside =
    typeof others === 'object' && others.properties !== undefined ? settingsOf(others, `${path}.NAME`) : []
  const items = rules.items?.properties === undefined ? [] : settingsOf(rules.items, `${path}[]`)
  const isGroup = rules.properties !== undefined && rules.type === 'object'
  return [...(isGroup ? [] : [[path, rules] as const]), ...members, ...inside, ...items]
}

test('every setting is documented with its default', () => {
  const settings = settingsOf(SETTINGS as unknown as Rules, '')
  const text = page('docs/configuration.md')
  const entries = new Map(
    [...text.matchAll(/^- `([a-z]\S*)`: ((?:.+\n)(?: {2}.+\n)*)/gm)].map(([, path = '', words = '']) => [
      path,
      words.replace(/\n +/g, ' '),
    ]),
  )
  same(
    entries.keys(),
    settings.map(([path]) => path),
    45,
  )
  for (const [path, rules] of settings) {
    const words = entries.get(path) ?? ''
    const isWhollyUnbuilt = rules.notBuilt?.values === undefined && rules.notBuilt?.except === undefined
    if (rules.notBuilt !== undefined && isWhollyUnbuilt) assert.match(words, /^not built yet\.$/m, path)
    const value = /default `([^`]*)`/.exec(words)?.[1]
    if (rules.default === undefined) assert.equal(value, undefined, `${path} has no default`)
    else assert.ok(isDeepStrictEqual(parse(value ?? ''), rules.default), `${path}: default ${value}`)
    for (const unbuilt of rules.notBuilt?.values ?? [])
      assert.match(words, new RegExp(`Not built yet: .*\`${String(unbuilt)}\``), path)
  }
})

test('every metric of ours is documented with its type', () => {
  const source = page('core/gateway/metrics.ts')
  const counters = [
    ...found(source, /total\(\s*'(\w+)'/g),
    ...found(source, /counter\({\s*name: '(\w+)'/g),
    ...found(source, /perPlugin\(\s*'(\w+)'/g),
  ]
  const gauges = found(source, /gauge\({\s*name: '(\w+)'/g)
  assert.equal(counters.length + gauges.length, new Set(found(source, /'(postern_\w+)'/g)).size)
  const table = rows(page('docs/metrics.md'))
  const typed = (type: string, names: readonly string[]): string[] => names.map((name) => `${name} ${type}`)
  const existing = [...typed('counter', counters), ...typed('gauge', gauges)]
  same(
    table.map(([name, type]) => `${bare(name)} ${type}`),
    existing,
    10,
  )
})

test('every log event is documented with its level', () => {
  const events = SOURCES.filter((file) => file !== 'core/observe/log.ts').flatMap((file) =>
    logged(page(file)),
  )
  const documented = [...page('docs/logging.md').matchAll(/^- `([a-z-]+)` \(([a-z ]+)\): /gm)]
  same(
    documented.map(([, event, level]) => `${event} ${level}`),
    events,
    35,
  )
})

/** `event level` of each call of a log; the event may depend on a condition. */
function logged(source: string): string[] {
  const calls = source.matchAll(/[lL]og(?:\.(debug|info|warn|error)|\[level\])\(\s*([^,()]*)/g)
  return [...calls].flatMap(([, level = 'info or warn', words = '']) =>
    found(words.replace(/=== '[^']*'/g, ''), /'([a-z-]+)'/g).map((event) => `${event} ${level}`),
  )
}

test('the table of imports is the one that is tested', () => {
  const source = page('test/architecture.test.ts').split('const ROOMS')[1]?.split('\n}\n')[0] ?? ''
  const rooms = [...source.matchAll(/^ {2}'?([\w/.-]+)'?: \[([^\]]*)\]/gm)].map(
    ([, room, targets = '']) => `${room}: ${found(targets, /'([^']+)'/g).join(', ')}`,
  )
  const table = rows(section('docs/architecture.md', 'Who may import whom'))
  same(
    table.map(([room, targets]) => `${bare(room)}: ${targets === '–' ? '' : bare(targets)}`),
    rooms,
    19,
  )
})

for (const name of globSync('plugins/*/index.ts', { cwd: ROOT }).map((file) => dirname(file))) {
  test(`${name}: settings, permissions and codes are in its README`, async () => {
    const { default: plugin } = (await import(join(ROOT, name, 'index.ts'))) as {
      default: { hooks: object; permissions: object; config?: { properties?: Record<string, Rules> } }
    }
    const readme = `${name}/README.md`
    const entries = (heading: string): string[] => found(section(readme, heading), /^- `([^`]+)`/gm)
    same(entries('Settings'), Object.keys(plugin.config?.properties ?? {}), 0)
    same(entries('Codes'), found(page(`${name}/index.ts`), /code: '([A-Z_]+)'/g), 1)
    for (const [setting, { default: value }] of Object.entries(plugin.config?.properties ?? {}))
      if (value !== undefined) {
        const words = new RegExp(`^- \`${setting}\`: .*?default \`([^\`]*)\``, 'ms').exec(page(readme))?.[1]
        assert.deepEqual(parse(words ?? '') ?? '', value, setting)
      }
    const words = section(readme, 'Hook and permissions')
    for (const asked of [...Object.keys(plugin.hooks), ...Object.keys(plugin.permissions)])
      assert.ok(words.includes(`\`${asked}`), asked)
  })
}

test('files and links named in the documents are there', () => {
  assert.ok(PAGES.length > 25, `${PAGES.length} pages`)
  const missing = PAGES.flatMap((name) => {
    const text = page(name)
    const files = found(text, /`((?:bin|core|sandbox|config|plugins|test|docs)\/[\w./-]*\w)`/g)
    const links = found(text, /\]\((?!https?:)([^)#]+)\)/g).map((link) => join(dirname(name), link))
    const isThere = (file: string): boolean => existsSync(join(ROOT, file)) || WRITTEN_BY_READERS.has(file)
    return [...files, ...links].filter((file) => !isThere(file)).map((file) => `${name}: ${file}`)
  })
  assert.deepEqual(missing, [])
})

const WRITTEN_BY_READERS = new Set([
  'config/no-noreply.ts',
  'plugins/expiring-address/index.ts',
  'plugins/expiring-address/index.test.ts',
])

test('the first plugin of README and guide is one, and does what it says', async () => {
  const block = (name: string): string => found(page(name), /```ts\n([\s\S]*?)```/g)[0] ?? ''
  assert.equal(block('README.md'), block('docs/plugins.md'))
  const folder = mkdtempSync(join(tmpdir(), 'postern-docs-'))
  try {
    const file = join(folder, 'no-noreply.ts')
    writeFileSync(file, block('README.md'))
    const host = await createTestHost({ file })
    const client = { address: '192.0.2.1', port: 40_000, network: '192.0.2.1' }
    const facts = {
      id: 's_test',
      client,
      listener: '198.51.100.1:25',
      trusted: false,
      identity: null,
      tls: null,
    }
    const session = { ...facts, role: 'mx', hello: { verb: 'EHLO', name: 'client.example' } } as const
    const from = async (reversePath: string): Promise<string | undefined> => {
      const transaction = { number: 1, reversePath, declaredSize: null, recipients: [], tags: [] }
      return (await host.ask('mail', { session, transaction })).refusal?.code
    }
    assert.equal(await from('noreply@client.example'), 'NO_NOREPLY')
    assert.equal(await from('anna@client.example'), undefined)
    await host.close()
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('lines of text are not longer than a screen', () => {
  const long = PAGES.flatMap((name) =>
    page(name)
      .replace(/^```[\s\S]*?^```/gm, '')
      .split('\n')
      .filter((line) => line.length > 121 && !line.startsWith('|'))
      .map((line) => `${name}: ${line}`),
  )
  assert.deepEqual(long, [])
})
