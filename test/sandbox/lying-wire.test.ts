/**
 * A plughost that lies, as clients see it: whoever it was asked about hears 451, everybody else has his answer, and what
 * another plugin says still counts.
 */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { HookRunner } from '../../core/hooks/runner.ts'
import { systemClock } from '../../core/observe/clock.ts'
import type { Log, LogFields } from '../../core/observe/log.ts'
import { AuthorStacks } from '../../sandbox/author-place.ts'
import { Broker } from '../../sandbox/broker/broker.ts'
import type { ReadyPlugin } from '../../sandbox/load.ts'
import { Panel } from '../../sandbox/panel.ts'
import { effectivePermissions } from '../../sandbox/permissions.ts'
import { missingHardening } from '../../sandbox/plughost-process.ts'
import { PluginBounds } from '../../sandbox/plugin-bounds.ts'
import { forgetfulQuarantine } from '../../sandbox/quarantine.ts'
import { TrustDomain } from '../../sandbox/trust-domain.ts'
import { TestServer } from '../core/smtp/test-server.ts'
import { brokerParts } from '../support/broker-parts.ts'
import { bundledPlugin, logInto, type TestSandbox, testSandbox } from '../support/sandbox.ts'
import { until } from '../support/until.ts'

const ENTRY = join(import.meta.dirname, 'lying-plughost.js')
/** Four plughosts, one after the other, and the waits between them; ten times what that takes here. */
const PATIENCE_MS = 20_000
/** Of somebody about whom the liar is not asked; generous for a machine that is busy with other things. */
const NEIGHBOUR_MS = 2_000
const UNAVAILABLE = /^451 4\.3\.0 Policy check not available, try again later \(r_[a-z]{8}\)$/

/** What it does, and what of it stands in the record. */
const LIES: readonly (readonly [lie: string, recorded: RegExp])[] = [
  ['foreign call', /plughost ended/],
  ['an effect of a foreign call', /plughost ended/],
  ['another plugin', /plughost ended/],
  ['a frame of 1 GiB', /plughost ended/],
  ['a flood of log lines', /plughost ended/],
  ['a flood of frames', /plughost ended/],
  ['a flood of effects', /tools beyond its quota/],
  // What it makes of being refused is no answer.
  ['an unknown effect', /an answer needs a text/],
]

let honest: TestSandbox
before(async () => {
  // Trying what the system offers happens once, at the start of a worker.
  missingHardening()
  honest = await testSandbox([bundledPlugin('relay-control')])
})
after(() => honest.close())

interface Stand extends AsyncDisposable {
  readonly server: TestServer
  readonly logged: { readonly event: string; readonly fields: LogFields }[]
}

/** A server that asks an honest plugin first, then the one that lies like this. */
async function stand(lie: string): Promise<Stand> {
  const logged: { event: string; fields: LogFields }[] = []
  const log = logInto(logged)
  const domain = await lyingDomain(lie, log)
  const liar: ReadyPlugin = {
    number: 1,
    domain,
    identity: { name: 'liar', version: '1.0.0', build: 'sha256:000000000000', onError: 'defer' },
    manifest: { name: 'liar', version: '1.0.0', hooks: ['rcpt'], permissions: {}, config: null },
    permissions: PERMISSIONS,
    source: 'liar.ts',
    file: '/liar.ts',
    bundle: null,
    stacks: new AuthorStacks({ file: '/liar.ts', bundle: null }),
    heapBytes: 0,
    sentences: [],
  }
  const panel = new Panel([...honest.panel.plugins, liar], new Map(), forgetfulQuarantine())
  const hooks = new HookRunner(panel, () => systemClock.monotonic(), log)
  const server = await TestServer.start({ hooks })
  const stop = async (): Promise<void> => {
    await server.stop()
    domain.close()
  }
  return { server, logged, [Symbol.asyncDispose]: stop }
}

const PERMISSIONS = effectivePermissions({ kv: ['*'] }, null)

