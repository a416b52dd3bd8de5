/** The answer to "what is inside this message": every part looked at, cut to a size that can be sent on. */
import { createHash } from 'node:crypto'
import type { MessageFlag, MessagePart, MessageParts } from '../mail/message-parts.ts'
import { ArchiveReader } from './archive.ts'
import { decodeCharset } from './charset.ts'
import { UnpackingBudget } from './inflate.ts'
import { MAX_ANSWER_BYTES, MAX_NAME_CHARS, MAX_PARAMETERS } from './limits.ts'
import { OpenedMessage, type OpenedPart } from './opened-message.ts'

const NOTHING = Buffer.alloc(0)
/** For what stands around the parts. */
const FRAME_BYTES = 1024

/** @returns MessageParts as JSON, at most 256 KB */
export function messagePartsJson(bytes: Buffer, isCut: boolean): string {
  const opened = new OpenedMessage(bytes)
  const archives = new ArchiveReader(new UnpackingBudget())
  const parts: string[] = []
  const flags = new Set<MessageFlag>(isCut ? ['size-limit'] : [])
  let left = MAX_ANSWER_BYTES - FRAME_BYTES
  for (const part of opened.parts()) {
    const json = withinBytes(describe(part, archives), left)
    left -= Buffer.byteLength(json.text) + 1
    if (json.text !== '') parts.push(json.text)
    if (json.isCut) flags.add('answer-cut')
    if (json.text === '') break
  }
  const all: Pick<MessageParts, 'sizeBytes' | 'flags'> = {
    sizeBytes: bytes.length,
    flags: [...flags, ...opened.flags],
  }
  return `${JSON.stringify(all).slice(0, -1)},"parts":[${parts.join(',')}]}`
}

/** A part as JSON: without entries that do not fit, '' when nothing of it fits. */
function withinBytes(part: MessagePart, most: number): { readonly text: string; readonly isCut: boolean } {
  const whole = JSON.stringify(part)
  if (Buffer.byteLength(whole) <= most) return { text: whole, isCut: false }
  let left = most - Buffer.byteLength(JSON.stringify({ ...part, entries: [] }))
  if (left < 0) return { text: '', isCut: true }
  const entries = part.entries.filter((entry) => {
    left -= Buffer.byteLength(JSON.stringify(entry)) + 1
    return left >= 0
  })
  return { text: JSON.stringify({ ...part, entries }), isCut: true }
}

function describe({ span, content, flags }: OpenedPart, archives: ArchiveReader): MessagePart {
  const { type, disposition, encoding } = span.header
  const isLeaf = span.kind === 'leaf'
  const listing = archives.list(isLeaf ? content : NOTHING)
  for (const flag of listing.flags) flags.add(flag)
  const charset = type.parameters.get('charset') ?? null
  if (charset !== null && decodeCharset(NOTHING, charset) === null) flags.add('charset-unknown')
  const attached = disposition?.parameters.get('filename') ?? null
  const named = type.parameters.get('name') ?? null
  if (attached !== null && named !== null && attached !== named) flags.add('names-differ')
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
