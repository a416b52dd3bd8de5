import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTestHost } from 'postern/testing'

const file = import.meta.resolve('./index.ts')
const routes = {
  'anna@example.test': 'smtp://127.0.0.1:1001',
  'example.test': 'smtp://127.0.0.1:1002',
  '*': 'smtp://127.0.0.1:1003',
}

const routesOf = async (config: Readonly<Record<string, unknown>>, addresses: readonly string[]) => {
  const host = await createTestHost({ file, config })
  const { actions, fault } = await host.ask('queue', {
    origin: { kind: 'internal', what: 'test', tags: [] },
    reversePath: '',
    message: { sizeBytes: 10 },
    recipients: addresses.map((address) => {
      const name = address.slice(address.indexOf('@') + 1)
      return { address, domain: { name, ours: name.endsWith('.test') }, route: null }
    }),
  })
  await host.close()
  assert.equal(fault, null)
  return actions.map((action) =>
    action.kind === 'route.set' ? [action.destination, action.recipients] : action,
  )
}

test('an address goes before its domain, a domain before everyone else', async () => {
  const addresses = ['Anna@example.test', 'berta@example.test', 'c@else.example', 'd@other.test']
  assert.deepEqual(await routesOf({ routes }, addresses), [
    ['smtp://127.0.0.1:1001', ['Anna@example.test']],
    ['smtp://127.0.0.1:1002', ['berta@example.test']],
    ['smtp://127.0.0.1:1003', ['c@else.example']],
  ])
})

test('without a table the configuration decides', async () => {
  assert.deepEqual(await routesOf({}, ['anna@example.test']), [])
})

test('a domain called like a property of every object is just a domain', async () => {
  assert.deepEqual(await routesOf({ routes }, ['a@constructor', 'a@__proto__']), [
    ['smtp://127.0.0.1:1003', ['a@constructor', 'a@__proto__']],
  ])
})

test('a destination that cannot be read is a fault, so the mail stays with its sender', async () => {
  const host = await createTestHost({ file, config: { routes: { '*': 'carrier-pigeon://' } } })
  const { fault } = await host.ask('queue', {
    origin: { kind: 'internal', what: 'test', tags: [] },
    reversePath: '',
    message: { sizeBytes: 10 },
    recipients: [{ address: 'a@else.example', domain: { name: 'else.example', ours: false }, route: null }],
  })
  assert.equal(fault?.kind, 'invalid-answer')
  await host.close()
})

test('a thousand recipients are routed in one answer', async () => {
  const addresses = Array.from({ length: 1_000 }, (_, i) => `user${i}@example.test`)
  assert.deepEqual(await routesOf({ routes }, addresses), [['smtp://127.0.0.1:1002', addresses]])
})
