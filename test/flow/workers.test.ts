/**
 * Several workers: one gateway to everybody outside. They share the store, the limits and the sockets; when one of them
 * dies, or the keeper, the others go on and take its mail over.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GatewayStatus } from '../../core/admin/control.ts'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway, type GatewaySettings } from '../support/gateway.ts'
import { LedgerClient } from '../support/ledger-client.ts'
import { message } from '../support/message-bytes.ts'
import { RawClient } from '../support/raw-client.ts'
import { until } from '../support/until.ts'

/** What is promised for mail of a worker that died. */
const TAKEOVER_MS = 10_000

function twoWorkers(settings: GatewaySettings = {}): Promise<Gateway> {
  return Gateway.start({ workers: 2, ...settings })
}

async function statusOf(gateway: Gateway): Promise<GatewayStatus> {
  const { gateway: status } = await gateway.control.status()
  assert.ok(status !== null)
  return status
}

/** Sessions, one at a time, until each worker has had one; the queue id of each worker's message. */
async function oneMessageEach(gateway: Gateway): Promise<ReadonlyMap<number, string>> {
  const byWorker = new Map<number, string>()
  for (let number = 0; byWorker.size < 2; number++) {
    assert.ok(number < 500, 'both workers accept connections')
    const reply = await gateway.send(['anna@example.test'], message(`number ${number}`))
    const id = /q_\w{12}/.exec(reply)?.[0] ?? ''
    const attempt = (await gateway.control.explain(id)) === null ? null : id
    assert.ok(attempt !== null, 'every session is explained, whoever had it')
    const accepted = gateway.logged('message-accepted').find(({ message: accept }) => accept === id)
    if (accepted !== undefined) byWorker.set(Number(accepted['pid']), id)
  }
  return byWorker
}

test('two workers accept at one socket and are one gateway to whoever asks', async () => {
  await using gateway = await twoWorkers()
  const ids = await oneMessageEach(gateway)
  const status = await statusOf(gateway)
  assert.deepEqual(new Set(status.workers.map(({ pid }) => pid)), new Set(ids.keys()))
  const sent = status.counters.accepted
  assert.ok(sent >= 2)
  await until(async () => (await statusOf(gateway)).counters.delivered === sent, 'every mail delivered')
  assert.equal(gateway.kept().length, sent)
  assert.match(await gateway.control.metrics(), new RegExp(`^postern_messages_accepted_total ${sent}$`, 'm'))
})

test('limits count the connections of all workers', async () => {
  await using gateway = await twoWorkers({ limits: { connectionsPerNetwork: 6 } })
  const clients: RawClient[] = []
  let greeted = 0
  for (let number = 0; number < 20; number++) {
    const client = await RawClient.connect({ port: gateway.port, from: '127.0.0.7' })
    clients.push(client)
    if ((await client.reply()).startsWith('220')) greeted++
  }
  assert.equal(greeted, 6)
  for (const client of clients) client.destroy()
  await until(async () => {
    const client = await RawClient.connect({ port: gateway.port, from: '127.0.0.7' })
    const reply = await client.reply()
    client.destroy()
    return reply.startsWith('220')
  }, 'room for others')
})

test('what a client network uses up is counted by all workers together', async () => {
  await using gateway = await twoWorkers({ limits: { network: { connections: 6 } } })
  let greeted = 0
  for (let number = 0; number < 20; number++) {
    const client = await RawClient.connect({ port: gateway.port, from: '127.0.0.7' })
    if ((await client.reply()).startsWith('220')) greeted++
    client.destroy()
  }
  assert.equal(greeted, 6)
})

test('a killed worker: the others go on, and its mail is taken over', async () => {
  // The first connections take everything and never say so: their mail is in flight for as long as it needs to be.
  let isSilent = true
  const remote = await FakeRemote.start(({ verb }) =>
    verb === 'dot' && isSilent ? { after: 'stall' } : undefined,
  )
  try {
    await using gateway = await twoWorkers({ outbound: { route: remote.route }, limits: 'off' })
    const sent = Array.from({ length: 40 }, (_, number) => message(`owed ${number}`))
    for (const content of sent)
      assert.match(await gateway.send(['bob@elsewhere.example'], content), /^250 2\.0\.0 /)
    await until(() => remote.messages.length > 0, 'a mail in flight')
    const accepted = gateway.logged('message-accepted').map(({ pid }) => Number(pid))
    const [victim = 0] = accepted
    await using load = new LedgerClient({ port: gateway.port, rate: 50, connections: 4, sizeBytes: 500 })
    await until(() => load.rows.length > 10, 'load')
    isSilent = false
    process.kill(victim, 'SIGKILL')
    const killedAt = performance.now()
    const others = (await statusOf(gateway)).workers.map(({ pid }) => pid)
    assert.ok(others.length > 0 && !others.includes(victim), 'a worker goes on')
    const owed = accepted.filter((pid) => pid === victim).length
    assert.ok(owed > 0)
    await until(() => remote.accepted.length >= owed, 'its mail at the next server', TAKEOVER_MS)
    assert.ok(performance.now() - killedAt < TAKEOVER_MS)
    await until(async () => (await statusOf(gateway)).workers.length === 2, 'a replacement')
    await load.stop()
    // Whoever talked to the dead one lost the connection; nobody was refused.
    for (const { id, reply } of load.rows)
      assert.ok(reply === '' || reply.startsWith('250 '), `${id}: ${reply}`)
    const lost = load.rows.filter(({ reply }) => reply === '').length
    assert.ok(lost <= 4, `${lost} connections lost`)
  } finally {
    await remote.stop()
  }
})

test('a killed keeper is replaced, the workers with it, and nothing accepted is lost', async () => {
  await using gateway = await twoWorkers({ limits: 'off' })
  await using load = new LedgerClient({ port: gateway.port, rate: 50, connections: 4, sizeBytes: 500 })
  await until(() => load.rows.length > 20, 'load')
  const keeper = gateway.members().find((line) => line.includes('process/keeper.ts'))
  process.kill(Number(/^\s*(\d+)/.exec(keeper ?? '')?.[1]), 'SIGKILL')
  await until(() => gateway.logged('keeper-started').length === 1, 'another keeper')
  await until(async () => {
    const { gateway: status } = await gateway.control.status().catch(() => ({ gateway: null }))
    return status?.workers.length === 2
  }, 'both workers')
  const before = load.rows.length
  await until(() => load.rows.slice(before).some(({ reply }) => reply.startsWith('250 ')), 'mail again')
  await load.stop()
  const accepted = load.rows.filter(({ reply }) => reply.startsWith('250 '))
  await until(() => gateway.kept().length >= accepted.length, 'every mail kept')
  for (const { id, reply } of load.rows) assert.doesNotMatch(reply, /^5/, id)
})

test('a reload reaches every worker, and a stop leaves no process', async () => {
  await using gateway = await twoWorkers()
  gateway.folder.change({ hostname: 'renamed.example.test' })
  assert.equal((await gateway.control.reload()).isReloaded, true)
  assert.deepEqual(
    (await statusOf(gateway)).workers.map(({ generation }) => generation),
    [2, 2],
  )
  for (let number = 0; number < 20; number++) {
    using client = await RawClient.connect({ port: gateway.port })
    assert.match(await client.reply(), /^220 renamed\.example\.test /)
  }
  const { code } = await gateway.stop()
  assert.equal(code, 0)
  assert.deepEqual(gateway.members(), [])
})
