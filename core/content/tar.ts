/** Entries of a tar: POSIX ustar, the long names of GNU, the paths of pax. */
import type { PartFlag } from '../mail/message-parts.ts'
import type { RawArchive, RawEntry } from './archive.ts'
import { guessText } from './charset.ts'
import { tarChecksum } from './detected-type.ts'

const BLOCK = 512

/** `flags` is told when it cannot be read to its end. */
export function readTar(bytes: Buffer, flags: Set<PartFlag>): RawArchive {
  const entries: RawEntry[] = []
  let longName: string | null = null
  let at = 0
  while (at + BLOCK <= bytes.length && bytes[at] !== 0) {
    const header = bytes.subarray(at, at + BLOCK)
    const size = numberAt(header, 124, 12)
    if (numberAt(header, 148, 8) !== tarChecksum(header) || size === null) {
      flags.add('archive-damaged')
      break
    }
    const start = at + BLOCK
    const content = bytes.subarray(start, start + size)
    if (content.length < size) flags.add('archive-damaged')
    const kind = String.fromCharCode(header[156] ?? 0)
    if (kind === 'L') longName = textAt(content.subarray(0, 4096), 0, 4096)
    else if (kind === 'x') longName = paxPath(content.subarray(0, 65_536)) ?? longName
    else if (kind !== 'g' && kind !== 'K') {
      if (kind === '0' || kind === '\0' || kind === '7')
        entries.push(fileEntry(longName ?? nameOf(header), size, content))
      longName = null
    }
    at = start + Math.ceil(size / BLOCK) * BLOCK
  }
  return { entries, count: entries.length, type: 'tar' }
}

function fileEntry(name: string, size: number, content: Buffer): RawEntry {
  return {
    name,
    declaredBytes: size,
    compressedBytes: size,
    isEncrypted: false,
    read: () => ({ bytes: content, isWhole: content.length === size }),
    flags: new Set(),
  }
}

function nameOf(header: Buffer): string {
  const prefix = header.toString('latin1', 257, 262) === 'ustar' ? textAt(header, 345, 155) : ''
  const name = textAt(header, 0, 100)
  return prefix === '' || header[263] === 0x20 ? name : `${prefix}/${name}`
}

function textAt(bytes: Buffer, start: number, length: number): string {
  const field = bytes.subarray(start, start + length)
  const end = field.indexOf(0)
  return guessText(end < 0 ? field : field.subarray(0, end))
}

/** An octal number, or a binary one of GNU's; null when it is neither. */
function numberAt(header: Buffer, start: number, length: number): number | null {
  if (((header[start] ?? 0) & 0x80) !== 0) {
    const value = header.readUIntBE(start + length - 6, 6)
    return value <= Number.MAX_SAFE_INTEGER ? value : null
  }
  const text = textAt(header, start, length).trim()
  if (text === '') return 0
  return /^[0-7]+$/.test(text) ? Number.parseInt(text, 8) : null
}

/** Records of `length key=value\n`. */
function paxPath(records: Buffer): string | null {
  let at = 0
  while (at < records.length) {
    const digits = /^\d{1,6}(?= )/.exec(records.toString('latin1', at, at + 8))?.[0]
    if (digits === undefined || Number(digits) < digits.length + 2) return null
    const record = records.subarray(at + digits.length + 1, at + Number(digits) - 1)
    if (record.toString('latin1', 0, 5) === 'path=') return guessText(record.subarray(5))
    at += Number(digits)
  }
  return null
}
