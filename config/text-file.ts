/** Reading a small text file whole, or saying in a few words why not. */
import { closeSync, openSync, readSync } from 'node:fs'

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  EISDIR: 'is a folder',
}

/** The text without a byte order mark; a reason continues "The file …". Pipes are read like files. */
export function readAtMost(path: string, maxBytes: number): { text: string } | { reason: string } {
  let bytes: Uint8Array
  try {
    bytes = readBytes(path, maxBytes + 1)
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? ''
    return { reason: REASONS[code] ?? `cannot be read (${code || String(error)})` }
  }
  if (bytes.byteLength > maxBytes) return { reason: `is larger than ${maxBytes} bytes` }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(bytes) }
  } catch {
    return { reason: 'is not UTF-8 text' }
  }
}

function readBytes(path: string, maxBytes: number): Uint8Array {
  const descriptor = openSync(path, 'r')
  try {
    const buffer = new Uint8Array(maxBytes)
    let length = 0
    for (let read = -1; read !== 0 && length < maxBytes; length += read)
      read = readSync(descriptor, buffer, length, maxBytes - length, null)
    return buffer.subarray(0, length)
  } finally {
    closeSync(descriptor)
  }
}
