/** F12: replies no server should give: deferred, with a clean text, in bounded memory, and other mail goes its way. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { standFor } from '../../core/delivery/delivery-stand.ts'
import { until } from '../../core/delivery/until.ts'
import { remoteFor, type Said } from '../../support/fake-remote.ts'
import { Books, memoryBytes } from '../books.ts'

const MEGABYTES = 10 * 1024 * 1024
const MAX_GROWTH_BYTES = 250 * 1024 * 1024
const GOOD = 20

const HOSTILE: Readonly<Record<string, string | Uint8Array>> = {
  'one line of 10 MB': Buffer.concat([
    Buffer.from('250 '),
    Buffer.alloc(MEGABYTES, 'x'),
    Buffer.from('\r\n'),
  ]),
  '10 MB without a line end': Buffer.alloc(MEGABYTES, 'y'),
  '100 000 continuation lines': Buffer.from(`${'250-more\r\n'.repeat(100_000)}250 end\r\n`),
  'code 000': '000 what is this',
  'code 999': '999 what is this',
  'NUL and escapes': Buffer.from('450 \u0000\u001b[2J\u0007 bad\r\n'),
  '8-bit octets': Buffer.from([0x34, 0x35, 0x30, 0x20, 0xff, 0xfe, 0xe9, 0x0d, 0x0a]),
  'bare CR': Buffer.from('450 one\r250 two\r\n'),
  'a header for the notice': '450 4.0.0 x\rBcc: victim@example.test',
}
const VERBS = ['connect', 'ehlo', 'mail', 'rcpt', 'data', 'dot'] as const satisfies readonly Said['verb'][]

for (const [name, reply] of Object.entries(HOSTILE))
  test(`F12: ${name}`, { timeout: 120_000 }, async (t) => {
    const before = memoryBytes()
    const timeouts = { commandMs: 5_000, greetingMs: 5_000, idleMs: 5_000 }
    const stand = await standFor(t, { retryMs: [600_000], timeouts })
    const good = await remoteFor(t)
    const books = new Books(stand)
    for (const hostile of VERBS) {
      const remote = await remoteFor(t, ({ verb }) => (verb === hostile ? { reply } : undefined))
      await stand.accept(remote.route, ['rcpt@remote.test'])
      await books.send(good.route, GOOD / VERBS.length + 1)
      await until(() => stand.attempts.some(({ route }) => route === remote.route), 30_000)
      const [entry] = (await stand.entries()).filter(({ route }) => route === remote.route)
      // Nonsense in front of the reply to EHLO may still be a server that takes mail.
      if (entry === undefined) assert.equal(remote.accepted.length, 1)
      else {
        assert.equal(entry.state, 'due', `${hostile}: ${entry.detail}`)
        assert.ok(entry.detail.length <= 500)
        assert.match(entry.detail, /^[\x20-\x7e]+$/)
      }
      await remote.stop().catch(() => {})
    }
    await until(() => good.accepted.length >= books.size)
    books.assertAllOnce([good])
    assert.deepEqual(
      stand.lines.filter(({ event }) => event === 'delivery-bug'),
      [],
    )
    assert.ok(memoryBytes() - before < MAX_GROWTH_BYTES, `${(memoryBytes() - before) / 1e6} MB more`)
  })

test('F12: two replies for one command put the session out of step, and nothing is lost', {
  timeout: 60_000,
}, async (t) => {
  let count = 0
  const remote = await remoteFor(t, ({ verb }) =>
    verb === 'mail' && ++count <= 3 ? { reply: '250 2.1.0 ok\r\n250 2.1.5 and another' } : undefined,
  )
  const stand = await standFor(t, { retryMs: [200] })
  const books = new Books(stand)
  await books.send(remote.route, GOOD)
  await stand.settled(40_000)
  assert.equal(books.taken([remote]).size, GOOD)
})
