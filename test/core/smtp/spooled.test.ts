/** The server role over the real spool: what is kept, and what is gone when it was refused. */
import assert from 'node:assert/strict'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createSpool } from '../../../core/queue/spool.ts'
import { contentChunk } from '../../../core/queue/stored-content.ts'
import { pass, reject, type TestPlugin } from './panel.ts'
import { relayControl, TestServer } from './test-server.ts'

const BODY = `Subject: big\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(6_900)}..end`
const SENT = `${BODY.replace('\r\n..end', '\r\n.end')}\r\n`

async function withSpool(
  plugins: readonly TestPlugin[],
  use: (server: TestServer, files: () => Promise<readonly string[]>) => Promise<void>,
): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'postern-smtp-'))
  const spool = await createSpool(directory)
  const server = await TestServer.start({
    plugins: [relayControl, ...plugins],
    limits: { messageBytes: 1_000_000 },
    parts: { spool, readChunk: contentChunk },
  })
  const files = async (): Promise<readonly string[]> =>
    (await readdir(spool.directory, { recursive: true })).filter((name) => name.endsWith('.eml'))
  try {
    await use(server, files)
  } finally {
    await server.stop()
    await rm(directory, { recursive: true })
  }
}

test('a large message is in its file octet for octet when 250 is said', async () => {
  let read = ''
  const reads: TestPlugin = {
    name: 'reads',
    hooks: {
      data: async (_event, message) => {
        for (let index = 0; ; index++) {
          const piece = await message.bodyChunk(index)
          if (piece === undefined) return pass()
          read += Buffer.from(piece).toString('latin1')
        }
      },
    },
  }
  await withSpool([reads], async (server, files) => {
    const client = await server.greeted()
    assert.match(await client.send('a@client.example', ['user@example.test'], BODY), /^250 /)
    const content = server.stored[0]?.stored.content
    assert.ok(content?.kind === 'spool')
    assert.equal(await readFile(content.path, 'latin1'), SENT)
    assert.equal(read, SENT.slice(SENT.indexOf('\r\n\r\n') + 4))
    assert.equal((await files()).length, 1)
  })
})

test('of what was refused, discarded, malformed, too large or broken off no file is left', async () => {
  const refuses: TestPlugin = {
    name: 'refuses',
    hooks: { data: ({ transaction }) => (transaction.reversePath === '' ? reject('5.7.1', 'No') : pass()) },
  }
  await withSpool([refuses], async (server, files) => {
    const client = await server.greeted()
    const user = ['user@example.test']
    assert.match(await client.send('', user, BODY), /^554 5\.7\.1 /)
    assert.match(await client.send('a@client.example', ['one@gone.test'], BODY), /^250 /)
    assert.match(await client.send('a@client.example', user, `${BODY}\n`), /^554 5\.6\.0 /)
    assert.match(await client.send('a@client.example', user, `${BODY}\r\n${BODY}`), /^250 /)
    assert.match(
      await client.send('a@client.example', user, `${BODY}\r\n${BODY}` + 'x'.repeat(9_000)),
      /^552 /,
    )
    for (const line of ['MAIL FROM:<a@client.example>', 'RCPT TO:<user@example.test>', 'DATA'])
      await client.ask(line)
    client.raw(BODY)
    while ((await files()).length < 2) await client.silence(10)
    client.destroy()
    while ((await files()).length > 1) await client.silence(10)
    assert.equal(server.stored.length, 1)
  })
})

test('pieces of a large body may be asked for in any order, and each is what stands there', async () => {
  const asked = [7, 0, 3, 4, 3, 1, 6, 5, 2, 7]
  const pieces: [number, string][] = []
  const reads: TestPlugin = {
    name: 'reads',
    hooks: {
      data: async (_event, message) => {
        for (const index of asked) {
          const piece = await message.bodyChunk(index)
          pieces.push([index, Buffer.from(piece ?? []).toString('latin1')])
        }
        // At once, too.
        const all = await Promise.all(asked.map((index) => message.bodyChunk(index)))
        for (const [at, piece] of all.entries())
          pieces.push([asked[at] as number, Buffer.from(piece ?? []).toString('latin1')])
        return pass()
      },
    },
  }
  const lines = Array.from({ length: 50_000 }, (_, number) => `${number}\r\n`).join('')
  const text = `Subject: big\r\n\r\n${lines}${lines}`.slice(0, 490_000)
  await withSpool([reads], async (server) => {
    const client = await server.greeted()
    assert.match(await client.send('a@client.example', ['user@example.test'], text), /^250 /)
    const body = `${text}\r\n`.slice(text.indexOf('\r\n\r\n') + 4)
    assert.equal(pieces.length, 2 * asked.length)
    for (const [index, piece] of pieces)
      assert.equal(piece, body.slice(index * 65_536, (index + 1) * 65_536), `piece ${index}`)
  })
})
