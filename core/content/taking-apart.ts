/** The answer to "what is inside this message": every part looked at, cut to a size that can be sent on. */
import { createHash } from 'node:crypto'
import type { ArchiveEntry, MessageFlag, MessagePart, MessageParts } from '../mail/message-parts.ts'
import { ArchiveReader } from './archive.ts'
import { decodeCharset } from './charset.ts'
import { UnpackingBudget } from './inflate.ts'
import { MAX_ANSWER_BYTES, MAX_NAME_CHARS, MAX_PARAMETERS } from './limits.ts'
import { OpenedMessage, type OpenedPart } from './opened-message.ts'

const NOTHING = Buffer.alloc(0)
/** For what stands around the parts. */
const FRAME_BYTES = 1024
/** Of the answer, for entries of archives: long names in one part must not keep out the next. */
const ENTRIES_BYTES = MAX_ANSWER_BYTES / 2

/**
 * @param sizeBytes octets of the message, of which `bytes` may be the beginning
 * @returns MessageParts as JSON, at most 256 KB
 */
export function messagePartsJson(bytes: Buffer, sizeBytes: number): string {
  const opened = new OpenedMessage(bytes)
  const archives = new ArchiveReader(new UnpackingBudget())
  const parts: string[] = []
  const flags = new Set<MessageFlag>(sizeBytes > bytes.length ? ['size-limit'] : [])
  let left = MAX_ANSWER_BYTES - FRAME_BYTES
  let entriesLeft = ENTRIES_BYTES
  for (const opening of opened.parts()) {
    const { entries, ...part } = describe(opening, archives)
    const room = left - jsonBytes({ ...part, entries: [] }) - 1
    const listed = fitting(entries, Math.min(room, entriesLeft))
    if (room < 0 || listed.length < entries.length) flags.add('answer-cut')
    if (room < 0) break
    const json = JSON.stringify({ ...part, entries: listed } satisfies MessagePart)
    parts.push(json)
    entriesLeft -= jsonBytes(listed)
    left -= Buffer.byteLength(json) + 1
  }
  const all: Pick<MessageParts, 'sizeBytes' | 'flags'> = {
    sizeBytes,
    flags: [...flags, ...opened.flags],
  }
  return `${JSON.stringify(all).slice(0, -1)},"parts":[${parts.join(',')}]}`
}

/** The first entries, as many as have room. */
function fitting(entries: readonly ArchiveEntry[], bytes: number): readonly ArchiveEntry[] {
  let left = bytes
  const tooMany = entries.findIndex((entry) => {
    left -= jsonBytes(entry) + 1
    return left < 0
  })
  return tooMany < 0 ? entries : entries.slice(0, tooMany)
}

function jsonBytes(value: unknown): number {
  return Buffer.byteLength(JSON.stringify(value))
}

function describe({ span, content, flags }: OpenedPart, archives: ArchiveReader): MessagePart {
  const { type, disposition, encoding } = span.header
  const isLeaf = span.kind === 'leaf'
  const charset = type.parameters.get('charset') ?? null
  if (charset !== null && decodeCharset(NOTHING, charset) === null) flags.add('charset-unknown')
  const attached = disposition?.parameters.get('filename') ?? null
  const named = type.parameters.get('name') ?? null
  if (attached !== null && named !== null && attached !== named) flags.add('names-differ')
  const listing = archives.list(isLeaf ? content : NOTHING, attached ?? named ?? '')
  for (const flag of listing.flags) flags.add(flag)
  const raw = disposition?.raw.get('filename') ?? type.raw.get('name') ?? null
  return {
    path: span.path,
    type: cut(type.value),
    parameters: parametersOf(type.parameters),
    detected: listing.type,
    fileName: cutOrNull(attached ?? named),
    rawFileName: cutOrNull(raw),
    disposition: disposition === null ? null : cut(disposition.value),
    charset: cutOrNull(charset),
    encoding: cut(encoding),
    sizeBytes: content.length,
    sha256: isLeaf ? createHash('sha256').update(content).digest('hex') : null,
    entries: listing.entries,
    entryCount: listing.entryCount,
    flags: [...flags],
  }
}

function parametersOf(parameters: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const some = [...parameters].slice(0, MAX_PARAMETERS)
  return Object.fromEntries(some.map(([name, value]) => [cut(name), cut(value)]))
}

function cut(text: string): string {
  return text.slice(0, MAX_NAME_CHARS)
}

function cutOrNull(text: string | null): string | null {
  return text === null ? null : cut(text)
}
