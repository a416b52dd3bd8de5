/** postern.lock: a plugin starts exactly as it was approved, or the problem says what differs and how to approve it. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Config } from '../../config/config.ts'
import { formatProblem } from '../../config/problem.ts'
import { systemClock } from '../../core/observe/clock.ts'
import { silentLog } from '../../core/observe/log.ts'
import { checkPlugins } from '../../sandbox/check.ts'
import { KnownManifests } from '../../sandbox/known-manifests.ts'
import type { OriginScope } from '../../sandbox/origin-scope.ts'
import { approvePlugin, type Reviewed, reviewPlugin } from '../../sandbox/review.ts'
import { openConfigured } from '../../sandbox/sandbox.ts'
import { testResolver } from '../../sandbox/test-network.ts'
import { bundledPlugin, fixturePlugin, stateInMemory } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

const AT = Date.UTC(2026, 10, 24)

function source(permissions: string, more = ''): string {
  return `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'mine', version: '1.0.0', api: 1, permissions: ${permissions},
  config: { type: 'object', properties: { seconds: { type: 'integer', default: 5, description: 'Wait' },
    key: { type: 'string' } }, required: ['key'] },
  hooks: { rcpt() {} },
})
${more}`
}

class Place {
  readonly file: string
  readonly lock: string
  readonly #config: string

  constructor(folder: string) {
    this.file = join(folder, 'mine.ts')
    this.lock = join(folder, 'postern.lock')
    this.#config = join(folder, 'postern.yaml')
  }

  write(permissions: string, more = ''): void {
    writeFileSync(this.file, source(permissions, more))
  }

  async review(): Promise<Reviewed> {
    const reviewed = await reviewPlugin(this.file, this.lock)
    assert.ok(!('problems' in reviewed), JSON.stringify(reviewed))
    return reviewed
  }

  async approve(): Promise<void> {
    assert.ok(!('problems' in approvePlugin(await this.review(), this.lock, AT)))
  }

  /** What a start would say. */
  async problems(grant: object = {}): Promise<string> {
    return (await checkPlugins(this.#configured(grant))).map(formatProblem).join('\n')
  }

  /** Where it may send requests. */
  async scope(grant: object = {}): Promise<OriginScope> {
    const sandbox = await this.#open(grant)
    assert.ok(!('problems' in sandbox), JSON.stringify(sandbox))
    sandbox.close()
    return sandbox.panel.plugins[0]?.permissions.http ?? assert.fail()
  }

  /** What a reload says that follows others, of which it knows what plugins declared. */
  async problemsKnowing(manifests: KnownManifests): Promise<string> {
    const sandbox = await this.#open({}, manifests)
    if ('problems' in sandbox) return sandbox.problems.map(formatProblem).join('\n')
    sandbox.close()
    return ''
  }

  #open(grant: object, manifests?: KnownManifests): ReturnType<typeof openConfigured> {
    return openConfigured(this.#configured(grant), {
      resolver: testResolver({}, {}),
      state: stateInMemory(),
      secrets: {},
      random: Math.random,
      clock: systemClock,
      log: silentLog,
      ...(manifests === undefined ? {} : { manifests }),
    })
  }

  #configured(grant: object): Config {
    const mine = fixturePlugin('mine', {
      source: { kind: 'file', path: this.file },
      config: { key: 'x' },
      grant: grant as Record<string, unknown>,
    })
    const plugins = [mine, bundledPlugin('relay-control')]
    return { plugins, lookups: {}, secrets: {}, file: this.#config } as unknown as Config
  }
}

test('what was approved starts; other code and more permissions do not', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write(`{ kv: ['mine:*'] }`)
  assert.equal(await place.problems(), '')
  writeFileSync(place.lock, 'version: 1\nplugins: []\n')
  assert.match(await place.problems(), /^P2011 {2}test\.yaml:1:3 .*not approved.*\nFix: .*plugin approve \S+/)
  await place.approve()
  assert.equal(await place.problems(), '')
  place.write(`{ kv: ['mine:*'] }`, '// another line\n')
  const { build } = await place.review()
  assert.match(
    await place.problems(),
    new RegExp(`^P2012 {2}test\\.yaml:1:3 .*${build}.*2026-11-24T00:00:00\\.000Z`),
  )
  await place.approve()
  assert.equal(await place.problems(), '')
})

test('a lock that allows less than the same code asks for keeps it from starting', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write(`{ kv: ['mine:*'], hold: true }`)
  await place.approve()
  writeFileSync(place.lock, readFileSync(place.lock, 'utf8').replace(/ +hold: true\n/, ''))
  assert.match(
    await place.problems(),
    /^P2013 {2}test\.yaml:1:3 .*more than was approved: it may keep mail in hold/,
  )
})

test('with a lock a critical permission needs its approval and no grant', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write(`{ 'relay.grant': true }`)
  assert.match(await place.problems(), /^P2001/)
  await place.approve()
  assert.equal(await place.problems(), '')
})

