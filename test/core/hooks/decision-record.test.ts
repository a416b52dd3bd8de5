import assert from 'node:assert/strict'
import { test } from 'node:test'
import { DecisionRecords } from '../../../core/observe/decision-record.ts'

const client = { address: '192.0.2.9', port: 1, network: '192.0.2.9' }
const clock = { now: () => 1, monotonic: () => 0 }

test('a session is found by its id, a queue id and every reference it was given', () => {
  const records = new DecisionRecords(10, clock)
  const record = records.open('s_one', client)
  record.knownAs('q_one')
  const reference = record.refused('rcpt', '5.7.1', 'Relaying denied', 'RELAY_NOT_GRANTED')
  for (const key of ['s_one', 'q_one', reference]) assert.equal(records.find(key)?.id, 's_one')
  assert.equal(records.find('r_unknown'), null)
})

test('the oldest session goes first, with everything that found it', () => {
  const records = new DecisionRecords(2, clock)
  const references = ['a', 'b', 'c'].map((id) => records.open(id, client).refused('mail', '4.7.1', 'x', 'X'))
  assert.deepEqual(
    references.map((reference) => records.find(reference)?.id ?? null),
    [null, 'b', 'c'],
  )
})

test('a session that is refused for ever does not fill memory, and its newest references find it', () => {
  const records = new DecisionRecords(10, clock)
  const record = records.open('s_one', client)
  const references = Array.from({ length: 5_000 }, () => record.refused('rcpt', '5.7.1', 'x', 'X'))
  assert.ok(record.keys.length <= 1_000)
  assert.ok(record.entries.length <= 2_000)
  assert.equal(records.find(references.at(-1) ?? '')?.id, 's_one')
  assert.equal(records.find(references[0] ?? ''), null)
})
