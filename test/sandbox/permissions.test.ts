/**
 * Every permission, in one table: with it alone its use works, with everything but it the same use is denied by name and
 * recorded, and so is a use outside of its pattern. What was not approved keeps the plugin from loading. A permission
 * without a row fails here.
 */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import type { PluginConfig } from '../../config/config.ts'
import type { Decision } from '../../core/admin/control.ts'
import { MessagePool } from '../../core/content/pool.ts'
import type { PluginReport } from '../../core/hooks/plugin-panel.ts'
import { HookRunner } from '../../core/hooks/runner.ts'
import type { HookEvents, MessageReader } from '../../core/mail/hook-events.ts'
import type { Session, Transaction } from '../../core/mail/session.ts'
import { systemClock } from '../../core/observe/clock.ts'
import { DecisionRecords } from '../../core/observe/decision-record.ts'
import { type Log, type LogFields, silentLog } from '../../core/observe/log.ts'
import { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import { checkPlugins } from '../../sandbox/check.ts'
import { PERMISSION_NAMES, type PermissionName, permissionSentences } from '../../sandbox/permissions.ts'
import { approvePlugin, reviewPlugin } from '../../sandbox/review.ts'
import { openConfigured, type Sandbox } from '../../sandbox/sandbox.ts'
import { testDoor, testResolver, testTcpDoor } from '../../sandbox/test-network.ts'
import { fixturePlugin, problemsOf, stateInMemory } from '../support/sandbox.ts'
import { TemporaryFolder } from '../support/temporary-folder.ts'

interface Row {
  readonly asks: unknown
  readonly hook: 'auth' | 'rcpt' | 'data'
  /** JavaScript that needs the permission, and what it comes to where it is a value. */
  readonly use: string
  /** The same beyond what `asks` covers; null where there is nothing to cover. */
  readonly outside: string | null
}

const ROWS: Readonly<Record<PermissionName, Row>> = {
  'relay.grant': { asks: true, hook: 'rcpt', use: `tools.relay.grant()`, outside: null },
  'route.set': {
    asks: ['discard:'],
    hook: 'data',
    use: `tools.route.set('discard:')`,
    outside: `tools.route.set('smtp://192.0.2.25:25')`,
  },
  credentials: { asks: true, hook: 'auth', use: `accept('anna')`, outside: null },
  secrets: {
    asks: ['key'],
    hook: 'rcpt',
    use: `await tools.hash.hmac('secret:key', 'x')`,
    outside: `await tools.hash.hmac('secret:other', 'x')`,
  },
  refuse: {
    asks: ['reject'],
    hook: 'rcpt',
    use: `reject('5.7.1', 'No')`,
    outside: `defer('4.7.1', 'Not now')`,
  },
  hold: { asks: true, hook: 'rcpt', use: `tools.hold('x')`, outside: null },
  discard: { asks: true, hook: 'rcpt', use: `tools.discard('x')`, outside: null },
  'headers.read': { asks: true, hook: 'data', use: `void tools.headers.all()`, outside: null },
  'headers.write': {
    asks: ['X-Mine-*'],
    hook: 'data',
    use: `tools.headers.add('X-Mine-Score', '1')`,
    outside: `tools.headers.add('X-Other', '1')`,
  },
  'body.read': { asks: true, hook: 'data', use: `void await tools.body.chunk(0)`, outside: null },
  'message.parts': { asks: true, hook: 'data', use: `void await tools.message.parts()`, outside: null },
  kv: {
    asks: ['mine:*'],
    hook: 'rcpt',
    use: `void await tools.kv.get('mine:a')`,
    outside: `void await tools.kv.get('other')`,
  },
  lookup: {
    asks: ['staff'],
    hook: 'rcpt',
    use: `void await tools.lookup.has('staff', 'anna')`,
    outside: `void await tools.lookup.has('others', 'anna')`,
  },
  dns: {
    asks: { types: ['A'], suffixes: ['example.test'] },
    hook: 'rcpt',
    use: `void await tools.dns.resolve('A', 'mx.example.test')`,
    outside: `void await tools.dns.resolve('A', 'example.org')`,
  },
  http: {
    asks: ['https://api.example.test'],
    hook: 'rcpt',
    use: `void await tools.http.fetch('https://api.example.test/')`,
    outside: `void await tools.http.fetch('https://api.example.org/')`,
  },
  tcp: {
    asks: ['clamd.example.test:3310'],
    hook: 'rcpt',
    use: `void await tools.tcp.exchange('clamd.example.test:3310', 'PING')`,
    outside: `void await tools.tcp.exchange('clamd.example.test:3311', 'PING')`,
  },
  notes: {
    asks: ['another'],
    hook: 'rcpt',
    use: `void await tools.notes.get('x', { plugin: 'another' })`,
    outside: `void await tools.notes.get('x', { plugin: 'third' })`,
  },
}

const EVERYTHING = Object.fromEntries(Object.entries(ROWS).map(([name, { asks }]) => [name, asks]))
const slug = (name: string): string => name.replace(/\W/g, '-')

let folder: TemporaryFolder
let sandbox: Sandbox
const contents = new MessagePool({ log: silentLog })
const counters = new PluginCounters()
const logged: { readonly event: string; readonly fields: LogFields }[] = []

before(async () => {
  folder = await TemporaryFolder.make()
  const plugins = Object.entries(ROWS).flatMap(([name, row]) => {
    const { [name]: _, ...others } = EVERYTHING
    return [plugin(`only-${slug(name)}`, row, { [name]: row.asks }), plugin(`but-${slug(name)}`, row, others)]
  })
  const write = (event: string, fields: LogFields = {}): void => void logged.push({ event, fields })
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
  const responses = { 'https://api.example.test/': {} }
  const answers = { 'clamd.example.test:3310': 'PONG' }
  const opened = await openConfigured(
    {
      plugins,
      lookups: { staff: { kind: 'list', entries: [] } },
      secrets: { key: 'a-secret', other: 'b-secret' },
      file: null,
    },
    {
      state: stateInMemory(),
      contents,
      resolver: testResolver({}, responses, answers),
      http: testDoor(responses, []),
      tcp: testTcpDoor(answers, []),
      secrets: { key: 'a-secret', other: 'b-secret' },
      counters,
      clock: systemClock,
      log,
      random: () => 0.5,
    },
  )
  assert.ok(!('problems' in opened), JSON.stringify(opened))
  sandbox = opened
})
after(async () => {
  sandbox.close()
  await contents.close()
  await folder[Symbol.asyncDispose]()
})

/** Uses what it is told by a tag of its name: `use` or `outside`. */
function plugin(name: string, row: Row, permissions: object, grant: object = EVERYTHING): PluginConfig {
  const path = join(folder.path, `${name}.ts`)
  writeFileSync(
    path,
    `import { accept, defer, definePlugin, reject } from 'postern'
const outside = async (tools) => { return ${row.outside ?? 'undefined'} }
const use = async (tools) => { return ${row.use} }
async function run(event, tools) {
  const told = event.identity ?? event.transaction.tags[0].value
  if (told === '${name} use') return answer(await use(tools))
  if (told === '${name} outside') return answer(await outside(tools))
}
const answer = (value) => (typeof value === 'object' ? value : undefined)
export default definePlugin({
  name: '${name}', version: '1.0.0', api: 1, permissions: ${JSON.stringify(permissions)},
  hooks: { auth: run, rcpt: run, data: run },
})
`,
  )
  return fixturePlugin(name, {
    source: { kind: 'file', path },
    grant: grant as Readonly<Record<string, unknown>>,
    process: 'shared',
  })
}

const SESSION: Session = {
  id: 's_test',
  client: { address: '192.0.2.1', port: 40_000, network: '192.0.2.1' },
  role: 'mx',
  listener: '198.51.100.1:25',
  trusted: false,
  hello: { verb: 'EHLO', name: 'client.example' },
  tls: null,
  identity: null,
}

function events(told: string): Pick<HookEvents, 'auth' | 'rcpt' | 'data'> {
  const tags = [{ plugin: 'test', name: 'told', value: told }]
  const transaction: Transaction = { number: 1, reversePath: '', declaredSize: null, recipients: [], tags }
  const session = SESSION
  const recipient = { recipient: 'anna@example.test', localPart: 'anna' }
  return {
    auth: { session, method: 'PLAIN', identity: told, password: 'password', token: null },
    rcpt: { session, transaction, ...recipient, domain: { name: 'example.test', ours: true } },
    data: { session, transaction, message: { sizeBytes: 17 } },
  }
}

/** What the plugin of this name reports when it is told to. */
async function report(name: string, hook: Row['hook'], what: 'use' | 'outside'): Promise<PluginReport> {
  const event = events(`${name} ${what}`)[hook]
  const number = sandbox.panel.subscribers(hook).findIndex((subscriber) => subscriber.name === name)
  const call = {
    hook,
    event,
    message: hook === 'data' ? MESSAGE : null,
    session: SESSION.id,
    chainMs: 30_000,
  } as const
  const [first] = await sandbox.panel.ask(call as Parameters<typeof sandbox.panel.ask>[0], number)
  assert.equal(first?.plugin.name, name)
  return first as PluginReport
}

/** The same, asked as a session asks: what of it stands in the decision record, and what its client hears. */
async function assertRecorded(name: string, hook: Row['hook'], what: 'use' | 'outside'): Promise<void> {
  const records = new DecisionRecords(10, Infinity, systemClock)
  const record = records.open(SESSION.id, SESSION.client)
  const runner = new HookRunner(sandbox.panel, () => systemClock.monotonic(), silentLog)
  const outcome = await runner.ask(
    hook,
    events(`${name} ${what}`)[hook],
    hook === 'data' ? MESSAGE : null,
    record,
  )
  const decision = record.entries.find(
    (entry): entry is Decision => 'plugin' in entry && entry.plugin === name,
  )
  assert.ok(decision?.fault, `${name} has no fault in the record`)
  assert.match(`${decision.fault.kind} ${decision.fault.message}`, /^denied |PermissionDenied: /)
  assert.equal(outcome.refusal?.plugin, name)
  assert.match(String(outcome.refusal?.code), /^4/)
  assert.deepEqual(records.find(decision.reference)?.id, SESSION.id)
}

const MESSAGE: MessageReader = {
  sizeBytes: 17,
  header: Buffer.from('Subject: x\r\n\r\n'),
  content: { kind: 'inline', bytes: Buffer.from('Subject: x\r\n\r\nx\r\n') },
  headers: () => [{ name: 'Subject', value: ' x' }],
  bodyChunk: async (index: number) => (index === 0 ? Buffer.from('x\r\n') : undefined),
}

/** Denied by name: an answer that is a fault, or an error of a tool, which log and metrics tell. */
function assertDenied({ fault }: PluginReport, plugin: string, permission: PermissionName): void {
  assert.ok(fault !== null, 'it works')
  if (fault.kind === 'denied') return assert.match(fault.message, /permission|may not|was not granted/)
  assert.match(fault.message, /^PermissionDenied: /)
  // What a plugin may not read is not sent to it at all, so nothing is asked for.
  if (permission === 'headers.read') return
  assert.deepEqual(
    counters.denials.find(({ labels }) => labels['plugin'] === plugin),
    { labels: { plugin, permission }, value: 1 },
  )
  const line = logged.find(({ event, fields }) => event === 'plugin-denied' && fields['plugin'] === plugin)
  assert.equal(line?.fields['permission'], permission)
  assert.equal(line?.fields['session'], SESSION.id)
}

test('every permission has a row', () => {
  assert.deepEqual(Object.keys(ROWS).toSorted(), PERMISSION_NAMES.toSorted())
})

for (const [key, row] of Object.entries(ROWS)) {
  const permission = key as PermissionName
  const { hook, outside } = row

  test(`${permission}: asked for and granted, it works`, async () => {
    const { fault } = await report(`only-${slug(permission)}`, hook, 'use')
    assert.equal(fault, null, fault?.message)
  })

  test(`${permission}: not asked for, it is denied by name and recorded`, async () => {
    const name = `but-${slug(permission)}`
    assertDenied(await report(name, hook, 'use'), name, permission)
    await assertRecorded(name, hook, 'use')
  })

  if (outside !== null)
    test(`${permission}: outside of what it covers, it is denied by name and recorded`, async () => {
      const name = `only-${slug(permission)}`
      assertDenied(await report(name, hook, 'outside'), name, permission)
      await assertRecorded(name, hook, 'outside')
    })

  const [sentence = ''] = permissionSentences({ [permission]: row.asks } as never)
  if (sentence.startsWith('critical: '))
    test(`${permission}: asked for and not granted, the plugin does not load`, async () => {
      const lone = plugin(`lone-${slug(permission)}`, row, { [permission]: row.asks }, {})
      const said = await problemsOf([lone])
      assert.match(said, /^P2001/)
      assert.ok(said.includes(sentence.replace('critical: ', '')), said)
    })

  test(`${permission}: asked for and not approved, the plugin does not load`, async () => {
    await using place = await TemporaryFolder.make()
    const lone = plugin(`unapproved-${slug(permission)}`, row, { [permission]: row.asks })
    const { path = '' } = lone.source as { readonly path?: string }
    const lock = join(place.path, 'postern.lock')
    const reviewed = await reviewPlugin(path, lock)
    assert.ok(!('problems' in reviewed))
    assert.ok(!('problems' in approvePlugin({ ...reviewed, permissions: {} }, lock, 0)))
    const config = { plugins: [lone], lookups: {}, secrets: {}, file: join(place.path, 'postern.yaml') }
    const [problem] = await checkPlugins(config as never)
    assert.equal(problem?.code, 'P2013')
    assert.ok(problem.message.includes(sentence.replace('critical: ', '')), problem.message)
  })
}
