/** Attachments of a `winmail.dat`: what Outlook sends as one part instead of several (MS-OXTNEF §2.1). */
import type { PartFlag } from '../mail/message-parts.ts'
import type { RawArchive, RawEntry } from './archive.ts'
import { guessText } from './charset.ts'

/** Signature and key. */
const HEAD_BYTES = 6
/** Level, number with type, length. */
const ATTRIBUTE_BYTES = 9
const CHECKSUM_BYTES = 2
const ATTACHMENT = 2
/** The first attribute of every attachment. */
const RENDERING = 0x9002
const TITLE = 0x8010
const DATA = 0x800f

/** `flags` is told when it cannot be read to its end. Messages and objects inside are not opened. */
export function readTnef(bytes: Buffer, flags: Set<PartFlag>): RawArchive {
  const entries: RawEntry[] = []
  let name = ''
  let content: Buffer | null = null
  const finish = (): void => {
    if (content !== null) entries.push(fileEntry(name, content))
    name = ''
    content = null
  }
  let at = HEAD_BYTES
  while (at + ATTRIBUTE_BYTES <= bytes.length) {
    const level = bytes[at]
    const attribute = bytes.readUInt16LE(at + 1)
    const length = bytes.readUInt32LE(at + 5)
    const value = bytes.subarray(at + ATTRIBUTE_BYTES, at + ATTRIBUTE_BYTES + length)
    if (value.length < length) flags.add('archive-damaged')
    if (level === ATTACHMENT) {
      if (attribute === RENDERING) finish()
      else if (attribute === TITLE) name = guessText(value.subarray(0, 1024)).replace(/\0.*$/s, '')
      else if (attribute === DATA) content = value
    } else if (level !== 1) {
      flags.add('archive-damaged')
      break
    }
    at += ATTRIBUTE_BYTES + length + CHECKSUM_BYTES
  }
  finish()
  return { entries, count: entries.length, type: 'tnef' }
}

function fileEntry(name: string, content: Buffer): RawEntry {
  return {
    name,
    declaredBytes: content.length,
    compressedBytes: content.length,
    isEncrypted: false,
    read: () => ({ bytes: content, isWhole: true }),
    flags: new Set(),
  }
}
