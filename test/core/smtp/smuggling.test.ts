/** Octets that look like the end of data (RFC 5321 §4.1.1.4) and are none: nothing behind them may be a command. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { TestServer } from './test-server.ts'

interface Payload {
  readonly id: string
  readonly bytes_b64: string
  readonly repr: string
}

const payloads = JSON.parse(
  readFileSync(new URL('../../fixtures/smtp-smuggling/payloads.json', import.meta.url), 'utf8'),
) as readonly Payload[]

/** Variants of Wang et al. with NUL, and some of our own. */
const more = [
  '\0.\r\n',
  '\r\n\0.\r\n',
  '\r\n.\0\r\n',
  '\r\n.\r\0\n',
  '\r\0\n.\r\n',
  '\r.\r',
  '\r.\n',
  '\n\n.\r\n',
  '\r\n.\r\r\n',
]
const sequences = [
  ...payloads.map(({ id, bytes_b64: base64 }) => ({
    id,
    text: Buffer.from(base64, 'base64').toString('latin1'),
  })),
  ...more.map((text, index) => ({ id: `M${index}`, text })),
]

const SMUGGLED =
  'MAIL FROM:<admin@example.test>\r\nRCPT TO:<victim@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx\r\n.\r\n'

for (const { id, text } of sequences) {
  test(`${id} ${JSON.stringify(text)} does not end the data`, async () => {
    const server = await TestServer.start()
    const client = await server.greeted()
    await client.ask('MAIL FROM:<a@client.example>')
    await client.ask('RCPT TO:<user@example.test>')
    await client.ask('DATA')
    client.raw(`Subject: outer\r\n\r\nbefore${text}`)
    // In a piece of its own, so that a parser that looks at pieces is tried too.
    await client.silence(20)
    client.raw(SMUGGLED)
    assert.match(await client.reply(), /^554 5\.6\.0 /)
    assert.equal(await client.silence(30), '', 'a command within the message was answered')
    assert.equal(server.stored.length, 0)
    assert.deepEqual(server.panel.calls, ['relay-control rcpt'])
    assert.match(await client.ask('NOOP'), /^250 /)
    await server.stop()
  })
}

test('there are payloads', () => assert.ok(payloads.length >= 6))
