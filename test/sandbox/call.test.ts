/** One call in flight: what is asked again, what is charged to a plugin, and when it is given up. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Fault } from '../../core/mail/answer.ts'
import type { RawReport } from '../../sandbox/protocol/parse.ts'
import { callOf } from '../support/call.ts'

const death: Fault = { kind: 'death', message: 'died', stack: '' }

function report(plugin: number, kind: RawReport['kind'], body?: unknown): RawReport {
  return { plugin, kind, cpuMicros: 1, wallMicros: 1, body }
}

test('a call is over when all were asked', () => {
  const asked = callOf([1, 2])
  assert.equal(asked.take(report(1, 0), 0), 'goes-on')
  assert.equal(asked.take(report(2, 0), 0), 'over')
})

test('a refusal ends the asking, a note does not', () => {
  const asked = callOf([1, 2, 3])
  assert.equal(asked.take(report(1, 1, [{ kind: 'pass' }, []]), 0), 'goes-on')
  assert.equal(asked.take(report(2, 1, [{ kind: 'reject' }, []]), 0), 'over')
})

test('a report about a plugin whose turn it is not is not believed', () => {
  assert.equal(callOf([1, 2]).take(report(2, 0), 0), null)
})

test('one who loses his isolate without blame is asked again three times, then failed', () => {
  const asked = callOf([1])
  for (let time = 0; time < 3; time++) assert.equal(asked.take(report(1, 3), 0), 'ask-again')
  assert.equal(asked.take(report(1, 3), 0), 'over')
  assert.equal(asked.reports[0]?.fault?.kind, 'unavailable')
})

test('one who has changed something is not asked again', () => {
  const asked = callOf([1])
  asked.wrote = true
  assert.equal(asked.hostDied(null, death), 'over')
  assert.equal(asked.reports[0]?.fault?.kind, 'unavailable')
})

test('what an earlier plugin changed does not keep a later one from being asked again', () => {
  const asked = callOf([1, 2])
  asked.wrote = true
  asked.take(report(1, 0), 0)
  assert.equal(asked.hostDied(null, death), 'ask-again')
  assert.deepEqual(asked.remaining, [2])
})

test('a death is charged to the plugin it happened in', () => {
  const asked = callOf([1, 2])
  asked.take(report(1, 0), 0)
  assert.equal(asked.hostDied(2, death), 'over')
  assert.equal(asked.reports[1]?.fault, death)
})

test('answers lost with a death are asked for again, up to the plugin that is to blame', () => {
  const asked = callOf([1, 2, 3])
  assert.equal(asked.hostDied(3, death), 'ask-again')
  assert.deepEqual(asked.remaining, [1, 2])
  assert.equal(asked.take(report(1, 0), 0), 'goes-on')
  assert.equal(asked.take(report(2, 0), 0), 'over')
  assert.deepEqual(
    asked.reports.map(({ fault }) => fault),
    [null, null, death],
  )
})

test('a plugin has its time from its turn on, all together have theirs', () => {
  const asked = callOf([1, 2, 3])
  assert.equal(asked.overdue(1_000), null)
  assert.match(asked.overdue(1_001)?.message ?? '', /within 1000 ms/)
  asked.take(report(1, 0), 900)
  assert.equal(asked.overdue(1_900), null)
  asked.take(report(2, 0), 1_800)
  assert.match(asked.overdue(2_501)?.message ?? '', /longer than 2500 ms in all/)
})
