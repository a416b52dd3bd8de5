/** Messages of a test's, and what is found in them. */
import { messagePartsJson } from '../../../core/content/taking-apart.ts'
import type { MessagePart, MessageParts } from '../../../core/mail/message-parts.ts'

/** The beginning of a Windows program: enough for its magic, none of it runs. */
export const PROGRAM = Buffer.concat([
  Buffer.from('MZ\x90\0\x03\0\0\0\x04\0\0\0\xff\xff\0\0', 'latin1'),
  Buffer.alloc(44),
  Buffer.from([64, 0, 0, 0]),
  Buffer.from('PE\0\0\x4c\x01\x03\0', 'latin1'),
  Buffer.alloc(400, 0x90),
])

export function partsOf(message: Buffer | string): MessageParts {
  const bytes = typeof message === 'string' ? Buffer.from(message, 'latin1') : message
  return JSON.parse(messagePartsJson(bytes, bytes.length)) as MessageParts
}

/** The part with this path. */
export function partAt(message: Buffer | string, path: string): MessagePart {
  const found = partsOf(message).parts.find((part) => part.path === path)
  if (found === undefined) throw new Error(`no part ${path}`)
  return found
}

/** Paths and types, as `1 multipart/mixed`. */
export function treeOf(message: Buffer | string): readonly string[] {
  return partsOf(message).parts.map(({ path, type }) => `${path} ${type}`)
}

export function base64Lines(bytes: Buffer): string {
  return bytes.toString('base64').replace(/.{76}/g, '$&\r\n')
}

/** A message of one part. */
export function attached(bytes: Buffer, name = 'file.bin', type = 'application/octet-stream'): Buffer {
  return Buffer.from(
    [
      'From: sender@client.example',
      'Subject: a file',
      'MIME-Version: 1.0',
      `Content-Type: ${type}`,
      `Content-Disposition: attachment; filename="${name}"`,
      'Content-Transfer-Encoding: base64',
      '',
      base64Lines(bytes),
      '',
    ].join('\r\n'),
    'latin1',
  )
}

/** Lines of a message. */
export function lines(...all: readonly string[]): string {
  return `${all.join('\r\n')}\r\n`
}
