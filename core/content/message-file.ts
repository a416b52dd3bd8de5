/** The octets of a message, read at once: only threads that do nothing else may wait for a disk like this. */
import { closeSync, openSync, readSync } from 'node:fs'
import type { Content } from '../mail/message.ts'
import { MAX_MESSAGE_BYTES } from './limits.ts'

export interface MessageBytes {
  /** The whole, or as much of it as is looked at. */
  readonly bytes: Buffer
  readonly sizeBytes: number
}

/** @throws Error when the spool file cannot be read or is too short */
export function readMessage(content: Content, most = MAX_MESSAGE_BYTES): MessageBytes {
  if (content.kind === 'inline') {
    const { buffer, byteOffset, byteLength } = content.bytes
    return { bytes: Buffer.from(buffer, byteOffset, Math.min(byteLength, most)), sizeBytes: byteLength }
  }
  const size = Math.min(content.sizeBytes, most)
  const bytes = Buffer.allocUnsafeSlow(size)
  const file = openSync(content.path, 'r')
  try {
    for (let filled = 0; filled < size; ) {
      const count = readSync(file, bytes, filled, size - filled, filled)
      if (count === 0) throw new Error(`the spool file ends after ${filled} octets`)
      filled += count
    }
  } finally {
    closeSync(file)
  }
  return { bytes, sizeBytes: content.sizeBytes }
}
