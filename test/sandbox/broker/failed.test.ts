/** What the log says of tools that were denied or failed: no password, not too much, not too often. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogFields } from '../../../core/observe/log.ts'
import { Broker } from '../../../sandbox/broker/broker.ts'
import { type Caller, PermissionDenied } from '../../../sandbox/broker/effect.ts'
import { effectivePermissions } from '../../../sandbox/permissions.ts'
import { brokerParts } from '../../support/broker-parts.ts'
import { logInto } from '../../support/sandbox.ts'

const PASSWORD = 'correct-horse'

function stage() {
  const logged: { event: string; fields: LogFields }[] = []
  const clock = { ms: 0, now: () => 0, monotonic: () => clock.ms }
  const broker = new Broker(brokerParts({ clock, log: logInto(logged) }))
  const caller: Caller = {
    plugin: 'one',
    permissions: effectivePermissions({}, null),
    message: null,
    question: { hook: 'auth', session: 's_1', transaction: null, secret: PASSWORD, pluginMs: 1_000 },
  }
  const failed = (error: unknown) => broker.failed(caller, 'kv.get', error)
  return { failed, clock, logged, reasons: () => logged.map(({ fields }) => String(fields['reason'])) }
}

test('a password that is a key is masked, whether the tool was denied or failed', () => {
  const { failed, reasons } = stage()
  failed(new PermissionDenied('kv', `does not cover "${PASSWORD}"`))
  failed(new Error(`no room for ${PASSWORD}`))
  assert.deepEqual(reasons(), ['does not cover "‹password›"', 'Error: no room for ‹password›'])
})

test('a reason has at most 500 characters', () => {
  const { failed, reasons } = stage()
  failed(new PermissionDenied('kv', 'x'.repeat(5_000)))
  failed(new Error('x'.repeat(5_000)))
  assert.deepEqual(
    reasons().map(({ length }) => length),
    [500, 500],
  )
})

test('a tool that fails is told once a minute', () => {
  const { failed, clock, logged } = stage()
  for (let i = 0; i < 100; i++) failed(new Error('the disk is full'))
  assert.equal(logged.length, 1)
  clock.ms = 60_000
  failed(new Error('the disk is full'))
  assert.deepEqual(
    logged.map(({ event }) => event),
    ['plugin-effect-failed', 'plugin-effect-failed'],
  )
})
