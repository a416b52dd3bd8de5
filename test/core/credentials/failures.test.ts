import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Failures, FREE_FAILURES, MAX_DELAY_MS } from '../../../core/credentials/failures.ts'
import { FORGOTTEN_AFTER_MS, LocalTallies } from '../../../core/state/tallies.ts'
import { StandingClock } from './standing-clock.ts'

const HOME = '192.0.2.1'
const AWAY = '2001:db8::/64'

function stand(): { failures: Failures; clock: StandingClock } {
  const clock = new StandingClock()
  return { clock, failures: new Failures(new LocalTallies(() => clock.monotonic())) }
}

test('the delay grows with the failures up to its bound', async () => {
  const { failures } = stand()
  const delays: number[] = []
  for (let count = 0; count < 9; count++) {
    delays.push(await failures.delayMs(HOME, 'bob'))
    await failures.failed(HOME, 'bob')
  }
  assert.deepEqual(delays, [0, 0, 0, 1_000, 2_000, 4_000, 8_000, MAX_DELAY_MS, MAX_DELAY_MS])
})

test('a network pays for every name it tried, a name for every network it was tried from', async () => {
  const { failures } = stand()
  for (let i = 0; i < FREE_FAILURES; i++) await failures.failed(HOME, `name${i}`)
  assert.equal(await failures.delayMs(HOME, 'another'), 1_000)
  assert.equal(await failures.delayMs(AWAY, 'name1'), 0)
  for (let i = 0; i < FREE_FAILURES; i++) await failures.failed(`192.0.2.${10 + i}`, 'bob')
  assert.equal(await failures.delayMs(AWAY, 'bob'), 1_000)
  assert.deepEqual(await failures.failed(HOME, 'bob'), { ofNetwork: 4, ofName: 4 })
})

test('the right password clears the name and not the network', async () => {
  const { failures } = stand()
  for (let i = 0; i < 5; i++) await failures.failed(HOME, 'bob')
  await failures.succeeded('bob')
  assert.deepEqual(await failures.failed(HOME, 'bob'), { ofNetwork: 6, ofName: 1 })
})

test('what can be no name is held against the network alone', async () => {
  const { failures } = stand()
  assert.deepEqual(await failures.failed(HOME, null), { ofNetwork: 1, ofName: 0 })
  assert.deepEqual(await failures.failed(HOME, ''), { ofNetwork: 2, ofName: 1 })
})

test('failures are forgotten a quarter of an hour after the last', async () => {
  const { clock, failures } = stand()
  await failures.failed(HOME, 'bob')
  clock.forward(FORGOTTEN_AFTER_MS - 1)
  await failures.failed(HOME, 'bob')
  clock.forward(FORGOTTEN_AFTER_MS - 1)
  assert.deepEqual(await failures.failed(HOME, 'bob'), { ofNetwork: 3, ofName: 3 })
  clock.forward(FORGOTTEN_AFTER_MS)
  assert.deepEqual(await failures.failed(HOME, 'bob'), { ofNetwork: 1, ofName: 1 })
})

test('made-up names push each other out, never the tally of the network that made them up', async () => {
  const { failures } = stand()
  await failures.failed(AWAY, 'bob')
  for (let i = 0; i < 10_000; i++) await failures.failed(HOME, `name${i}`)
  assert.deepEqual(await failures.failed(HOME, 'bob'), { ofNetwork: 10_001, ofName: 1 })
  assert.deepEqual(await failures.failed(HOME, 'name9999'), { ofNetwork: 10_002, ofName: 2 })
})
