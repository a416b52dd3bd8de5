import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { Control } from '../../../core/admin/control.ts'
import { serveHealth } from '../../../core/admin/health-server.ts'
import { silentLog } from '../../../core/observe/log.ts'
import { fakeControl, STATUS } from '../cli/fake-gateway.ts'

const LOOPBACK = { host: '127.0.0.1', port: 0 }

async function serve(t: TestContext, changes: Partial<Control> = {}): Promise<string> {
  const served = await serveHealth(fakeControl(changes), LOOPBACK, silentLog)
  assert.ok(served.ok)
  t.after(() => served.server.close())
  return `http://${served.server.address}`
}

const gateway = STATUS.gateway
const states: readonly (readonly [name: string, status: Control['status'], code: number, word: string])[] = [
  ['a running worker', async () => STATUS, 200, 'ok'],
  ['a worker being replaced', async () => ({ ...STATUS, gateway: null }), 503, 'starting'],
  [
    'a draining worker',
    async () => ({ ...STATUS, gateway: gateway === null ? null : { ...gateway, state: 'draining' } }),
    503,
    'draining',
  ],
  [
    'a worker that fails',
    async () => {
      throw new Error('no answer')
    },
    503,
    'unresponsive',
  ],
]

for (const [name, status, code, word] of states) {
  test(`${name} is ${word} with ${code}`, async (t) => {
    const response = await fetch(`${await serve(t, { status })}/health`)
    assert.equal(response.status, code)
    assert.deepEqual(await response.json(), { status: word })
  })
}

test('a worker that does not answer in time is unresponsive', { timeout: 20_000 }, async (t) => {
  const response = await fetch(`${await serve(t, { status: () => new Promise(() => {}) })}/health`)
  assert.equal(response.status, 503)
  assert.deepEqual(await response.json(), { status: 'unresponsive' })
})

test('metrics are the text of the gateway', async (t) => {
  const response = await fetch(`${await serve(t)}/metrics`)
  assert.equal(response.status, 200)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  assert.match(await response.text(), /postern_sessions 9/)
})

test('metrics of a worker that fails are 503 with the reason', async (t) => {
  const base = await serve(t, {
    metrics: async () => {
      throw new Error('the worker is being replaced')
    },
  })
  const response = await fetch(`${base}/metrics`)
  assert.equal(response.status, 503)
  assert.match(await response.text(), /being replaced/)
})

test('HEAD has no body, a query changes nothing, other methods and paths are refused', async (t) => {
  const base = await serve(t)
  const head = await fetch(`${base}/health`, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(await head.text(), '')
  assert.equal((await fetch(`${base}/health?now`)).status, 200)
  assert.equal((await fetch(`${base}/health`, { method: 'POST', body: 'x' })).status, 405)
  for (const path of ['/', '/healthz', '/v1/status', '/metrics/'])
    assert.equal((await fetch(base + path)).status, 404)
})

test('a port in use is a problem that names it', async (t) => {
  const port = Number((await serve(t)).split(':').at(-1))
  const served = await serveHealth(fakeControl(), { host: '127.0.0.1', port }, silentLog)
  assert.match(served.ok ? '' : served.problem, new RegExp(`on 127\\.0\\.0\\.1:${port}: the port is in use`))
})

test('an address of another machine is a problem', async () => {
  const served = await serveHealth(fakeControl(), { host: '192.0.2.1', port: 0 }, silentLog)
  assert.match(served.ok ? '' : served.problem, /this machine has no such address/)
})
