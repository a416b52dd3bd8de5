/** Lists what an archive has, and what archives inside it have. */
import type { ArchiveEntry, DetectedType, PartFlag } from '../mail/message-parts.ts'
import { detectType } from './detected-type.ts'
import type { UnpackingBudget } from './inflate.ts'
import { HIGH_RATIO, HIGH_RATIO_BYTES, MAX_ARCHIVE_DEPTH, MAX_NAME_CHARS } from './limits.ts'
import { OpenedMessage } from './opened-message.ts'
import { readTar } from './tar.ts'
import { readTnef } from './tnef.ts'
import { findZipEnd, readZip } from './zip.ts'

/** An entry as its archive has it. */
export interface RawEntry {
  readonly name: string
  readonly declaredBytes: number | null
  readonly compressedBytes: number | null
  readonly isEncrypted: boolean
  /** The content, or its beginning; null when it cannot be had. Called once at most. */
  readonly read: (flags: Set<PartFlag>) => { readonly bytes: Buffer; readonly isWhole: boolean } | null
  readonly flags: Set<PartFlag>
}

/** What reading one archive tells of it. */
export interface RawArchive {
  readonly entries: Iterable<RawEntry>
  /** By its own word. */
  readonly count: number
  /** Something better than the first octets: a zip may be a document. */
  readonly type: DetectedType | null
}

export interface Listing {
  readonly entries: ArchiveEntry[]
  readonly entryCount: number
  readonly type: DetectedType | null
  readonly flags: Set<PartFlag>
}

const NOT_OPENED = new Set<DetectedType>([
  'bzip2',
  'xz',
  'rar',
  '7z',
  'cab',
  'arj',
  'lha',
  'ace',
  'iso',
  'ar',
])
/** Text has no octets that tell a message from a letter. */
const MESSAGE_NAME = /\.(?:eml|mht|mhtml)$/i
const ZIPS = new Set<DetectedType>(['zip', 'ooxml', 'odf', 'jar'])

/** Reads archives of one message, one after the other. */
export class ArchiveReader {
  readonly #budget: UnpackingBudget

  constructor(budget: UnpackingBudget) {
    this.#budget = budget
  }

  /** Type and entries of some content. @param name of the file, '' when there is none */
  list(bytes: Buffer, name: string): Listing {
    return this.#list(bytes, name, [])
  }

  #list(bytes: Buffer, name: string, within: readonly string[]): Listing {
    const detected = detectType(bytes) ?? (MESSAGE_NAME.test(name) ? 'message' : null)
    const flags = new Set<PartFlag>()
    const entries: ArchiveEntry[] = []
    const raw = this.#open(bytes, detected, flags)
    if (raw === null) return { entries, entryCount: 0, type: detected, flags }
    if (within.length >= MAX_ARCHIVE_DEPTH) {
      flags.add('depth-limit')
      return { entries, entryCount: raw.count, type: detected, flags }
    }
    for (const entry of raw.entries) {
      if (this.#budget.entriesLeft-- <= 0) {
        flags.add('entries-limit')
        break
      }
      this.#add(entry, within, entries)
    }
    return { entries, entryCount: Math.max(raw.count, 0), type: raw.type ?? detected, flags }
  }

  #add(entry: RawEntry, within: readonly string[], entries: ArchiveEntry[]): void {
    const { flags, isEncrypted, compressedBytes, declaredBytes } = entry
    const name = entry.name.slice(0, MAX_NAME_CHARS)
    const content = isEncrypted ? null : entry.read(flags)
    const inner = content === null ? null : this.#list(content.bytes, name, [...within, name])
    for (const flag of inner?.flags ?? []) flags.add(flag)
    const measured = content?.isWhole === true ? content.bytes.length : null
    if (measured !== null && declaredBytes !== null && measured !== declaredBytes) flags.add('headers-differ')
    const sizeBytes = measured ?? declaredBytes
    const seen = Math.max(sizeBytes ?? 0, content?.bytes.length ?? 0)
    if (compressedBytes !== null && seen > HIGH_RATIO_BYTES && seen > compressedBytes * HIGH_RATIO)
      flags.add('high-ratio')
    entries.push({
      name,
      within: within.join('!/').slice(0, MAX_NAME_CHARS * 2),
      sizeBytes,
      compressedBytes,
      encrypted: isEncrypted,
      detected: inner?.type ?? null,
      flags: [...flags],
    })
    entries.push(...(inner?.entries ?? []))
  }

  #open(bytes: Buffer, detected: DetectedType | null, flags: Set<PartFlag>): RawArchive | null {
    if (detected === 'tar') return readTar(bytes, flags)
    if (detected === 'tnef') return readTnef(bytes, flags)
    if (detected === 'message') return messageFile(bytes)
    if (detected === 'gzip' || detected === 'zstd') return this.#single(bytes, detected)
    if (detected !== null && ZIPS.has(detected)) return readZip(bytes, this.#budget, flags)
    if (detected !== null && NOT_OPENED.has(detected)) flags.add('not-opened')
    if (findZipEnd(bytes) === null) return null
    // A picture or a program with an archive behind it is both, depending on who opens it.
    flags.add('archive-behind')
    return { ...readZip(bytes, this.#budget, flags), type: detected }
  }

  /** A file packed alone: an archive with one entry. */
  #single(bytes: Buffer, packing: 'gzip' | 'zstd'): RawArchive {
    const entry: RawEntry = {
      name: packing === 'gzip' ? gzipName(bytes) : '',
      declaredBytes: null,
      compressedBytes: bytes.length,
      isEncrypted: false,
      read: (flags) => this.#budget.unpack(bytes, packing, flags),
      flags: new Set(),
    }
    return { entries: [entry], count: 1, type: packing }
  }
}

/** A message kept as a file: what it has attached is listed as if it were an archive. */
function messageFile(bytes: Buffer): RawArchive {
  const leaves = [...new OpenedMessage(bytes).parts()].filter(({ span }) => span.kind === 'leaf')
  const entries = leaves.map(({ span, content, flags }): RawEntry => {
    const { disposition, type } = span.header
    return {
      name: disposition?.parameters.get('filename') ?? type.parameters.get('name') ?? `part ${span.path}`,
      declaredBytes: content.length,
      compressedBytes: null,
      isEncrypted: false,
      read: () => ({ bytes: content, isWhole: true }),
      flags,
    }
  })
  return { entries, count: entries.length, type: 'message' }
}

/** Name of the file, when the header has one (RFC 1952 §2.3.1). */
function gzipName(bytes: Buffer): string {
  const flags = bytes[3] ?? 0
  if ((flags & 8) === 0) return ''
  const start = 10 + ((flags & 4) === 0 || bytes.length < 12 ? 0 : 2 + bytes.readUInt16LE(10))
  const end = bytes.subarray(start, start + MAX_NAME_CHARS * 4).indexOf(0)
  return end < 0 ? '' : bytes.toString('latin1', start, start + end)
}
