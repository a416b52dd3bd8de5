/** The threads: answers, deadlines, deaths, and that nothing is left of them. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { ContentFault, type ContentFaultKind, MessagePool } from '../../../core/content/pool.ts'
import type { Content } from '../../../core/mail/message.ts'
import type { MessageParts } from '../../../core/mail/message-parts.ts'
import { type Log, silentLog } from '../../../core/observe/log.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'
import { until } from '../../support/until.ts'
import { attached, PROGRAM } from './message-stand.ts'

const MESSAGE = attached(PROGRAM, 'evil.exe')
const PARTS = { kind: 'parts' } as const
const HASH = { kind: 'hash' } as const

const inline = (text: string | Buffer = MESSAGE): Content => ({ kind: 'inline', bytes: Buffer.from(text) })

const failed =
  (kind: ContentFaultKind) =>
  (error: unknown): boolean =>
    error instanceof ContentFault && error.kind === kind

/** A thread that answers what stands in the message, and does as it says: hang, die. */
const ODD = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort } from 'node:worker_threads'
    parentPort.on('message', ({ id, content }) => {
      const text = Buffer.from(content.bytes).toString()
      if (text === 'hang') for (;;);
      if (text === 'die') process.exit(3)
      if (text === 'throw') throw new Error('a bug')
      if (text === 'refuse') return parentPort.postMessage({ id, fault: 'no disk' })
      parentPort.postMessage({ id, json: JSON.stringify(text) })
    })`)}`,
)

test('an answer about a message in memory, whose bytes stay where they are', async () => {
  await using pool = disposable(new MessagePool({ log: silentLog }))
  assert.equal(pool.threads, 0)
  const content = inline()
  const { parts } = JSON.parse(await pool.ask(content, PARTS)) as MessageParts
  assert.equal(parts[0]?.detected, 'pe')
  assert.ok(content.kind === 'inline' && content.bytes.byteLength === MESSAGE.length)
  const search = { kind: 'search', literals: ['a file'], part: null, ignoreCase: false, raw: true } as const
  assert.equal(await pool.ask(content, search), '[{"literal":"a file","part":""}]')
  assert.equal(pool.threads, 1)
})

test('an answer about a message in a file; one that is gone or too short is a fault', async () => {
  await using folder = await TemporaryFolder.make()
  await using pool = disposable(new MessagePool({ log: silentLog }))
  const path = join(folder.path, 'message')
  await writeFile(path, MESSAGE)
  const spooled: Content = { kind: 'spool', path, sizeBytes: MESSAGE.length }
  assert.equal(await pool.ask(spooled, HASH), await pool.ask(inline(), HASH))
  const long: Content = { ...spooled, sizeBytes: MESSAGE.length + 1 }
  await assert.rejects(pool.ask(long, HASH), failed('unreadable'))
  const gone: Content = { ...spooled, path: join(folder.path, 'gone') }
  await assert.rejects(pool.ask(gone, HASH), failed('unreadable'))
})

test('what was found out once is not looked up again', async () => {
  await using pool = disposable(new MessagePool({ log: silentLog }))
  const content = inline()
  const answers = await Promise.all([pool.ask(content, PARTS), pool.ask(content, PARTS)])
  assert.equal(answers[0], answers[1])
  assert.equal(await pool.ask(content, PARTS), answers[0])
  assert.equal(pool.counters.answered, 1)
})

test('a thread that is late is ended, and the next question has another one', async () => {
  const logged: string[] = []
  await using pool = disposable(
    new MessagePool({ log: listening(logged), atMost: 1, deadlineMs: 2000, entry: ODD }),
  )
  await assert.rejects(pool.ask(inline('hang'), PARTS), failed('late'))
  assert.equal(pool.threads, 0)
  assert.equal(await pool.ask(inline('fine'), PARTS), '"fine"')
  assert.deepEqual(logged, ['message-content-late'])
  assert.deepEqual([pool.counters.late, pool.counters.answered], [1, 1])
})

