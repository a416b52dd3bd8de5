import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { postern } from './child.ts'
import { STATUS, serveFake, temporaryFolder } from './fake-gateway.ts'

test('status shows processes, listeners, queue and plugins', async (t) => {
  const { socket } = await serveFake(t)
  const { code, stdout, stderr } = await postern(['status', '--socket', socket])
  assert.deepEqual({ code, stderr }, { code: 0, stderr: '' })
  for (const text of [
    /^postern 0\.1\.0 {3}node 24\.21\.0 {3}up /,
    /Configuration {2}\/etc\/postern\/postern\.yaml/,
    /Supervisor {5}process 1, 1 worker restart\n/,
    /Worker {9}process 4711, running, up 1 min/,
    /Plughost {7}process 4712/,
    /Queue {10}2 messages \(76 KB\): 1 recipient due, 0 of them being delivered, 1 held, next attempt /,
    /sessions 9 {3}accepted 7 {3}refused 2 {3}delivered 5 {3}deferred 1 {3}held 1/,
    /127\.0\.0\.1:2525 {2}mx {14}3/,
    /relay-control 1\.0\.0 {2}defer {9}9 {9}2 {7}0 {4}0\.1 ms/,
  ])
    assert.match(stdout, text)
  // oxlint-disable-next-line no-control-regex
  assert.doesNotMatch(stdout, /\x1b/)
})

test('status --json is the status with times in ISO form', async (t) => {
  const { socket } = await serveFake(t)
  const { code, stdout } = await postern(['--json', 'status', '--socket', socket])
  assert.equal(code, 0)
  const shown = JSON.parse(stdout) as typeof STATUS & { startedAt: string }
  assert.equal(shown.startedAt, '2026-11-23T00:00:00.000Z')
  assert.equal(String(shown.gateway?.queue.nextDueAt), '2026-11-24T00:00:00.000Z')
  assert.deepEqual(shown.gateway?.plugins, STATUS.gateway?.plugins)
})

test('status ends with 1 while the worker is being replaced', async (t) => {
  const { socket } = await serveFake(t, { status: async () => ({ ...STATUS, gateway: null }) })
  const { code, stdout } = await postern(['status', '--socket', socket])
  assert.equal(code, 1)
  assert.match(stdout, /being replaced: no mail is taken/)
})

test('status ends with 3 when no gateway is running, and says how to start one', async (t) => {
  const socket = join(await temporaryFolder(t), 'control.sock')
  const { code, stdout, stderr } = await postern(['status', '--socket', socket])
  assert.deepEqual({ code, stdout }, { code: 3, stdout: '' })
  assert.match(stderr, /^No gateway is running here: .*\nStart a gateway with `postern start`.*\n$/)
})

test('a failure with --json is an object too', async (t) => {
  const socket = join(await temporaryFolder(t), 'control.sock')
  const { code, stdout } = await postern(['status', '--json', '--socket', socket])
  assert.equal(code, 3)
  const { error } = JSON.parse(stdout) as { error: { message: string; exitCode: number } }
  assert.equal(error.exitCode, 3)
  assert.match(error.message, /No gateway is running/)
})
