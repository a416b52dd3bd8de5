import assert from 'node:assert/strict'
import { test } from 'node:test'
import { NO_OPINION } from '../../../core/mail/answer.ts'
import { DecisionRecords } from '../../../core/observe/decision-record.ts'

const client = { address: '192.0.2.9', port: 1, network: '192.0.2.9' }
const clock = { now: () => 1, monotonic: () => 0 }

test('a session is found by its id, a queue id and every reference it was given', () => {
  const records = new DecisionRecords(10, Infinity, clock)
  const record = records.open('s_one', client)
  record.knownAs('q_one')
  const reference = record.refused('rcpt', '5.7.1', 'Relaying denied', 'RELAY_NOT_GRANTED')
  for (const key of ['s_one', 'q_one', reference]) assert.equal(records.find(key)?.id, 's_one')
  assert.equal(records.find('r_unknown'), null)
})

test('the oldest session goes first, with everything that found it', () => {
  const records = new DecisionRecords(2, Infinity, clock)
  const references = ['a', 'b', 'c'].map((id) => records.open(id, client).refused('mail', '4.7.1', 'x', 'X'))
  assert.deepEqual(
    references.map((reference) => records.find(reference)?.id ?? null),
    [null, 'b', 'c'],
  )
})

test('a session that is refused for ever does not fill memory, and its newest references find it', () => {
  const records = new DecisionRecords(10, Infinity, clock)
  const record = records.open('s_one', client)
  const references = Array.from({ length: 5_000 }, () => record.refused('rcpt', '5.7.1', 'x', 'X'))
  assert.ok(record.keys.length <= 1_000)
  assert.ok(record.entries.length <= 2_000)
  assert.equal(records.find(references.at(-1) ?? '')?.id, 's_one')
  assert.equal(records.find(references[0] ?? ''), null)
})

const MIB = 1024 * 1024
const facts = { said: 'x'.repeat(10_000) }

test('large entries do not fill memory: the oldest sessions go', () => {
  const records = new DecisionRecords(10_000, 4 * MIB, clock)
  for (let id = 0; id < 1_000; id++) {
    const record = records.open(`s_${id}`, client)
    for (let i = 0; i < 10; i++) record.refused('rcpt', '5.7.1', 'x', 'X', facts)
  }
  const kept = Array.from({ length: 1_000 }, (_, id) => records.find(`s_${id}`)).filter((one) => one !== null)
  // Ten entries of 10 KB each.
  assert.ok(kept.length >= 30 && kept.length <= 42, `${kept.length} sessions`)
  assert.equal(kept.at(-1)?.id, 's_999')
  assert.equal(kept.at(-1)?.entries.length, 10)
})

test('small sessions are kept up to their number, below the bound on memory', () => {
  const records = new DecisionRecords(1_000, 4 * MIB, clock)
  for (let id = 0; id < 1_000; id++) records.open(`s_${id}`, client).step('helo', { name: 'client.example' })
  assert.equal(records.find('s_0')?.entries.length, 1)
})

test('one session takes a mebibyte and no more; what it began with and its newest entries stay', () => {
  const records = new DecisionRecords(10, 64 * MIB, clock)
  const record = records.open('s_one', client)
  record.step('helo', { name: 'client.example' })
  for (let i = 0; i < 1_000; i++) record.step('rcpt', { i, ...facts })
  assert.ok(JSON.stringify(record.entries).length <= MIB)
  assert.ok(record.octets <= MIB)
  assert.deepEqual(record.entries[0], { at: 1, event: 'helo', detail: { name: 'client.example' } })
  assert.deepEqual(record.entries.at(-1), { at: 1, event: 'rcpt', detail: { i: 999, ...facts } })
})

test('when what it began with is large, that goes too', () => {
  const records = new DecisionRecords(10, 64 * MIB, clock)
  const record = records.open('s_one', client)
  for (let i = 0; i < 100; i++) record.step('rcpt', { i, said: 'x'.repeat(100_000) })
  assert.ok(JSON.stringify(record.entries).length <= MIB)
  const last = record.entries.at(-1)
  assert.ok(last !== undefined && 'event' in last)
  assert.equal(last.detail['i'], 99)
})

test('a session that was forgotten and goes on does not count, and the books stay right', () => {
  const records = new DecisionRecords(2, 4 * MIB, clock)
  const old = records.open('s_old', client)
  for (const id of ['s_1', 's_2']) records.open(id, client)
  for (let i = 0; i < 1_000; i++) old.step('rcpt', facts)
  assert.ok(records.find('s_1') !== null && records.find('s_2') !== null)
  // Many keys come and go; a wrong sum would drive out what is there.
  const record = records.open('s_3', client)
  for (let i = 0; i < 60_000; i++) record.refused('rcpt', '5.7.1', 'x', 'X')
  assert.ok(records.find('s_2') !== null)
})

test('a session of thousands of questions without an opinion is told as it was, the oldest left out', () => {
  const records = new DecisionRecords(10, Infinity, clock)
  const record = records.open('s_one', client)
  const plugin = (name: string) => ({ name, build: 'sha256:0', onError: 'defer' as const })
  for (let i = 0; i < 5_003; i++) {
    const asked = i % 2 === 0 ? ['one'] : ['two', 'three']
    record.noOpinions(
      'rcpt',
      asked.map((name) => ({
        plugin: plugin(name),
        answer: NO_OPINION,
        fault: null,
        wallMicros: i,
        cpuMicros: 1,
      })),
    )
  }
  const told = record.entries.map((entry) => ('plugin' in entry ? `${entry.plugin} ${entry.wallMicros}` : ''))
  assert.deepEqual(told.slice(0, 3), ['one 0', 'two 1', 'three 1'])
  assert.deepEqual(told.slice(-3), ['two 5001', 'three 5001', 'one 5002'])
  const numbers = told.map((line) => Number(line.split(' ')[1]))
  assert.ok(numbers.every((number, index) => index === 0 || number >= (numbers[index - 1] ?? 0)))
})
