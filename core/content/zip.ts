/**
 * Entries of a zip, by its central directory and by what stands in front of each file. Programs that unpack disagree on
 * which of them counts, so what only one of them says is told too.
 */
import type { DetectedType, PartFlag } from '../mail/message-parts.ts'
import type { RawArchive, RawEntry } from './archive.ts'
import { guessText } from './charset.ts'
import type { Packing, UnpackingBudget } from './inflate.ts'
import { MAX_ENTRIES } from './limits.ts'

const END64 = 0x06064b50
const LOCATOR64 = 0x07064b50
const DIRECTORY = 0x02014b50
const LOCAL = 0x04034b50
const LOCAL_TEXT = 'PK\x03\x04'
const END_TEXT = 'PK\x05\x06'
const UNKNOWN = 0xffffffff
/** The end record with the longest comment. */
const END_BYTES = 22 + 65_535
const PACKINGS: Readonly<Record<number, Packing>> = { 8: 'deflate', 93: 'zstd' }

interface Directory {
  readonly start: number
  readonly end: number
  readonly count: number
  /** Octets in front of the archive, which its offsets do not count. */
  readonly shift: number
}

/** What either header says of a file. */
interface FileHeader {
  readonly name: string
  readonly isEncrypted: boolean
  /** Sizes stand behind the content only. */
  readonly isStreamed: boolean
  readonly method: number
  readonly compressedBytes: number
  readonly sizeBytes: number
}

interface LocalFile extends FileHeader {
  readonly dataStart: number
}

interface DirectoryEntry extends FileHeader {
  readonly offset: number
}

/** Where the central directory lies; null when there is none. */
export function findZipEnd(bytes: Buffer): Directory | null {
  const tail = bytes.subarray(Math.max(0, bytes.length - END_BYTES))
  const found = tail.lastIndexOf(END_TEXT, undefined, 'latin1')
  if (found < 0) return null
  const at = bytes.length - tail.length + found
  if (at + 22 > bytes.length) return null
  const wide = wideEnd(bytes, at)
  const end = wide?.at ?? at
  const size = wide?.size ?? bytes.readUInt32LE(at + 12)
  const offset = wide?.offset ?? bytes.readUInt32LE(at + 16)
  const count = wide?.count ?? bytes.readUInt16LE(at + 10)
  for (const start of [end - size, offset]) {
    if (start < 0 || start > end) continue
    if ((count === 0 && start === end) || u32(bytes, start) === DIRECTORY)
      return { start, end, count, shift: Math.max(0, start - offset) }
  }
  return null
}

/** The end record for archives beyond 4 GB or 65535 entries. */
function wideEnd(
  bytes: Buffer,
  end: number,
): { readonly at: number; readonly size: number; readonly offset: number; readonly count: number } | null {
  if (end < 20 || u32(bytes, end - 20) !== LOCATOR64) return null
  for (const at of [Number(bytes.readBigUInt64LE(end - 12)), end - 76]) {
    if (at < 0 || at + 56 > bytes.length || u32(bytes, at) !== END64) continue
    const wide = (offset: number): number => Number(bytes.readBigUInt64LE(at + offset))
    return { at, count: wide(32), size: wide(40), offset: wide(48) }
  }
  return null
}

/** `flags` is told what is wrong with the archive as a whole. */
export function readZip(bytes: Buffer, budget: UnpackingBudget, flags: Set<PartFlag>): RawArchive {
  const directory = findZipEnd(bytes)
  if (directory === null) {
    flags.add('archive-damaged')
    const entries = [...localEntries(bytes, 0, bytes.length, budget)]
    return { entries, count: entries.length, type: null }
  }
  const files = readDirectory(bytes, directory)
  if (files.length < directory.count) flags.add('archive-damaged')
  const type = typeByNames(files)
  return { entries: allEntries(bytes, directory, files, budget, flags), count: files.length, type }
}

function readDirectory(bytes: Buffer, { start, end }: Directory): readonly DirectoryEntry[] {
  const files: DirectoryEntry[] = []
  let at = start
  while (at + 46 <= end && u32(bytes, at) === DIRECTORY) {
    const nameEnd = at + 46 + bytes.readUInt16LE(at + 28)
    const extraEnd = nameEnd + bytes.readUInt16LE(at + 30)
    const narrow = {
      sizeBytes: u32(bytes, at + 24),
      compressedBytes: u32(bytes, at + 20),
      offset: u32(bytes, at + 42),
    }
    const flags = bytes.readUInt16LE(at + 8)
    files.push({
      name: guessText(bytes.subarray(at + 46, nameEnd)),
      isEncrypted: (flags & 0x41) !== 0,
      isStreamed: (flags & 8) !== 0,
      method: bytes.readUInt16LE(at + 10),
      ...widened(narrow, bytes.subarray(nameEnd, extraEnd)),
    })
    at = extraEnd + bytes.readUInt16LE(at + 32)
  }
  return files
}

/** Numbers too long for their fields stand in an extra field, in this order. */
function widened<T extends Readonly<Record<string, number>>>(narrow: T, extra: Buffer): T {
  if (!Object.values(narrow).includes(UNKNOWN)) return narrow
  for (let at = 0; at + 4 <= extra.length; at += 4 + extra.readUInt16LE(at + 2)) {
    if (extra.readUInt16LE(at) !== 1) continue
    const field = extra.subarray(at + 4, at + 4 + extra.readUInt16LE(at + 2))
    let next = 0
    const values = Object.entries(narrow).map(([name, value]) => {
      if (value !== UNKNOWN || next + 8 > field.length) return [name, value]
      next += 8
      return [name, Number(field.readBigUInt64LE(next - 8))]
    })
    return Object.fromEntries(values) as T
  }
  return narrow
}

