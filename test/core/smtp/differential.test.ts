/**
 * The same octets said to smtp-server, used as its authors meant it to be, and to us. Only what RFC 5321 leaves one answer
 * to is said: lines that end in CRLF, content without bare CR, bare LF and NUL.
 */
import assert from 'node:assert/strict'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { SMTPServer } from 'smtp-server'
import { RawClient } from '../../support/raw-client.ts'
import { TestServer } from './test-server.ts'

const RUNS = Number(process.env['POSTERN_SEQUENCES'] ?? 100)

const line = fc.oneof(
  fc.constantFrom('', '.', '..', '...', '. ', '.x', 'x.', 'MAIL FROM:<b@client.example>', 'QUIT', '\xff\x80'),
  fc.string({ unit: fc.constantFrom('.', 'a', ' ', '\t'), maxLength: 6 }),
)

const message = fc.tuple(
  fc.array(line, { maxLength: 10 }),
  fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 4 }),
  fc.boolean(),
)

async function oracle(): Promise<{ port: number; contents: string[]; close(): void }> {
  const contents: string[] = []
  const server = new SMTPServer({
    logger: false,
    authOptional: true,
    hideSTARTTLS: true,
    disableReverseLookup: true,
    onData: (stream, _session, done) => {
      const pieces: Buffer[] = []
      stream.on('data', (piece: Buffer) => pieces.push(piece))
      stream.on('end', () => {
        contents.push(Buffer.concat(pieces).toString('latin1'))
        done()
      })
    },
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.server.address() as AddressInfo
  return { port, contents, close: () => server.close() }
}

function sayCut(client: RawClient, text: string, cuts: readonly number[]): void {
  let from = 0
  for (let index = 0; from < text.length; index++) {
    const length = cuts[index % cuts.length] as number
    client.raw(text.slice(from, from + length))
    from += length
  }
}

/** The codes of the replies to one message, its commands in a group or not, and to what stands behind it. */
async function codes(
  client: RawClient,
  [lines, cuts, isGrouped]: readonly [readonly string[], readonly number[], boolean],
): Promise<readonly string[]> {
  const heard: string[] = []
  const hear = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) heard.push((await client.reply()).slice(0, 3))
  }
  const commands = ['MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.test>', 'DATA']
  if (isGrouped) sayCut(client, `${commands.join('\r\n')}\r\n`, cuts)
  for (const command of commands) {
    if (!isGrouped) sayCut(client, `${command}\r\n`, cuts)
    await hear(1)
  }
  const stuffed = lines.map((text) => `${text.startsWith('.') ? '.' : ''}${text}\r\n`).join('')
  sayCut(client, `${stuffed}.\r\nNOOP\r\nRSET\r\n`, cuts)
  await hear(3)
  return heard
}

test('valid sessions are answered and read as smtp-server does', async (t) => {
  const theirs = await oracle()
  t.after(() => theirs.close())
  const ours = await TestServer.start({
    limits: { messagesPerSession: Infinity, errorsPerSession: Infinity },
  })
  t.after(() => ours.stop())
  const clients = [await RawClient.connect({ port: theirs.port }), await ours.connect()]
  t.after(() => clients[0]?.destroy())
  for (const client of clients) {
    await client.expect('220', null)
    await client.expect('250', 'EHLO client.example')
  }
  await fc.assert(
    fc.asyncProperty(message, async (said) => {
      const [their = [], our = []] = await Promise.all(clients.map((client) => codes(client, said)))
      assert.deepEqual(our, their)
      const stored = ours.stored.pop()
      assert.ok(stored !== undefined)
      const content = theirs.contents.pop()
      assert.equal(content, said[0].map((text) => `${text}\r\n`).join(''))
      // Without the trace field, which is ours alone.
      assert.equal(ours.sent({ stored: { ...stored.stored, head: Buffer.alloc(0) } }), content)
    }),
    { numRuns: Math.min(RUNS, 2_000) },
  )
})
