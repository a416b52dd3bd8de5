/**
 * The house rules as a test: who may import whom, which room owns which package, and that a file stays a file. The
 * table is to be read along the way of a message.
 */
import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { test } from 'node:test'

const ROOT = join(import.meta.dirname, '..')

/** Rooms by path, the longest path first to match; what each may import besides itself. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  'core/mail': [],
  'core/https.ts': [],
  'core/tcp.ts': [],
  'core/observe': ['core/mail'],
  'core/dns': ['core/observe'],
  'core/hooks': ['core/mail', 'core/observe'],
  'core/content': ['core/mail', 'core/observe'],
  'core/smtp': ['core/mail', 'core/observe', 'core/hooks', 'core/queue', 'core/state'],
  'core/tls': ['core/observe'],
  'core/credentials': ['core/observe', 'core/state'],
  'core/state': ['core/observe'],
  'core/queue': ['core/mail', 'core/observe', 'core/state'],
  'core/delivery': ['core/mail', 'core/observe', 'core/dns', 'core/queue'],
  'core/admin': ['core/mail', 'core/observe', 'core/queue'],
  'core/cli': [
    'core/mail',
    'core/observe',
    'core/queue',
    'core/admin',
    'core/process',
    'core/credentials',
    'config',
    'sandbox',
  ],
  'core/main.ts': ['core/cli'],
  'core/gateway': ['*'],
  'core/process': [
    'core/mail',
    'core/observe',
    'core/queue',
    'core/state',
    'core/admin',
    'core/gateway',
    'config',
    'sandbox',
  ],
  'sandbox/protocol': ['core/mail'],
  'sandbox/host': ['sandbox/protocol'],
  'sandbox/api': ['core/mail'],
  sandbox: [
    'core/mail',
    'core/observe',
    'core/dns',
    'core/https.ts',
    'core/tcp.ts',
    'core/hooks',
    'core/content',
    'core/state',
    'config',
    'sandbox/protocol',
  ],
  config: ['core/mail', 'core/observe', 'core/tls'],
  plugins: ['postern'],
}

/** Packages and modules with a past: each has one room that knows it. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  'smtp-server': ['core/smtp/acceptor.ts'],
  'dns-packet': ['core/dns'],
  nodemailer: ['core/delivery/smtp-connection.ts'],
  'isolated-vm': ['sandbox/host/engine.ts'],
  esbuild: ['sandbox/bundle.ts'],
  ajv: ['config/schema.ts'],
  yaml: ['config'],
  pino: ['core/observe'],
  'prom-client': ['core/observe'],
  commander: ['core/cli'],
  'node:http': ['core/https.ts', 'core/admin'],
  'node:https': ['core/https.ts'],
  'node:sqlite': ['core/queue', 'core/state'],
}

interface Import {
  readonly from: string
  /** File below the root, package, or `node:` module. */
  readonly to: string
  /** Erased before it runs. */
  readonly isType: boolean
}

const files = globSync(['core/**/*.ts', 'sandbox/**/*.ts', 'config/**/*.ts', 'plugins/**/*.ts'], {
  cwd: ROOT,
}).filter((file) => !file.endsWith('.test.ts'))
const imports = files.flatMap(importsOf)

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8')
  // One statement an import, as the formatter writes it; dynamic imports and re-exports count too.
  const specifiers = text.matchAll(
    /^\s*(?:import|export)[^'"`;]*?from '([^']+)'|^\s*import '([^']+)'|\bimport\('([^']+)'\)/gm,
  )
  return [...specifiers].map(([statement, a, b, c]) => {
    const specifier = a ?? b ?? c ?? ''
    const to = specifier.startsWith('.')
      ? relative(ROOT, resolve(ROOT, dirname(file), specifier))
      : specifier
          .split('/')
          .slice(0, specifier.startsWith('@') ? 2 : 1)
          .join('/')
    return { from: file, to, isType: /^\s*(?:import|export) type\b/.test(statement) }
  })
}

function roomOf(path: string): string | null {
  const names = Object.keys(ROOMS).toSorted((a, b) => b.length - a.length)
  return names.find((name) => path === name || path.startsWith(`${name}/`)) ?? null
}

test('the test sees the house', () => {
  assert.ok(files.length > 120, `${files.length} files`)
  assert.ok(imports.length > 500, `${imports.length} imports`)
})

test('every file stands in a room', () => {
  assert.deepEqual(
    files.filter((file) => roomOf(file) === null),
    [],
  )
})

test('rooms import along the arrow', () => {
  const wrong = imports.flatMap(({ from, to }) => {
    const room = roomOf(from)
    const target = roomOf(to)
    if (room === null || target === null || room === target) return []
    const allowed = ROOMS[room] ?? []
    return allowed.includes('*') || allowed.includes(target)
      ? []
      : [`${from}: ${room} may not import ${target}`]
  })
  assert.deepEqual([...new Set(wrong)], [])
})

test('each package has one room that knows it', () => {
  const wrong = imports.flatMap(({ from, to }) => {
    const owners = Object.hasOwn(OWNERS, to) ? OWNERS[to] : undefined
    if (owners === undefined) return []
    const known = owners.some((owner) => from === owner || from.startsWith(`${owner}/`))
    return known ? [] : [`${from} may not import ${to}: it belongs to ${owners.join(', ')}`]
  })
  assert.deepEqual(wrong, [])
})

test('every package in use is declared, and every declared one is in use', () => {
  const { dependencies } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    dependencies: Readonly<Record<string, string>>
  }
  const used = new Set(
    imports
      .filter(
        ({ to, isType }) => !isType && roomOf(to) === null && !to.startsWith('node:') && to !== 'postern',
      )
      .map(({ to }) => to),
  )
  assert.deepEqual([...used].toSorted(), Object.keys(dependencies).toSorted())
})

test('plugins know the author’s interface and nothing else', () => {
  const wrong = imports.filter(
    ({ from, to }) => from.startsWith('plugins/') && to !== 'postern' && dirname(to) !== dirname(from),
  )
  assert.deepEqual(wrong, [])
})

test('the words are pure: no input, no output, no clock, no chance', () => {
  const pure = files.filter((file) => file.startsWith('core/mail/'))
  const allowed = new Set(['node:path', 'node:url'])
  assert.deepEqual(
    imports.filter(({ from, to }) => pure.includes(from) && to.startsWith('node:') && !allowed.has(to)),
    [],
  )
  const impure = pure.filter((file) =>
    /\bDate\.now\(|\bMath\.random\(|\bnew Date\(\)/.test(readFileSync(join(ROOT, file), 'utf8')),
  )
  assert.deepEqual(impure, [])
})

test('no file is longer than 400 lines, and none is a place for everything', () => {
  const long = files.filter((file) => readFileSync(join(ROOT, file), 'utf8').split('\n').length > 400)
  assert.deepEqual(long, [])
  const vague = files.filter((file) => /(^|\/)(utils?|helpers?|common|misc|manager)(\.ts|\/)/.test(file))
  assert.deepEqual(vague, [])
})
