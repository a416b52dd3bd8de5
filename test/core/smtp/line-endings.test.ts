import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { LineEndings } from '../../../core/smtp/line-endings.ts'
import { TestServer } from './test-server.ts'

function normalized(...pieces: readonly string[]): string {
  const endings = new LineEndings()
  return pieces
    .map((piece) => Buffer.from(endings.take(Buffer.from(piece, 'latin1'))).toString('latin1'))
    .join('')
}

test('CR and LF that stand alone become CRLF, however the content is cut', () => {
  const part = fc.constantFrom('\r', '\n', '\r\n', 'a', '.', '\xff')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 16 }), fc.nat(32), fc.nat(32), (parts, first, second) => {
      // Content ends in CRLF, as it does on the wire.
      const content = `${parts.join('')}\r\n`
      const [from, to] = [Math.min(first, second), Math.max(first, second)]
      const pieces = [content.slice(0, from), content.slice(from, to), content.slice(to)]
      assert.equal(normalized(...pieces), content.replace(/\r\n|\r|\n/g, '\r\n'))
    }),
    { numRuns: 2_000 },
  )
})

test('content whose line ends are right is handed on as it is', () => {
  const piece = Buffer.from('a\r\nb\r\n')
  assert.equal(new LineEndings().take(piece), piece)
})

const CONTENT = 'Subject: old\n\nline\r.\r\n..\r\n\n.\n\r\n.\r\n'

test('they are made so for the networks that are named, before plugins see the message', async () => {
  const seen: string[] = []
  const server = await TestServer.start({
    settings: { lineEndings: { normalize: ['127.0.0.0/8'] } },
    plugins: [
      {
        name: 'reader',
        hooks: {
          rcpt: () => ({ refusal: null, actions: [{ kind: 'relay.grant' }] }) as never,
          data: async (_event, message) => {
            seen.push(Buffer.from((await message.bodyChunk(0)) ?? []).toString('latin1'))
            return { refusal: null, actions: [] } as never
          },
        },
      },
    ],
  })
  const client = await server.greeted()
  for (const line of ['MAIL FROM:<>', 'RCPT TO:<user@example.test>', 'DATA']) await client.ask(line)
  client.raw(CONTENT)
  assert.match(await client.reply(), /^250 2\.0\.0 Queued/)
  // The dot behind a bare line end was content and stays; only the one behind CRLF had been doubled.
  const body = 'line\r\n.\r\n.\r\n\r\n.\r\n\r\n'
  assert.deepEqual(seen, [body])
  const [message] = server.stored
  assert.ok(message !== undefined && server.sent(message).endsWith(`Subject: old\r\n\r\n${body}`))
  await server.stop()
})

test('they are refused to everybody else, and NUL to all', async () => {
  for (const [normalize, content] of [
    [['10.0.0.0/8'], 'a\nb\r\n.\r\n'],
    [['127.0.0.0/8'], 'a\0b\r\n.\r\n'],
  ] as const) {
    const server = await TestServer.start({ settings: { lineEndings: { normalize } } })
    const client = await server.greeted()
    for (const line of ['MAIL FROM:<>', 'RCPT TO:<user@example.test>', 'DATA']) await client.ask(line)
    client.raw(content)
    assert.match(await client.reply(), /^554 5\.6\.0 /)
    await server.stop()
  }
})
