import assert from 'node:assert/strict'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { BackupImpossible, backUp, MANIFEST_FILE } from '../../../core/queue/backup.ts'
import { createSpool } from '../../../core/queue/spool.ts'
import { readContent } from '../../../core/queue/stored-content.ts'
import {
  claimAt,
  delivered,
  HEAD,
  messageId,
  NOW,
  newMessage,
  only,
} from '../../conformance/queue-store/fixture.ts'
import { openKeeper, temporaryDirectory } from './store-under-test.ts'

test('a backup made while mail comes and goes is a store, and holds whatever was owed all the time', async (t) => {
  const [directory, target] = [await temporaryDirectory(t), join(await temporaryDirectory(t), 'backup')]
  const keeper = await openKeeper(directory)
  t.after(() => keeper.close())
  const spool = await createSpool(directory)
  const body = Buffer.alloc(50_000, 'spooled ')
  const receiver = spool.receiver(messageId(1), 1000)
  await receiver.write(body)
  await keeper.queue.add(
    newMessage(1, { stored: { head: HEAD, content: await receiver.finish(), contentOffset: 0 } }),
    null,
  )
  for (let number = 2; number <= 50; number++) await keeper.queue.add(newMessage(number), null)
  const leased = await keeper.queue.claim(claimAt(NOW, { limit: 3 }))
  let isOver = false
  const traffic = (async () => {
    for (let number = 100; !isOver; number++) {
      await keeper.queue.add(newMessage(number), null)
      const [delivery] = await keeper.queue.claim(claimAt(NOW + number, { limit: 60 }))
      if (delivery !== undefined && Number(delivery.message.slice(2)) >= 100)
        await keeper.queue.settle(delivery, [delivered('rcpt@example.test')], [])
    }
  })()
  const backup = await backUp(directory, target, () => {})
  isOver = true
  await traffic
  assert.ok(backup.messages >= 50, `${backup.messages} messages`)
  assert.deepEqual([backup.spoolFiles, backup.gone, backup.incomplete], [1, 0, []])
  const restored = await openKeeper(target)
  t.after(() => restored.close())
  const entries = await restored.queue.list({}, 1000)
  for (let number = 1; number <= 50; number++)
    assert.ok(entries.some(({ message }) => message === messageId(number)))
  assert.equal((await restored.queue.counts()).leased, 0)
  assert.equal((await restored.queue.counts()).messages, backup.messages)
  const claimed = await restored.queue.claim(claimAt(NOW + 1000, { limit: 1000 }))
  assert.ok(claimed.length >= 50)
  const pieces: Uint8Array[] = []
  for await (const piece of readContent(await restored.queue.content(messageId(1)))) pieces.push(piece)
  assert.deepEqual(Buffer.concat(pieces), Buffer.concat([HEAD, body]))
  assert.equal(JSON.parse(await readFile(join(target, MANIFEST_FILE), 'utf8')).messages, backup.messages)
  assert.equal(leased.length, 3)
})

test('a spool file that is gone with its message is left out, one that is missing is told', async (t) => {
  const [directory, target] = [await temporaryDirectory(t), join(await temporaryDirectory(t), 'backup')]
  const keeper = await openKeeper(directory)
  t.after(() => keeper.close())
  const spool = await createSpool(directory)
  const receiver = spool.receiver(messageId(1), 10)
  await receiver.write(Buffer.alloc(5000, 'x'))
  const content = await receiver.finish()
  await keeper.queue.add(newMessage(1, { stored: { head: HEAD, content, contentOffset: 0 } }), null)
  await rm(content.kind === 'spool' ? content.path : '')
  const { incomplete, messages } = await backUp(directory, target, () => {})
  assert.deepEqual([incomplete, messages], [[messageId(1)], 1])
  const restored = await openKeeper(target)
  t.after(() => restored.close())
  assert.equal(only(await restored.queue.claim(claimAt(NOW))).message, messageId(1))
})

test('a folder in use is not written to', async (t) => {
  const [directory, target] = [await temporaryDirectory(t), await temporaryDirectory(t)]
  await writeFile(join(target, 'mine'), '')
  await assert.rejects(
    backUp(directory, target, () => {}),
    BackupImpossible,
  )
})
