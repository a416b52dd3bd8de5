/** A client that is gone at any octet: everybody else goes on, and half a message is none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listener } from '../../../core/smtp/client-session.ts'
import { TestServer } from '../../core/smtp/test-server.ts'
import type { RawClient } from '../../support/raw-client.ts'
import { until } from '../../support/until.ts'

const SESSION =
  'EHLO client.example\r\nMAIL FROM:<a@client.example>\r\nRCPT TO:<user@example.test>\r\nDATA\r\n' +
  'Subject: x\r\n\r\n..body\r\n.\r\nQUIT\r\n'
const DATA_END = SESSION.indexOf('\r\n.\r\nQUIT') + 5
const PROXY = 'PROXY TCP4 192.0.2.7 192.0.2.1 40000 25\r\n'

const MX: Listener = { role: 'mx', address: '127.0.0.1:25', tls: 'off' }

for (const [what, listener, text] of [
  ['a session', MX, SESSION],
  ['a session behind a proxy', { ...MX, proxy: ['127.0.0.0/8'] }, PROXY + SESSION],
] as const) {
  test(`RST at any octet of ${what}: the process survives, and only whole messages are kept`, async (t) => {
    const server = await TestServer.start({
      listener,
      limits: { connections: 10_000, connectionsPerNetwork: 10_000 },
    })
    t.after(() => server.stop())
    const faults: unknown[] = []
    const note = (fault: unknown): void => void faults.push(fault)
    process.on('uncaughtExceptionMonitor', note)
    t.after(() => process.off('uncaughtExceptionMonitor', note))
    const greetedAt = text.length - SESSION.length
    const dataAt = text.indexOf('DATA\r\n') + 6
    const whole = greetedAt + DATA_END
    let complete = 0
    for (let end = 0; end <= text.length; end++) {
      const client = await server.connect()
      // What stands behind the PROXY header waits for 220 and content for 354, or it would be refused for that.
      client.raw(text.slice(0, Math.min(end, greetedAt)))
      if (end > greetedAt) {
        await client.reply()
        client.raw(text.slice(greetedAt, Math.min(end, dataAt)))
      }
      if (end > dataAt) {
        while (!(await client.reply()).startsWith('354'));
        client.raw(text.slice(dataAt, end))
      }
      // Every other one is read up to its end first.
      if (end % 2 === 0) await new Promise((resolve) => setImmediate(resolve))
      client.reset()
      if (end >= whole) complete++
    }
    await until(() => server.smtp.listeners()[0]?.connections === 0, 'the end of all sessions')
    // A reset may be noticed before the message was decided on, so some of the whole ones are not kept.
    assert.ok(server.stored.length <= complete, `${server.stored.length} of ${complete}`)
    for (const message of server.stored)
      assert.ok(server.sent(message).endsWith('Subject: x\r\n\r\n.body\r\n'))
    assert.deepEqual(faults, [])
    assert.deepEqual(server.logged('bug'), [])
    const client = await server.connect()
    if (text.startsWith('PROXY')) client.raw(PROXY)
    assert.match(await client.reply(), /^220 /)
  })
}

test('an untrusted client that speaks as a proxy is closed without a word', async (t) => {
  const server = await TestServer.start({ listener: { ...MX, proxy: ['192.0.2.0/24'] } })
  t.after(() => server.stop())
  const client: RawClient = await server.connect()
  client.raw(`${PROXY}EHLO client.example\r\n`)
  assert.equal(await client.closed(), '')
})
