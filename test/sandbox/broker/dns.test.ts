/** `dns.resolve`: what there is, what there is not, what nobody knows, and what a plugin may not ask. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_DOMAIN } from '../../../core/dns/answer.ts'
import type { Asking } from '../../../core/dns/resolver.ts'
import { Broker } from '../../../sandbox/broker/broker.ts'
import { dnsEffects, MAX_QUESTIONS } from '../../../sandbox/broker/dns.ts'
import type { Caller } from '../../../sandbox/broker/effect.ts'
import { PluginCounters } from '../../../sandbox/broker/plugin-counters.ts'
import { effectivePermissions } from '../../../sandbox/permissions.ts'
import { testResolver } from '../../../sandbox/test-network.ts'
import { brokerParts } from '../../support/broker-parts.ts'
import { probe } from '../../support/probe.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

const RECORDS = {
  'A listed.dbl.example': ['127.0.0.2'],
  'MX listed.dbl.example': [{ preference: 10, exchange: 'mx.dbl.example' }],
  'TXT empty.dbl.example': 'no-data',
  'A broken.dbl.example': 'trouble',
  'PTR 192.0.2.7': ['host.example'],
  'A elsewhere.example': ['198.51.100.7'],
} as const

const USES = {
  found: `tools.dns.resolve('A', 'listed.dbl.example')`,
  mx: `tools.dns.resolve('MX', 'listed.dbl.example')`,
  noData: `tools.dns.resolve('TXT', 'empty.dbl.example')`,
  noDomain: `tools.dns.resolve('A', 'unlisted.dbl.example')`,
  trouble: `tools.dns.resolve('A', 'broken.dbl.example')`,
  ptr: `tools.dns.resolve('PTR', '192.0.2.7')`,
  beside: `tools.dns.resolve('A', 'elsewhere.example')`,
  inside: `tools.dns.resolve('A', 'notdbl.example')`,
  type: `tools.dns.resolve('TLSA', 'listed.dbl.example')`,
} as const

test('records, none, no such name and trouble are told apart (RFC 2308 §2)', async () => {
  await using folder = await TemporaryFolder.make()
  const dns = { types: ['A', 'MX', 'TXT'], suffixes: ['dbl.example'] }
  const plugin = await probe(folder.path, { permissions: { dns }, dns: RECORDS }, Object.values(USES))
  const more = { ttlSeconds: 300, isAuthentic: false }
  assert.deepEqual(await plugin.use(USES.found), {
    value: { kind: 'found', records: ['127.0.0.2'], ...more },
  })
  assert.deepEqual(await plugin.use(USES.mx), {
    value: { kind: 'found', records: [{ preference: 10, exchange: 'mx.dbl.example' }], ...more },
  })
  assert.deepEqual(await plugin.use(USES.noData), { value: { kind: 'no-data', records: [] } })
  assert.deepEqual(await plugin.use(USES.noDomain), { value: { kind: 'no-domain', records: [] } })
  assert.deepEqual(await plugin.use(USES.trouble), {
    name: 'Unavailable',
    message: 'A of broken.dbl.example: no server answers',
  })
  await plugin.close()
})

test('a plugin asks for the types and below the names of its permission', async () => {
  await using folder = await TemporaryFolder.make()
  const dns = { types: ['A', 'PTR'], suffixes: ['dbl.example', 'in-addr.arpa'] }
  const plugin = await probe(folder.path, { permissions: { dns }, dns: RECORDS }, Object.values(USES))
  const name = async (use: string): Promise<unknown> => Reflect.get(await plugin.use(use), 'name')
  assert.equal(await name(USES.ptr), undefined)
  assert.equal(await name(USES.mx), 'PermissionDenied')
  assert.equal(await name(USES.beside), 'PermissionDenied')
  assert.equal(await name(USES.inside), 'PermissionDenied')
  assert.equal(await name(USES.type), 'InvalidArgument')
  await plugin.close()
})

test('one call asks so many questions and no more; the next call begins anew', async () => {
  const counters = new PluginCounters()
  const resolver = {
    ...testResolver({}, {}),
    a: async (_: string, { budget }: Asking = {}) => {
      budget?.spend(1)
      return NO_DOMAIN
    },
  }
  const [[, effect] = assert.fail()] = dnsEffects(resolver)
  const permissions = effectivePermissions({ dns: { types: ['A'] } }, null)
  const caller = (): Caller => ({
    plugin: 'one',
    permissions,
    message: null,
    question: { hook: 'rcpt', session: 's_1', transaction: 1, secret: '', pluginMs: 1_000 },
  })
  const call = caller()
  for (let i = 0; i < MAX_QUESTIONS; i++) await effect.run(call, ['A', `host-${i}.example`])
  const refused = effect.run(call, ['A', 'one-more.example'])
  await assert.rejects(refused, { name: 'QuotaExceeded', quota: 'dns.questions' })
  await effect.run({ ...call, plugin: 'another' }, ['A', 'one-more.example'])
  await effect.run(caller(), ['A', 'one-more.example'])
  const broker = new Broker(brokerParts({ counters }))
  broker.failed(call, 'dns.resolve', await refused.catch((error: unknown) => error))
  assert.deepEqual(counters.quotaRefusals, [{ labels: { plugin: 'one', quota: 'dns.questions' }, value: 1 }])
})
