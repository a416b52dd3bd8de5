import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { type Met, outcomeOf } from '../../../core/delivery/outcome.ts'
import { remoteFor } from '../../support/fake-remote.ts'
import { at, carried, open, opened, outgoing, results } from './client-stand.ts'

const MEGABYTES = 10 * 1024 * 1024

const hostile: readonly [name: string, reply: Uint8Array | string][] = [
  [
    'one line of 10 MB',
    Buffer.concat([Buffer.from('250 '), Buffer.alloc(MEGABYTES, 'x'), Buffer.from('\r\n')]),
  ],
  ['10 MB without a line end', Buffer.alloc(MEGABYTES, 'y')],
  ['100 000 continuation lines', Buffer.from(`${'250-more\r\n'.repeat(100_000)}250 end\r\n`)],
  ['code 999', '999 what is this'],
  ['code 000', '000 what is this'],
  ['no code', 'hello there'],
  ['control characters', Buffer.from('450 \u0000\u001b[2J\u0007 bad\r\n')],
  ['8-bit octets', Buffer.from([0x34, 0x35, 0x30, 0x20, 0xff, 0xfe, 0xe9, 0x0d, 0x0a])],
  ['a bare CR', Buffer.from('450 one\r250 two\r\n')],
]

for (const [name, reply] of hostile) {
  for (const verb of ['mail', 'dot'] as const) {
    test(`hostile reply to ${verb}, ${name}: deferred with a short clean text, at little cost`, async (t) => {
      const remote = await remoteFor(t, at(verb, { reply }))
      const channel = await open(t, remote.port)
      const before = process.memoryUsage().rss
      const startedAt = performance.now()
      const met = await carried(channel, outgoing(['a@remote.test']))
      assert.deepEqual(results(met), ['deferred'])
      const { detail } = outcomeOf(met[0] as Met)
      assert.ok(detail.length <= 500)
      assert.match(detail, /^[\x20-\x7e]+$/)
      assert.ok(performance.now() - startedAt < 10_000)
      assert.ok(process.memoryUsage().rss - before < 200 * 1024 * 1024)
    })
  }
}

for (const [name, reply] of hostile) {
  test(`hostile greeting, ${name}: trouble of the host`, async (t) => {
    const remote = await remoteFor(t, at('connect', { reply }))
    const opening = await opened(remote.port, { greetingMs: 2_000 })
    assert.ok(!opening.ok)
    const { detail, level, result } = outcomeOf(opening.met)
    assert.deepEqual([level, result], ['host', 'deferred'])
    assert.match(detail, /^[\x20-\x7e]{1,500}$/)
  })
}

test('a code of four digits in reply to the message is no yes', async (t) => {
  const remote = await remoteFor(t, at('dot', '2500 ok'))
  const channel = await open(t, remote.port)
  assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['deferred'])
  assert.equal(channel.isUsable, false)
})

test('a server that takes DATA after refusing every recipient gets an empty message, and nobody counts as delivered', async (t) => {
  const remote = await remoteFor(t, ({ verb, transaction }) => {
    if (transaction !== 1) return undefined
    return verb === 'rcpt' ? '550 5.1.1 nobody' : verb === 'data' ? '354 go on' : undefined
  })
  const channel = await open(t, remote.port)
  assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['failed'])
  assert.deepEqual(results(await carried(channel, outgoing(['b@remote.test']))), ['delivered'])
  assert.deepEqual(
    remote.messages.map(({ content }) => content.length),
    [0, 21],
  )
})

test('two replies to the message: delivered once, and the connection is not used again', async (t) => {
  const remote = await remoteFor(t, at('dot', '250 taken\r\n250 taken again'))
  const channel = await open(t, remote.port)
  assert.deepEqual(results(await carried(channel, outgoing(['a@remote.test']))), ['delivered'])
  await wait(100)
  assert.equal(channel.isUsable, false)
  assert.equal(remote.messages.length, 1)
})

test('two replies to MAIL never make a message count as delivered that was not', async (t) => {
  const remote = await remoteFor(t, ({ verb }) => {
    if (verb === 'mail') return '250 ok\r\n250 ok'
    return verb === 'dot' ? '554 5.7.1 no' : undefined
  })
  const channel = await open(t, remote.port)
  const met = await carried(channel, outgoing(['a@remote.test']))
  assert.notDeepEqual(results(met), ['delivered'])
  assert.equal(channel.isUsable, false, 'a session out of step must end')
})
