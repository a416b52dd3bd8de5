import assert from 'node:assert/strict'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { createSpool } from '../../../core/queue/spool.ts'
import { openKeeper, temporaryDirectory } from './store-under-test.ts'

const ACKNOWLEDGED = 400

test('every message acknowledged before a SIGKILL is there afterwards, with its body', async (t) => {
  const directory = await temporaryDirectory(t)
  const child = fork(new URL('./crash-child.ts', import.meta.url), [directory])
  t.after(() => child.kill('SIGKILL'))
  const acknowledged: string[] = []
  child.on('message', (id: string) => {
    acknowledged.push(id)
    if (acknowledged.length === ACKNOWLEDGED) child.kill('SIGKILL')
  })
  const [code, signal] = await once(child, 'exit')
  assert.equal(signal, 'SIGKILL', `the child ended by itself with ${code}`)
  assert.ok(acknowledged.length >= ACKNOWLEDGED)

  const checking = new DatabaseSync(join(directory, 'queue.db'))
  assert.deepEqual({ ...checking.prepare('PRAGMA integrity_check').get() }, { integrity_check: 'ok' })
  checking.close()

  const keeper = await openKeeper(directory)
  t.after(() => keeper.close())
  assert.deepEqual(await keeper.queue.stored(acknowledged), acknowledged)
  const spool = await createSpool(directory)
  await spool.sweep((ids) => keeper.queue.stored(ids))
  for (const id of acknowledged) {
    const { content } = await keeper.queue.content(id)
    if (content.kind === 'spool') await access(content.path)
    else assert.equal(Buffer.from(content.bytes).toString(), `body of ${id}`)
  }
  const { messages, due } = await keeper.queue.counts()
  const listed = await keeper.queue.list({}, 100_000)
  assert.deepEqual({ messages, due }, { messages: listed.length, due: listed.length })
})
