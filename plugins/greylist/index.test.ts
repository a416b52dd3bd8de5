import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { createTestHost, type TestHost } from 'postern/testing'

const SECOND = 1000
const DAY = 24 * 3600 * SECOND
let host: TestHost
beforeEach(async () => {
  host = await createTestHost({ file: import.meta.resolve('./index.ts'), config: { delaySeconds: 60 } })
})
afterEach(() => host.close())

const code = async (to = 'anna@example.test', session = {}): Promise<string | undefined> => {
  const { refusal, fault } = await host.rcpt({ to, session })
  assert.equal(fault, null)
  return refusal?.code
}

test('the first attempt is deferred, one before the delay is over too, one at its end passes', async () => {
  assert.equal(await code(), 'GREYLIST_NEW')
  host.advance(59 * SECOND)
  assert.equal(await code(), 'GREYLIST_EARLY')
  host.advance(SECOND)
  assert.equal(await code(), undefined)
})

test('one that passed is not asked to wait again, for 36 days after its last mail', async () => {
  await code()
  host.advance(60 * SECOND)
  await code()
  host.advance(35 * DAY)
  assert.equal(await code(), undefined)
  host.advance(37 * DAY)
  assert.equal(await code(), 'GREYLIST_NEW')
})

test('a first attempt is forgotten after two days', async () => {
  await code()
  host.advance(2 * DAY + SECOND)
  assert.equal(await code(), 'GREYLIST_NEW')
})

test('another recipient or another network waits for itself', async () => {
  await code()
  host.advance(60 * SECOND)
  assert.equal(await code('berta@example.test'), 'GREYLIST_NEW')
  const client = { address: '192.0.2.9', port: 1, network: '192.0.2.9' }
  assert.equal(await code('anna@example.test', { client }), 'GREYLIST_NEW')
})

test('trusted and signed-in clients never wait', async () => {
  assert.equal(await code('anna@example.test', { trusted: true }), undefined)
  assert.equal(await code('anna@example.test', { identity: 'anna' }), undefined)
  assert.equal(host.kept.size, 0)
})
