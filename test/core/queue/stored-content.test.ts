import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Content, StoredContent } from '../../../core/mail/message.ts'
import { contentChunk, MAX_CHUNK_BYTES, readContent } from '../../../core/queue/stored-content.ts'
import { isFault } from '../../conformance/queue-store/fixture.ts'
import { temporaryDirectory } from './store-under-test.ts'

const HEAD = Buffer.from('X-Head: 1\r\n')
const BYTES = Buffer.from(Array.from({ length: 600_000 }, (_, i) => (i * 13) % 251))

async function contents(t: TestContext, bytes: Buffer): Promise<Content[]> {
  const path = join(await temporaryDirectory(t), 'message.eml')
  await writeFile(path, bytes)
  return [
    { kind: 'inline', bytes },
    { kind: 'spool', path, sizeBytes: bytes.length },
  ]
}

async function pieces(stored: StoredContent): Promise<Uint8Array[]> {
  const found: Uint8Array[] = []
  for await (const piece of readContent(stored)) found.push(piece)
  return found
}

for (const offset of [0, 1, 65_536, 599_999, 600_000]) {
  test(`a message is read as head and content from octet ${offset} on`, async (t) => {
    for (const content of await contents(t, BYTES)) {
      const found = await pieces({ head: HEAD, content, contentOffset: offset })
      assert.ok(Buffer.concat(found).equals(Buffer.concat([HEAD, BYTES.subarray(offset)])), content.kind)
      assert.ok(found.every(({ byteLength }) => byteLength > 0))
    }
  })
}

test('a message without octets has no pieces', async (t) => {
  for (const content of await contents(t, Buffer.alloc(0))) {
    assert.deepEqual(await pieces({ head: Buffer.alloc(0), content, contentOffset: 0 }), [])
  }
})

test('chunks of a content join to the whole, and behind its end there are none', async (t) => {
  for (const content of await contents(t, BYTES)) {
    for (const size of [MAX_CHUNK_BYTES, 50_000]) {
      const count = Math.ceil(BYTES.length / size)
      const chunks = await Promise.all(
        Array.from({ length: count }, (_, i) => contentChunk(content, i, size)),
      )
      assert.ok(Buffer.concat(chunks).equals(BYTES))
      assert.equal((await contentChunk(content, count, size)).byteLength, 0)
    }
  }
})

test('a chunk has at least one and at most 262144 octets', async (t) => {
  for (const content of await contents(t, BYTES)) {
    for (const size of [0, -1, MAX_CHUNK_BYTES + 1, Number.NaN]) {
      await assert.rejects(contentChunk(content, 0, size), RangeError)
    }
    await assert.rejects(contentChunk(content, -1, 10), RangeError)
  }
})

test('a spool file that is missing or too short is a fault, not a shorter message', async (t) => {
  const [, content] = await contents(t, BYTES)
  assert.ok(content?.kind === 'spool')
  const cut = { ...content, sizeBytes: content.sizeBytes + 1 }
  await assert.rejects(pieces({ head: HEAD, content: cut, contentOffset: 0 }), isFault('damaged'))
  const missing = { ...content, path: `${content.path}.gone` }
  await assert.rejects(pieces({ head: HEAD, content: missing, contentOffset: 0 }), isFault('damaged'))
  await assert.rejects(contentChunk(missing, 0, 10), isFault('damaged'))
})
