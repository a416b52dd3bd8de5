/** A fault is charged to its input first, and to the plugin only when many bring it down. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Quarantine } from '../../sandbox/quarantine.ts'
import { fixturePlugin, logInto, testSandbox } from '../support/sandbox.ts'

const MINUTE = 60_000

function quarantine() {
  const logged: { event: string; fields: Readonly<Record<string, unknown>> }[] = []
  const time = { now: 0 }
  const held = new Quarantine({ now: () => time.now, monotonic: () => time.now }, logInto(logged))
  const kind = (network: string | null, fingerprint: string, plugin = 'a') =>
    held.fault(plugin, { network, fingerprint })?.kind
  return { held, time, kind, logged }
}

test('what brought a plugin down is kept from it for an hour, and from no other', () => {
  const { held, time, kind } = quarantine()
  held.charge('a', { network: '192.0.2.1', fingerprint: 'x' }, 'isolate')
  assert.equal(kind('192.0.2.2', 'x'), 'quarantined')
  assert.equal(kind('192.0.2.1', 'y'), 'quarantined')
  assert.equal(kind(null, 'x'), 'quarantined')
  assert.equal(kind('192.0.2.2', 'y'), undefined)
  assert.equal(kind('192.0.2.1', 'x', 'b'), undefined)
  time.now += 61 * MINUTE
  assert.equal(kind('192.0.2.1', 'x'), undefined)
})

test('one network does not open the breaker, however often it kills', () => {
  const { held, kind } = quarantine()
  for (let i = 0; i < 50; i++) held.charge('a', { network: '192.0.2.1', fingerprint: `${i}` }, 'process')
  assert.equal(kind('192.0.2.2', 'other'), undefined)
})

test('an isolate lost does not open it either', () => {
  const { held, kind } = quarantine()
  for (let i = 0; i < 50; i++) held.charge('a', { network: `192.0.2.${i}`, fingerprint: `${i}` }, 'isolate')
  assert.equal(kind('198.51.100.1', 'other'), undefined)
})

test('many networks open it; it lets one question through after its rest, and an answer closes it', () => {
  const { held, time, kind, logged } = quarantine()
  for (let i = 0; i < 5; i++) held.charge('a', { network: `192.0.2.${i}`, fingerprint: `${i}` }, 'process')
  assert.equal(kind('198.51.100.1', 'other'), 'unavailable')
  assert.equal(kind('198.51.100.1', 'other', 'b'), undefined)
  time.now += MINUTE
  assert.equal(kind('198.51.100.1', 'other'), undefined)
  assert.equal(kind('198.51.100.2', 'other'), 'unavailable')
  held.answered('a')
  assert.equal(kind('198.51.100.2', 'other'), undefined)
  assert.deepEqual(
    logged.map(({ event }) => event),
    ['breaker-opened', 'breaker-closed'],
  )
})

test('a trial that ends in a death opens it for twice as long', () => {
  const { held, time, kind, logged } = quarantine()
  for (let i = 0; i < 5; i++) held.charge('a', { network: `192.0.2.${i}`, fingerprint: `${i}` }, 'process')
  time.now += MINUTE
  assert.equal(kind('198.51.100.1', 'other'), undefined)
  held.charge('a', { network: '198.51.100.1', fingerprint: 'other' }, 'process')
  time.now += 45_000
  assert.equal(kind('198.51.100.2', 'another'), 'unavailable')
  assert.equal(logged.at(-1)?.fields['restMs'], 60_000)
})

test('deaths long ago do not count', () => {
  const { held, time, kind } = quarantine()
  for (let i = 0; i < 20; i++) {
    held.charge('a', { network: `192.0.2.${i}`, fingerprint: `${i}` }, 'process')
    time.now += 3 * MINUTE
  }
  assert.equal(kind('198.51.100.1', 'other'), undefined)
})

test('a network that costs three processes is to be sent away for ten minutes', () => {
  const { held, time } = quarantine()
  for (const plugin of ['a', 'b', 'c']) {
    assert.equal(held.isPenalized('192.0.2.1'), false)
    held.charge(plugin, { network: '192.0.2.1', fingerprint: 'x' }, 'process')
  }
  assert.equal(held.isPenalized('192.0.2.1'), true)
  assert.equal(held.isPenalized('192.0.2.2'), false)
  time.now += 11 * MINUTE
  assert.equal(held.isPenalized('192.0.2.1'), false)
})

test('what it remembers is bounded, and the newest stays', () => {
  const { held, kind } = quarantine()
  for (let i = 0; i < 30_000; i++) held.charge('a', { network: `n${i}`, fingerprint: `f${i}` }, 'isolate')
  assert.equal(kind('n29999', 'z'), 'quarantined')
  assert.equal(kind('n0', 'z'), undefined)
})

test('a plugin is not asked twice about what killed it, by nobody', async (t) => {
  const { held } = quarantine()
  const sandbox = await testSandbox([fixturePlugin('misbehaving')], { quarantine: held })
  t.after(() => sandbox.close())
  const kindOf = async (localPart: string, network: string) =>
    (await sandbox.rcpt(localPart, 0, network))[0]?.fault?.kind
  assert.equal(await kindOf('uninterruptible', '192.0.2.1'), 'timeout')
  assert.equal(await kindOf('uninterruptible', '192.0.2.2'), 'quarantined')
  assert.equal(await kindOf('well', '192.0.2.1'), 'quarantined')
  assert.equal(await kindOf('well', '192.0.2.2'), undefined)
  assert.equal(sandbox.plughostDeaths(), 1)
  assert.equal(sandbox.panel.usage.get('misbehaving')?.notAsked, 2)
})

test('copies under way when the first one kills are not put to it again', async (t) => {
  const { held } = quarantine()
  const sandbox = await testSandbox([fixturePlugin('misbehaving')], { quarantine: held })
  t.after(() => sandbox.close())
  const poison = Array.from({ length: 30 }, (_, i) => sandbox.rcpt('uninterruptible', 0, `192.0.2.${i}`))
  const good = Array.from({ length: 10 }, (_, i) => sandbox.rcpt('well', 0, `198.51.100.${i}`))
  const kinds = (await Promise.all(poison)).map(([report]) => report?.fault?.kind)
  assert.ok(
    kinds.every((kind) => kind === 'timeout' || kind === 'quarantined'),
    String(kinds),
  )
  for (const [report] of await Promise.all(good)) assert.equal(report?.fault, null)
  assert.ok(sandbox.plughostDeaths() <= 2, `${sandbox.plughostDeaths()} deaths`)
})
