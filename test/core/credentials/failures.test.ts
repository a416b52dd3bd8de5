import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  Failures,
  FORGOTTEN_AFTER_MS,
  FREE_FAILURES,
  MAX_DELAY_MS,
} from '../../../core/credentials/failures.ts'
import { StandingClock } from './standing-clock.ts'

const HOME = '192.0.2.1'
const AWAY = '2001:db8::/64'

test('the delay grows with the failures up to its bound', () => {
  const failures = new Failures(new StandingClock())
  const delays = Array.from({ length: 9 }, () => {
    const delay = failures.delayMs(HOME, 'bob')
    failures.failed(HOME, 'bob')
    return delay
  })
  assert.deepEqual(delays, [0, 0, 0, 1_000, 2_000, 4_000, 8_000, MAX_DELAY_MS, MAX_DELAY_MS])
})

test('a network pays for every name it tried, a name for every network it was tried from', () => {
  const failures = new Failures(new StandingClock())
  for (let i = 0; i < FREE_FAILURES; i++) failures.failed(HOME, `name${i}`)
  assert.equal(failures.delayMs(HOME, 'another'), 1_000)
  assert.equal(failures.delayMs(AWAY, 'name1'), 0)
  for (let i = 0; i < FREE_FAILURES; i++) failures.failed(`192.0.2.${10 + i}`, 'bob')
  assert.equal(failures.delayMs(AWAY, 'bob'), 1_000)
  assert.deepEqual(failures.counts(HOME, 'bob'), { ofNetwork: 3, ofName: 3 })
})

test('the right password clears the name and not the network', () => {
  const failures = new Failures(new StandingClock())
  for (let i = 0; i < 5; i++) failures.failed(HOME, 'bob')
  failures.succeeded('bob')
  assert.deepEqual(failures.counts(HOME, 'bob'), { ofNetwork: 5, ofName: 0 })
})

test('failures are forgotten a quarter of an hour after the last', () => {
  const clock = new StandingClock()
  const failures = new Failures(clock)
  failures.failed(HOME, 'bob')
  clock.forward(FORGOTTEN_AFTER_MS - 1)
  failures.failed(HOME, 'bob')
  clock.forward(FORGOTTEN_AFTER_MS - 1)
  assert.deepEqual(failures.counts(HOME, 'bob'), { ofNetwork: 2, ofName: 2 })
  clock.forward(1)
  assert.deepEqual(failures.counts(HOME, 'bob'), { ofNetwork: 0, ofName: 0 })
  failures.failed(HOME, null)
  assert.deepEqual(failures.counts(HOME, 'bob'), { ofNetwork: 1, ofName: 0 })
})

test('made-up names push each other out, never the tally of the network that made them up', () => {
  const failures = new Failures(new StandingClock())
  failures.failed(AWAY, 'bob')
  for (let i = 0; i < 10_000; i++) failures.failed(HOME, `name${i}`)
  assert.deepEqual(failures.counts(HOME, 'bob'), { ofNetwork: 10_000, ofName: 0 })
  assert.equal(failures.counts(HOME, 'name9999').ofName, 1)
})
