/** A stop is orderly: exit 0, no process left, no mail lost; whoever asks for it, and whoever hears it too. */
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { FakeRemote } from '../support/fake-remote.ts'
import { Gateway, GatewayFolder } from '../support/gateway.ts'
import { message } from '../support/message-bytes.ts'
import type { Ended } from '../support/process-group.ts'
import { until } from '../support/until.ts'

const ways: readonly { readonly name: string; readonly stop: (gateway: Gateway) => Promise<Ended> }[] = [
  { name: 'SIGTERM to the supervisor', stop: (gateway) => gateway.stop('SIGTERM') },
  {
    name: 'SIGINT to the whole group, as a terminal sends it',
    stop: (gateway) => gateway.stop('SIGINT', 'group'),
  },
  {
    name: '`postern stop`',
    stop: async (gateway) => {
      const { code, stdout, stderr } = await gateway.folder.run(['stop'])
      assert.equal(code, 0, stderr)
      assert.match(stdout, /^Stopped \(process \d+\) after /)
      return await gateway.ended()
    },
  },
]

for (const { name, stop } of ways) {
  test(`${name}: exit 0, idle clients are told, no process is left`, async () => {
    await using gateway = await Gateway.start()
    using idle = await gateway.greeted()
    const ended = await stop(gateway)
    assert.deepEqual({ code: ended.code, signal: ended.signal }, { code: 0, signal: null }, ended.stderr)
    assert.deepEqual(gateway.members(), [])
    assert.match(await idle.closed(), /^421 4\.3\.2 [^\r]*\r\n$/)
    assert.ok(!existsSync(gateway.folder.socket), 'the control socket is gone')
    assert.deepEqual(
      gateway.logged().filter(({ level }) => level === 'warn' || level === 'error'),
      [],
      'nothing to worry about in the log',
    )
  })
}

/** Milliseconds behind the moment the store is there; the start takes some hundreds more. */
const MOMENTS = [0, 20, 60, 150, 300, 450, 600, 900]

for (const workers of [1, 2]) {
  test(`SIGTERM in the midst of a start with ${workers} at work: no process stays, and the store is free`, async () => {
    await using folder = await GatewayFolder.make({ workers })
    for (const moment of MOMENTS) {
      await using group = folder.launch(['start'])
      await until(() => existsSync(join(folder.path, 'store')), 'the store')
      await wait(moment)
      group.signalLeader('SIGTERM')
      const { code, signal, stderr } = await group.end()
      assert.deepEqual({ code, signal }, { code: 0, signal: null }, `after ${moment} ms: ${stderr}`)
      assert.deepEqual(group.members(), [], `after ${moment} ms`)
      await rm(join(folder.path, 'store'), { recursive: true })
    }
  })
}

test('a stop does not wait for a reload that waits', async () => {
  await using gateway = await Gateway.start()
  for (let number = 0; number < 5; number++) process.kill(gateway.supervisorPid, 'SIGHUP')
  const startedAt = performance.now()
  const { code } = await gateway.stop()
  assert.equal(code, 0)
  assert.ok(performance.now() - startedAt < 8_000, 'sooner than a reload gives up')
  assert.deepEqual(gateway.members(), [])
})

test('a transaction under way is finished before the stop, and its mail is not lost', async () => {
  const remote = await FakeRemote.start()
  try {
    await using gateway = await Gateway.start({ outbound: { route: remote.route } })
    using client = await gateway.greeted()
    await client.expect('250', 'MAIL FROM:<sender@client.example>')
    await client.expect('250', 'RCPT TO:<bob@elsewhere.example>')
    await client.expect('354', 'DATA')
    const stopped = gateway.stop('SIGTERM')
    await until(() => gateway.logged('stopping').length === 1, 'the stop has begun')
    client.raw(message('in the midst'))
    assert.match(await client.ask('.'), /^250 2\.0\.0 Queued/)
    assert.match(await client.closed(), /^421 4\.3\.2 /)
    assert.equal((await stopped).code, 0)
    assert.deepEqual(gateway.members(), [])
    if (remote.accepted.length === 0) await gateway.restart()
    await remote.hasAccepted(1)
  } finally {
    await remote.stop()
  }
})
