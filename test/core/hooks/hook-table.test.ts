import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HOOKS, isHookName } from '../../../core/hooks/hook-table.ts'
import { HOOK_NAMES } from '../../../core/mail/hook-events.ts'

test('every hook has a row, and nothing else has one', () => {
  assert.deepEqual(Object.keys(HOOKS), [...HOOK_NAMES])
  assert.equal(isHookName('rcpt'), true)
  assert.equal(isHookName('toString'), false)
})

test('a reply to the final dot comes within a minute, whatever one hook does (RFC 1047)', () => {
  for (const { pluginMs, chainMs } of Object.values(HOOKS)) {
    assert.ok(chainMs <= 60_000)
    assert.ok(pluginMs <= chainMs)
  }
})

test('only rcpt can grant relay permission', () => {
  const granting = HOOK_NAMES.filter((hook) => HOOKS[hook].actions.includes('relay.grant'))
  assert.deepEqual(granting, ['rcpt'])
})
