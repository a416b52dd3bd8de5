import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ConnectionCounts } from '../../../core/smtp/connection-counts.ts'
import { SessionBudget } from '../../../core/smtp/limits.ts'
import { LocalConcurrency } from '../../../core/state/concurrency.ts'

const limits = {
  messageBytes: 1_000,
  recipientsPerMessage: 10,
  connections: 3,
  connectionsPerNetwork: 2,
  messagesPerSession: 2,
  errorsPerSession: 3,
  idleMs: 1_000,
  contentMs: 1_000,
  contentBytesPerSecond: 0,
}

test('connections are counted in all and by network, refused ones are not, and they are given back', () => {
  const counts = new ConnectionCounts(limits, new LocalConcurrency())
  const enter = (network: string): unknown => counts.enter(network, false)
  assert.deepEqual(['a', 'a', 'a', 'a'].map(enter), [
    'admitted',
    'admitted',
    'connectionsPerNetwork',
    'connectionsPerNetwork',
  ])
  assert.deepEqual(['b', 'c'].map(enter), ['admitted', 'connections'])
  counts.leave('a')
  assert.deepEqual(['a', 'b'].map(enter), ['admitted', 'connections'])
})

test('a trusted client has no limit by network, and the one in all', () => {
  const counts = new ConnectionCounts(limits, new LocalConcurrency())
  const entered = [1, 2, 3, 4].map(() => counts.enter('a', true))
  assert.deepEqual(entered, ['admitted', 'admitted', 'admitted', 'connections'])
})

test('as many errors as the limit says are answered, the next is one too many', () => {
  const budget = new SessionBudget(limits, false)
  assert.deepEqual(
    [1, 2, 3, 4].map(() => budget.error()),
    [false, false, false, true],
  )
})

test('beyond a hundred commands without mail each is an error, until a message comes', () => {
  const budget = new SessionBudget(limits, false)
  const until = (): number => {
    let count = 1
    while (!budget.idleCommand()) count++
    return count
  }
  assert.equal(until(), 104)
  const patient = new SessionBudget(limits, false)
  for (let i = 0; i < 100; i++) assert.equal(patient.idleCommand(), false)
  patient.message()
  for (let i = 0; i < 100; i++) assert.equal(patient.idleCommand(), false)
})

test('messages in one session are limited, but not for a trusted client', () => {
  const mayGoOn = (isTrusted: boolean): readonly boolean[] => {
    const budget = new SessionBudget(limits, isTrusted)
    return [1, 2, 3].map(() => {
      const may = budget.mayGoOn
      budget.message()
      return may
    })
  }
  assert.deepEqual(mayGoOn(false), [true, true, false])
  assert.deepEqual(mayGoOn(true), [true, true, true])
})

test('limits that are off are Infinity and never reached', () => {
  const off = {
    ...limits,
    connections: Infinity,
    connectionsPerNetwork: Infinity,
    errorsPerSession: Infinity,
  }
  const counts = new ConnectionCounts(off, new LocalConcurrency())
  const budget = new SessionBudget(off, false)
  for (let i = 0; i < 1_000; i++) {
    assert.equal(counts.enter('a', false), 'admitted')
    assert.equal(budget.idleCommand(), false)
  }
})