test('the deadline counts waiting too, and a failed answer is not kept', async () => {
  await using pool = disposable(new MessagePool({ log: silentLog, atMost: 1, deadlineMs: 2000, entry: ODD }))
  const waits = inline('waits')
  const [hanging, waiting] = await Promise.allSettled([
    pool.ask(inline('hang'), PARTS),
    pool.ask(waits, PARTS),
  ])
  assert.equal(hanging.status, 'rejected')
  assert.equal(waiting.status, 'rejected')
  assert.equal(await pool.ask(waits, PARTS), '"waits"')
})

test('a thread that dies fails its own question, and nobody else', async () => {
  const logged: string[] = []
  await using pool = disposable(new MessagePool({ log: listening(logged), atMost: 1, entry: ODD }))
  const asked = ['die', 'first', 'throw', 'second', 'refuse', 'third'].map((text) =>
    pool.ask(inline(text), PARTS),
  )
  const results = await Promise.allSettled(asked)
  assert.deepEqual(
    results.map((result) =>
      result.status === 'fulfilled' ? result.value : (result.reason as ContentFault).kind,
    ),
    ['thread-died', '"first"', 'thread-died', '"second"', 'unreadable', '"third"'],
  )
  assert.deepEqual(logged, ['message-thread-died', 'message-thread-died', 'message-content-failed'])
})

test('a thread that cannot be started fails the question', async () => {
  const logged: string[] = []
  const entry = new URL('http://127.0.0.1/nothing')
  await using pool = disposable(new MessagePool({ log: listening(logged), entry }))
  await assert.rejects(pool.ask(inline(), PARTS), failed('thread-died'))
  await assert.rejects(pool.ask(inline(), HASH), failed('thread-died'))
  assert.deepEqual(logged, ['message-thread-died', 'message-thread-died'])
  assert.equal(pool.threads, 0)
})

test('more than may wait is refused at once', async () => {
  await using pool = disposable(new MessagePool({ log: silentLog, atMost: 1, waiting: 2, entry: ODD }))
  const asked = [1, 2, 3].map((number) => pool.ask(inline(`${number}`), PARTS))
  await assert.rejects(pool.ask(inline('one too many'), PARTS), failed('busy'))
  assert.deepEqual(await Promise.all(asked), ['"1"', '"2"', '"3"'])
})

test('there are never more threads than allowed', async () => {
  await using pool = disposable(new MessagePool({ log: silentLog, atMost: 2, entry: ODD }))
  const asked = Array.from({ length: 20 }, (_, number) => pool.ask(inline(`${number}`), PARTS))
  assert.equal(pool.threads, 2)
  await Promise.all(asked)
  assert.equal(pool.threads, 2)
})

test('closed, it answers nobody, and no thread is left', async () => {
  const pool = new MessagePool({ log: silentLog, atMost: 1, entry: ODD })
  const asked = [pool.ask(inline('hang'), PARTS), pool.ask(inline('waits'), PARTS)]
  const results = Promise.allSettled(asked)
  await pool.close()
  assert.deepEqual(
    (await results).map((result) => result.status === 'rejected' && failed('closed')(result.reason)),
    [true, true],
  )
  await assert.rejects(pool.ask(inline('more'), PARTS), failed('closed'))
  assert.equal(pool.threads, 0)
})

test('the operating system has no more threads afterwards than before', {
  skip: process.platform !== 'linux',
}, async () => {
  const threads = (): number => readdirSync('/proc/self/task').length
  // The threads every process has are there once it has used them.
  const first = new MessagePool({ log: silentLog, entry: ODD })
  await first.ask(inline('x'), PARTS)
  await first.close()
  const before = threads()
  const pool = new MessagePool({ log: silentLog, atMost: 2, entry: ODD })
  const asked = Promise.allSettled([pool.ask(inline('hang'), PARTS), pool.ask(inline('hang'), PARTS)])
  await until(() => threads() >= before + 2, 'two threads')
  await pool.close()
  await asked
  await until(() => threads() <= before, 'the threads to go')
})

function listening(events: string[]): Log {
  const note = (event: string): void => void events.push(event)
  return { ...silentLog, warn: note, error: note }
}

function disposable(pool: MessagePool): MessagePool & AsyncDisposable {
  return Object.assign(pool, { [Symbol.asyncDispose]: () => pool.close() })
}
