/** The octets of a message, and only so many of them. */
import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { readMessage } from '../../../core/content/message-file.ts'
import { messagePartsJson } from '../../../core/content/taking-apart.ts'
import type { Content } from '../../../core/mail/message.ts'
import type { MessageParts } from '../../../core/mail/message-parts.ts'
import { TemporaryFolder } from '../../support/temporary-folder.ts'

const TEXT = Buffer.from('Subject: x\r\n\r\nhello, world\r\n')

test('a message is read from memory and from a file alike, and cut at the limit', async () => {
  await using folder = await TemporaryFolder.make()
  const path = join(folder.path, 'message')
  await writeFile(path, TEXT)
  const contents: readonly Content[] = [
    { kind: 'inline', bytes: TEXT },
    { kind: 'spool', path, sizeBytes: TEXT.length },
  ]
  for (const content of contents) {
    assert.deepEqual(readMessage(content), { bytes: TEXT, sizeBytes: TEXT.length })
    const cut = readMessage(content, 20)
    assert.deepEqual(cut, { bytes: TEXT.subarray(0, 20), sizeBytes: TEXT.length })
    const { sizeBytes, flags } = JSON.parse(messagePartsJson(cut.bytes, cut.sizeBytes)) as MessageParts
    assert.deepEqual({ sizeBytes, flags }, { sizeBytes: TEXT.length, flags: ['size-limit'] })
  }
})
