/** A client network that brings plugins down is sent away at connect, as far as there are limits at all. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { TestServer, type TestServerOptions } from './test-server.ts'

async function greeting(t: TestContext, network: string, options: TestServerOptions): Promise<string> {
  const server = await TestServer.start(options)
  t.after(() => server.stop())
  server.panel.penalized.add(network)
  const client = await server.connect()
  return await client.reply()
}

const UNTRUSTED = { relay: { networks: [] } }

test('one that is penalized hears 421, another is greeted', async (t) => {
  assert.match(
    await greeting(t, '127.0.0.1', { settings: UNTRUSTED }),
    /^421 4\.7\.0 Try again in ten minutes/,
  )
  assert.match(await greeting(t, '192.0.2.1', { settings: UNTRUSTED }), /^220 /)
})

test('a trusted client is greeted, and everybody where limits are off', async (t) => {
  assert.match(
    await greeting(t, '127.0.0.1', { settings: { relay: { networks: ['127.0.0.0/8'] } } }),
    /^220 /,
  )
  const limits = { connectionsPerNetwork: Number.POSITIVE_INFINITY }
  assert.match(await greeting(t, '127.0.0.1', { settings: UNTRUSTED, limits }), /^220 /)
})
