import assert from 'node:assert/strict'
import { test } from 'node:test'
import { storedSizeBytes } from '../../../core/mail/message.ts'

test('the size of what is sent is head and content from its offset', () => {
  const head = Buffer.alloc(10)
  const inline = { kind: 'inline', bytes: Buffer.alloc(100) } as const
  const spool = { kind: 'spool', path: '/x', sizeBytes: 1_000 } as const
  assert.equal(storedSizeBytes({ head, content: inline, contentOffset: 0 }), 110)
  assert.equal(storedSizeBytes({ head, content: spool, contentOffset: 40 }), 970)
})