function readLocal(bytes: Buffer, at: number): LocalFile | null {
  if (at < 0 || at + 30 > bytes.length || u32(bytes, at) !== LOCAL) return null
  const flags = bytes.readUInt16LE(at + 6)
  const nameEnd = at + 30 + bytes.readUInt16LE(at + 26)
  const dataStart = nameEnd + bytes.readUInt16LE(at + 28)
  const narrow = { sizeBytes: u32(bytes, at + 22), compressedBytes: u32(bytes, at + 18) }
  return {
    name: guessText(bytes.subarray(at + 30, nameEnd)),
    isEncrypted: (flags & 0x41) !== 0,
    isStreamed: (flags & 8) !== 0,
    method: bytes.readUInt16LE(at + 8),
    ...widened(narrow, bytes.subarray(nameEnd, dataStart)),
    dataStart,
  }
}

function* allEntries(
  bytes: Buffer,
  { start, shift }: Directory,
  files: readonly DirectoryEntry[],
  budget: UnpackingBudget,
  flags: Set<PartFlag>,
): Generator<RawEntry, void, undefined> {
  const used: (readonly [from: number, to: number])[] = []
  for (const file of files) {
    const local = readLocal(bytes, file.offset + shift)
    if (local !== null) used.push([file.offset + shift, local.dataStart + file.compressedBytes])
  }
  used.sort(([a], [b]) => a - b)
  if (used.some(([from], index) => from < (used[index - 1]?.[1] ?? 0))) flags.add('entries-overlap')
  // First what hides: behind a thousand entries of the directory nobody would come to it.
  let free = 0
  for (const [from, to] of [...used, [start, start] as const]) {
    if (from > free) yield* localEntries(bytes, free, from, budget, true)
    free = Math.max(free, to)
  }
  for (const file of files) {
    const local = readLocal(bytes, file.offset + shift)
    const differs = local !== null && isDifferent(file, local)
    const entryFlags = new Set<PartFlag>(differs ? ['headers-differ'] : [])
    if (local === null) entryFlags.add('archive-damaged')
    yield entryOf(bytes, file, local, entryFlags, budget)
    if (local !== null && local.name !== file.name)
      yield entryOf(bytes, local, null, new Set(['headers-differ']), budget)
  }
}

function isDifferent(file: DirectoryEntry, local: LocalFile): boolean {
  if (file.name !== local.name || file.isEncrypted !== local.isEncrypted || file.method !== local.method)
    return true
  if (local.isStreamed) return false
  return file.compressedBytes !== local.compressedBytes || file.sizeBytes !== local.sizeBytes
}

/** Files found by what stands in front of them, where no directory leads. */
function* localEntries(
  bytes: Buffer,
  from: number,
  to: number,
  budget: UnpackingBudget,
  isHidden = false,
): Generator<RawEntry, void, undefined> {
  let at = from
  for (let count = 0; count <= MAX_ENTRIES; count++) {
    at = bytes.indexOf(LOCAL_TEXT, at, 'latin1')
    if (at < 0 || at >= to) return
    const local = readLocal(bytes, at)
    if (local === null) return
    const isKnown = !local.isStreamed && local.compressedBytes !== UNKNOWN
    const size = isKnown ? local.compressedBytes : Math.max(0, to - local.dataStart)
    const flags = new Set<PartFlag>(isHidden ? ['not-in-directory'] : [])
    const sizes = isKnown ? {} : { compressedBytes: size, sizeBytes: UNKNOWN }
    yield entryOf(bytes, { ...local, ...sizes }, local, flags, budget)
    at = isKnown ? local.dataStart + size : local.dataStart
  }
}

function entryOf(
  bytes: Buffer,
  file: FileHeader,
  local: LocalFile | null,
  flags: Set<PartFlag>,
  budget: UnpackingBudget,
): RawEntry {
  return {
    name: file.name,
    declaredBytes: file.sizeBytes === UNKNOWN ? null : file.sizeBytes,
    compressedBytes: file.compressedBytes,
    isEncrypted: file.isEncrypted,
    flags,
    read: (told) => {
      if (local === null || file.compressedBytes === 0) return null
      const packed = bytes.subarray(local.dataStart, local.dataStart + file.compressedBytes)
      if (packed.length < file.compressedBytes) told.add('archive-damaged')
      if (file.method === 0) return { bytes: packed, isWhole: packed.length === file.compressedBytes }
      const packing = PACKINGS[file.method]
      if (packing !== undefined) return budget.unpack(packed, packing, told)
      told.add('not-opened')
      return null
    },
  }
}

/** Some documents and programs are zips with files of certain names. */
function typeByNames(files: readonly DirectoryEntry[]): DetectedType {
  if (files.some(({ name }) => name === '[Content_Types].xml')) return 'ooxml'
  if (files[0]?.name === 'mimetype') return 'odf'
  return files.some(({ name }) => name.toUpperCase() === 'META-INF/MANIFEST.MF') ? 'jar' : 'zip'
}

function u32(bytes: Buffer, at: number): number {
  return at >= 0 && at + 4 <= bytes.length ? bytes.readUInt32LE(at) : 0
}
