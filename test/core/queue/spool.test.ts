import assert from 'node:assert/strict'
import { access, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Content } from '../../../core/mail/message.ts'
import { createSpool, type Spool } from '../../../core/queue/spool.ts'
import { isFault } from '../../conformance/queue-store/fixture.ts'
import { temporaryDirectory } from './store-under-test.ts'

const ID = 'q_0123456789bc'

async function openSpool(t: TestContext): Promise<Spool> {
  return createSpool(await temporaryDirectory(t))
}

async function receive(
  spool: Spool,
  id: string,
  bytes: Buffer,
  inlineBytes: number,
  step = 10_000,
): Promise<Content> {
  const receiver = spool.receiver(id, inlineBytes)
  for (let i = 0; i < bytes.length; i += step) await receiver.write(bytes.subarray(i, i + step))
  assert.equal(receiver.sizeBytes, bytes.length)
  return receiver.finish()
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

for (const [size, kind] of [
  [0, 'inline'],
  [999, 'inline'],
  [1000, 'inline'],
  [1001, 'spool'],
] as const) {
  test(`${size} octets with 1000 allowed in memory are ${kind}`, async (t) => {
    const spool = await openSpool(t)
    const content = await receive(spool, ID, Buffer.alloc(size, 'x'), 1000, 100)
    assert.equal(content.kind, kind)
    assert.equal((await readdir(spool.directory)).length, kind === 'spool' ? 1 : 0)
  })
}

test('content in memory is one buffer of exactly its octets', async (t) => {
  const spool = await openSpool(t)
  for (const step of [3, 100]) {
    const content = await receive(spool, ID, Buffer.from('0123456789'), 1000, step)
    assert.ok(content.kind === 'inline')
    assert.equal(Buffer.from(content.bytes).toString(), '0123456789')
    assert.equal(content.bytes.buffer.byteLength, 10)
  }
})

test('a small write does not make the caller wait, one that goes to the file does', async (t) => {
  const receiver = (await openSpool(t)).receiver(ID, 1000)
  assert.equal(receiver.write(Buffer.alloc(1000)), undefined)
  assert.ok(receiver.write(Buffer.alloc(1)) instanceof Promise)
  assert.equal(receiver.write(Buffer.alloc(1)), undefined)
  await receiver.abort()
})

test('a large body is a private file named by its message, octet for octet', async (t) => {
  const spool = await openSpool(t)
  const bytes = Buffer.from(Array.from({ length: 1_500_000 }, (_, i) => (i * 31) % 251))
  const content = await receive(spool, ID, bytes, 1000, 65_537)
  assert.ok(content.kind === 'spool')
  assert.equal(content.path, join(spool.directory, 'bc', `${ID}.eml`))
  assert.equal(content.sizeBytes, bytes.length)
  assert.ok((await readFile(content.path)).equals(bytes))
  assert.equal((await stat(content.path)).mode & 0o777, 0o600)
  assert.equal((await stat(dirname(content.path))).mode & 0o777, 0o700)
})

test('writes nobody waits for stay in order', async (t) => {
  const receiver = (await openSpool(t)).receiver(ID, 0)
  const pieces = Array.from({ length: 200 }, (_, i) => Buffer.alloc(5000, i))
  for (const piece of pieces) void receiver.write(piece)
  const content = await receiver.finish()
  assert.ok(content.kind === 'spool')
  assert.ok((await readFile(content.path)).equals(Buffer.concat(pieces)))
})

test('an aborted message leaves no file, finished or not', async (t) => {
  const spool = await openSpool(t)
  const unfinished = spool.receiver(ID, 10)
  void unfinished.write(Buffer.alloc(500_000))
  await unfinished.abort()
  await unfinished.abort()
  const finished = spool.receiver('q_ffffffffffbc', 10)
  await finished.write(Buffer.alloc(500_000))
  await finished.finish()
  assert.deepEqual(await readdir(join(spool.directory, 'bc')), ['q_ffffffffffbc.eml'])
  await finished.abort()
  assert.deepEqual(await readdir(join(spool.directory, 'bc')), [])
  assert.throws(() => unfinished.write(Buffer.alloc(1)), /finished or aborted/)
})

test('a file that cannot be written is a fault at the write and at the end, and leaves nothing', async (t) => {
  const spool = await openSpool(t)
  await rm(spool.directory, { recursive: true })
  await writeFile(spool.directory, 'in the way')
  const receiver = spool.receiver(ID, 10)
  await assert.rejects(async () => receiver.write(Buffer.alloc(500)), isFault('unavailable'))
  await assert.rejects(receiver.finish(), isFault('unavailable'))
})

test('a file of the same name is never written over', async (t) => {
  const spool = await openSpool(t)
  const path = join(spool.directory, 'bc', `${ID}.eml`)
  await mkdir(dirname(path))
  await writeFile(path, 'somebody else\u2019s')
  const receiver = spool.receiver(ID, 10)
  await assert.rejects(async () => receiver.write(Buffer.alloc(500)), isFault('unavailable'))
  await receiver.abort()
  assert.equal(await readFile(path, 'utf8'), 'somebody else\u2019s')
})

test('a folder somebody removed is made again, at the latest for the next message', async (t) => {
  const spool = await openSpool(t)
  await receive(spool, 'q_00000000000b', Buffer.alloc(500), 10)
  await rm(join(spool.directory, '0b'), { recursive: true })
  await assert.rejects(receive(spool, 'q_00000000010b', Buffer.alloc(500), 10), isFault('unavailable'))
  assert.equal((await receive(spool, 'q_00000000020b', Buffer.alloc(500), 10)).kind, 'spool')
})

test('a sweep removes the files whose message is not stored, and no others', async (t) => {
  const spool = await openSpool(t)
  const paths: string[] = []
  const ids = ['q_00000000000b', 'q_00000000000c', 'q_00000000001b', 'q_0000000000zz']
  for (const id of ids) {
    const content = await receive(spool, id, Buffer.alloc(50), 0)
    if (content.kind === 'spool') paths.push(content.path)
  }
  const stranger = join(spool.directory, '0b', 'README')
  await writeFile(stranger, 'left alone')
  const asked: string[] = []
  const removed = await spool.sweep(async (some) => {
    asked.push(...some)
    return some.filter((id) => id === ids[1] || id === ids[2])
  })
  assert.equal(removed, 2)
  assert.deepEqual(asked.toSorted(), ids)
  assert.deepEqual(await Promise.all(paths.map(isThere)), [false, true, true, false])
  assert.equal(await isThere(stranger), true)
})

test('content that comes an octet at a time is whole, and takes the memory of its octets', async (t) => {
  const spool = await openSpool(t)
  const bytes = Buffer.from('abcdefghij'.repeat(10_000))
  const before = process.memoryUsage().heapUsed
  const receiver = spool.receiver(ID, 1_000_000)
  for (let i = 0; i < bytes.length; i++) void receiver.write(bytes.subarray(i, i + 1))
  const grown = process.memoryUsage().heapUsed - before
  const content = await receiver.finish()
  assert.ok(content.kind === 'inline' && Buffer.compare(content.bytes, bytes) === 0)
  assert.ok(grown < 50_000_000, `${grown} octets of heap`)
})

test('what is no folder of the spool is left alone by the sweep', async (t) => {
  const spool = await openSpool(t)
  await writeFile(join(spool.directory, 'README'), 'mine')
  await mkdir(join(spool.directory, 'lost+found'))
  assert.equal(await spool.sweep(async () => []), 0)
  assert.deepEqual((await readdir(spool.directory)).toSorted(), ['README', 'lost+found'])
})