test('an approval opens no private address, but one it names itself', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  const [name, address] = ['https://api.example.test', 'http://10.0.0.9:8080']
  place.write(`{ http: ['${name}', '${address}', 'http://[::1]'] }`)
  await place.approve()
  const approved = await place.scope()
  const mayBePrivate = (scope: OriginScope) =>
    [name, address, 'http://[::1]'].map((one) => scope.allowsPrivate(one))
  assert.deepEqual([approved.allows(name), mayBePrivate(approved)], [true, [false, true, true]])
  assert.deepEqual(mayBePrivate(await place.scope({ http: [name] })), [true, true, true])
  assert.match(await place.problems({ http: ['nowhere'] }), /^P2002/)
})

test('the name and the hooks are those that were approved; a lock without hooks is an older one', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write('{}')
  await place.approve()
  const lock = readFileSync(place.lock, 'utf8')
  writeFileSync(place.lock, lock.replace('name: mine', 'name: other'))
  assert.match(await place.problems(), /^P2013 .* is called "mine" and was approved as "other"/)
  writeFileSync(place.lock, lock.replace('- rcpt', '- data'))
  assert.match(await place.problems(), /^P2013 .* hooks that were not approved: rcpt\./)
  writeFileSync(place.lock, lock.replace(/ +hooks:\n +- rcpt\n/, ''))
  assert.equal(await place.problems(), '')
})

test('a plugin that has become another since it was looked at is not approved', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write('{}')
  const { build } = await place.review()
  place.write('{ hold: true }')
  const approved = approvePlugin(await place.review(), place.lock, AT, build)
  assert.ok('problems' in approved)
  assert.match(approved.problems.map(formatProblem).join(), new RegExp(`^P2012 .*not ${build}`))
  assert.ok(!existsSync(place.lock))
})

test('a lock that leads nowhere is a lock that cannot be read', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write('{}')
  symlinkSync(join(folder.path, 'nowhere'), place.lock)
  assert.match(await place.problems(), /^P2010/)
})

const broken: readonly (readonly [string, string])[] = [
  ['no version', 'plugins: []\n'],
  ['no list', 'version: 1\n'],
  [
    'a short build',
    'version: 1\nplugins: [{ name: a, path: a, build: "sha256:1", permissions: {}, approvedAt: x }]',
  ],
  [
    'hooks that are no names',
    `version: 1\nplugins: [{ name: a, path: a, build: "sha256:${'0'.repeat(64)}", permissions: {}, hooks: [1], approvedAt: x }]`,
  ],
  ['no YAML', '{'],
  ['a list', '[]'],
  ['nothing', ''],
]
test('a lock that cannot be read keeps the gateway from starting', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write('{}')
  for (const [what, text] of broken) {
    writeFileSync(place.lock, text)
    assert.match(await place.problems(), /^P2010 {2}\S*postern\.lock /, what)
  }
})

test('a review says what it is, what it may do, its settings, and what has changed', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write(`{ kv: ['mine:*', 'old:*'] }`)
  const first = await place.review()
  assert.equal(first.approved, null)
  assert.match(first.build, /^sha256:[0-9a-f]{64}$/)
  assert.deepEqual(first.settings, [
    { name: 'seconds', type: 'integer', isRequired: false, default: 5, description: 'Wait' },
    { name: 'key', type: 'string', isRequired: true, description: '' },
  ])
  await place.approve()
  place.write(`{ 'relay.grant': true, kv: ['mine:a'] }`)
  const second = await place.review()
  assert.deepEqual(second.approved, {
    build: first.build,
    at: '2026-11-24T00:00:00.000Z',
    isSameBuild: false,
    added: ['critical: may let anyone send mail anywhere'],
    removed: ['keeps values between sessions under mine:*, old:*'],
  })
})

test('a reload holds a plugin against what the same code declared before', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  place.write('{}')
  await place.approve()
  const { build } = await place.review()
  const manifests = new KnownManifests()
  assert.equal(await place.problemsKnowing(manifests), '')
  assert.equal(await place.problemsKnowing(manifests), '')
  const other = { name: 'mine', version: '1.0.1', hooks: ['rcpt'], permissions: {}, config: null } as const
  assert.equal(manifests.isSame(build, other), false)
  manifests.keep(build, other)
  assert.match(await place.problemsKnowing(manifests), /^P2014/)
})

test('a plugin that declares something else each time it is loaded cannot be approved', async () => {
  await using folder = await TemporaryFolder.make()
  const place = new Place(folder.path)
  // The only clock in an isolate that the sandbox does not set.
  const version = `new Intl.DateTimeFormat('en', { second: 'numeric', fractionalSecondDigits: 3 }).format()`
  const text = source('{}').replace(`'1.0.0'`, `'1.0.' + ${version}.replace(/\\D/g, '')`)
  writeFileSync(place.file, text)
  const reviewed = await reviewPlugin(place.file, place.lock)
  assert.equal('problems' in reviewed && reviewed.problems[0]?.code, 'P2014')
})