async function lyingDomain(lie: string, log: Log): Promise<TrustDomain> {
  const clock = systemClock
  const random = Math.random
  const broker = new Broker(brokerParts({ log }))
  const domain = new TrustDomain({
    clock,
    log,
    broker,
    random,
    usage: new Map(),
    jit: true,
    idle: null,
    bounds: new PluginBounds(),
    entry: ENTRY,
  })
  const source = { file: '', code: '', api: '', prelude: '' }
  const request = { name: 'liar', ...source, config: lie, memoryMb: 32, sliceMs: 100 }
  assert.ok('manifest' in (await domain.load(1, request)))
  domain.keep(1, { request, permissions: PERMISSIONS })
  return domain
}

for (const [lie, recorded] of LIES)
  test(`${lie}: 451, and nobody else notices`, async (t) => {
    await using stood = await stand(lie)
    const { server, logged } = stood
    const [victim, neighbour, bystander] = [
      await server.greeted(),
      await server.greeted(),
      await server.greeted(),
    ]
    for (const client of [victim, neighbour, bystander])
      await client.expect('250', 'MAIL FROM:<sender@client.example>')
    const startedAt = performance.now()
    victim.say('RCPT TO:<attack@example.test>')
    // Asked of the same plughost while it lies; and of the honest one alone, which refuses before the liar has its turn.
    neighbour.say('RCPT TO:<well@example.test>')
    let slowestMs = 0
    let isAnswered = false
    const answered = victim.reply().finally(() => {
      isAnswered = true
    })
    while (!isAnswered) {
      const at = performance.now()
      await bystander.expect('250', 'NOOP')
      slowestMs = Math.max(slowestMs, performance.now() - at)
      // Seldom enough for the limit of commands that do nothing.
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const reply = await answered
    const tookMs = performance.now() - startedAt
    t.diagnostic(`451 after ${Math.round(tookMs)} ms, slowest NOOP ${Math.round(slowestMs)} ms`)
    assert.match(reply, UNAVAILABLE)
    assert.ok(tookMs < PATIENCE_MS)
    assert.ok(slowestMs < NEIGHBOUR_MS, `${slowestMs} ms`)
    assert.match(await neighbour.reply(), /^250 2\.1\.5 /)
    // What the honest one grants and does not grant still counts, for the victim too.
    await bystander.expect('250', 'RCPT TO:<well@example.test>')
    await victim.expect('250', 'RCPT TO:<well@example.test>')
    await victim.expect('550 5.7.1', 'RCPT TO:<well@elsewhere.example>')
    assertTold(server, logged, reply, recorded)
  })

test('an answer after the end: the first one counts, and the plughost is replaced', async () => {
  await using stood = await stand('an answer after the end')
  const { server, logged } = stood
  const client = await server.greeted()
  await client.expect('250', 'MAIL FROM:<sender@client.example>')
  await client.expect('250 2.1.5 ', 'RCPT TO:<attack@example.test>')
  await client.expect('250 2.1.5 ', 'RCPT TO:<well@example.test>')
  await until(() => logged.some(({ event }) => event === 'plughost-died'), 'the death')
  assert.equal(logged.find(({ event }) => event === 'plughost-died')?.fields['cause'], 'protocol')
})

/** In the record and in the log, with the name of the plugin. */
function assertTold(server: TestServer, logged: Stand['logged'], reply: string, recorded: RegExp): void {
  const reference = /\((r_[a-z]{8})\)$/.exec(reply)?.[1] ?? ''
  const entries = server.records.find(reference)?.entries ?? []
  const failed = entries.flatMap((entry) => ('hook' in entry && entry.fault !== null ? [entry] : []))
  assert.deepEqual(
    failed.map(({ plugin, hook }) => [plugin, hook]),
    [['liar', 'rcpt']],
  )
  assert.match(failed[0]?.fault?.message ?? '', recorded)
  const line = logged.find(({ event, fields }) => event === 'plugin-failed' && fields['plugin'] === 'liar')
  assert.equal(line?.fields['reference'], reference)
}
