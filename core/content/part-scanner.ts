/**
 * Finds the parts of a message in one pass (RFC 2046 §5.1): every line that begins with two hyphens is looked up among
 * the boundaries that are open, whatever the depth. Nothing is decoded here.
 */
import type { MessageFlag, PartFlag } from '../mail/message-parts.ts'
import { type EntityHeader, readEntityHeader } from './entity-header.ts'
import { MAX_BOUNDARY_CHARS, MAX_DEPTH, MAX_HEADER_BYTES, MAX_PARTS } from './limits.ts'

/** One entity: where it lies in the octets that were scanned. */
export interface PartSpan {
  readonly path: string
  /** Entities around it. */
  readonly depth: number
  readonly header: EntityHeader
  /** `multipart` and `message`: others lie inside. */
  readonly kind: 'multipart' | 'message' | 'leaf'
  readonly bodyStart: number
  bodyEnd: number
  /** Parts found inside, one level down. */
  children: number
  readonly flags: Set<PartFlag>
}

/** What all scans of one message share. */
export interface ScanCount {
  parts: number
  readonly flags: Set<MessageFlag>
}

interface OpenSpan {
  readonly span: PartSpan
  /** null: nothing but the end of another one ends it. */
  readonly boundary: string | null
  isClosed: boolean
}

const LF = 0x0a
const CR = 0x0d
const HYPHEN = 0x2d
/** Encodings that leave lines as they are, so that what lies inside can be found without decoding. */
const IDENTITY = new Set(['7bit', '8bit', 'binary'])

export function isIdentity(encoding: string): boolean {
  return IDENTITY.has(encoding)
}

export class PartScanner {
  readonly #bytes: Buffer
  readonly #count: ScanCount
  readonly #found: PartSpan[] = []
  readonly #open: OpenSpan[] = []
  readonly #byBoundary = new Map<string, OpenSpan[]>()

  constructor(bytes: Buffer, count: ScanCount) {
    this.#bytes = bytes
    this.#count = count
  }

  /** Scans a whole message. @returns its parts, each before those inside it */
  scanMessage(path: string, depth: number): readonly PartSpan[] {
    this.#scan(this.#begin(0, path, depth, 'text/plain'))
    return this.#found
  }

  /** Scans the decoded body of a multipart. @returns what lies inside, without the multipart itself */
  scanInside({ header, path, depth }: PartSpan): readonly PartSpan[] {
    const span: PartSpan = {
      header,
      path,
      depth,
      kind: 'multipart',
      bodyStart: 0,
      bodyEnd: this.#bytes.length,
      children: 0,
      flags: new Set(),
    }
    this.#enter(span)
    this.#scan(0)
    return this.#found
  }

  /** @param from where the next delimiter may stand; null: the limit of parts was reached */
  #scan(from: number | null): void {
    const bytes = this.#bytes
    let at = from
    while (at !== null) {
      at = this.#nextHyphens(at)
      if (at < 0) break
      const lineEnd = this.#lineEnd(at)
      const open = this.#delimiter(at, lineEnd)
      at = open === null ? at + 2 : this.#meet(open.open, open.isClosing, at, lineEnd)
    }
    const end = at === null || at < 0 ? bytes.length : at
    while (this.#open.length > 0) this.#close(end, true)
  }

  /** Start of the next line that begins with two hyphens, -1 when there is none. */
  #nextHyphens(from: number): number {
    const bytes = this.#bytes
    if (from === 0 && bytes[0] === HYPHEN && bytes[1] === HYPHEN) return 0
    const found = bytes.indexOf('\n--', Math.max(0, from - 1), 'latin1')
    return found < 0 ? -1 : found + 1
  }

  /** The multipart whose delimiter the line is (RFC 2046 §5.1.1), the innermost of several. */
  #delimiter(at: number, lineEnd: number): { readonly open: OpenSpan; readonly isClosing: boolean } | null {
    if (this.#byBoundary.size === 0 || lineEnd - at > MAX_BOUNDARY_CHARS * 2) return null
    const text = this.#bytes.toString('latin1', at + 2, lineEnd).trimEnd()
    const exact = this.#byBoundary.get(text)?.at(-1)
    if (exact !== undefined) return { open: exact, isClosing: false }
    if (!text.endsWith('--')) return null
    const closing = this.#byBoundary.get(text.slice(0, -2).trimEnd())?.at(-1)
    return closing === undefined ? null : { open: closing, isClosing: true }
  }

  /** A delimiter ends what is open inside its multipart, and begins a part there or ends it. */
  #meet(open: OpenSpan, isClosing: boolean, at: number, lineEnd: number): number | null {
    while (this.#open.at(-1) !== open) this.#close(this.#beforeLineEnd(at), true)
    if (isClosing) {
      open.isClosed = true
      // Inside another one with the same boundary, what comes belongs to that.
      if ((this.#byBoundary.get(open.boundary as string)?.length ?? 0) > 1) this.#close(at, false)
      return lineEnd
    }
    const { span } = open
    const path = `${span.path}.${++span.children}`
    const defaultType = span.header.type.value === 'multipart/digest' ? 'message/rfc822' : 'text/plain'
    return this.#begin(
      Math.min(lineEnd + 1, this.#bytes.length),
      path,
      span.depth + 1,
      defaultType,
      open.isClosed,
    )
  }

  /** An entity begins, and with a message the one inside it. @returns where to go on, null: no more parts */
  #begin(
    start: number,
    firstPath: string,
    firstDepth: number,
    firstType: string,
    isBehindEnd = false,
  ): number | null {
    let [at, path, depth, defaultType] = [start, firstPath, firstDepth, firstType]
    for (;;) {
      if (this.#count.parts >= MAX_PARTS) {
        this.#count.flags.add('parts-limit')
        return null
      }
      this.#count.parts++
      const { block, bodyStart, isLong } = this.#headerBlock(at)
      const header = readEntityHeader(block, defaultType)
      const flags = new Set<PartFlag>(header.flags)
      if (isLong) flags.add('header-limit')
      if (isBehindEnd && path === firstPath) flags.add('behind-end')
      const kind = this.#kindOf(header, depth, flags)
      const span: PartSpan = {
        path,
        depth,
        header,
        kind,
        bodyStart,
        bodyEnd: this.#bytes.length,
        children: 0,
        flags,
      }
      this.#found.push(span)
      this.#enter(span)
      if (kind !== 'message') return bodyStart
      span.children = 1
      at = bodyStart
      path += '.1'
      depth++
      defaultType = 'text/plain'
    }
  }

  #kindOf(header: EntityHeader, depth: number, flags: Set<PartFlag>): PartSpan['kind'] {
    const type = header.type.value
    const isMultipart = type.startsWith('multipart/')
    const isMessage = isMessageType(type) && isIdentity(header.encoding)
    if (!isMultipart && !isMessage) return 'leaf'
    if (depth >= MAX_DEPTH) {
      flags.add('depth-limit')
      return 'leaf'
    }
    if (isMessage) return 'message'
    if (!isIdentity(header.encoding)) flags.add('encoded-multipart')
    if (boundaryOf(header) !== null) return 'multipart'
    flags.add('no-boundary')
    return 'leaf'
  }

  #enter(span: PartSpan): void {
    const boundary = span.kind === 'multipart' ? boundaryOf(span.header) : null
    const open: OpenSpan = { span, boundary, isClosed: false }
    this.#open.push(open)
    if (boundary === null) return
    const same = this.#byBoundary.get(boundary) ?? []
    if (same.length > 0) span.flags.add('boundary-repeated')
    same.push(open)
    this.#byBoundary.set(boundary, same)
  }

  /** Ends the innermost entity. */
  #close(end: number, isForced: boolean): void {
    const open = this.#open.pop()
    if (open === undefined) return
    open.span.bodyEnd = Math.max(open.span.bodyStart, end)
    if (open.boundary === null) return
    if (isForced && !open.isClosed) open.span.flags.add('unclosed')
    const same = this.#byBoundary.get(open.boundary)
    same?.pop()
    if (same?.length === 0) this.#byBoundary.delete(open.boundary)
  }

  /** The header that begins at `start`: to the empty line, to a delimiter where there is none, or to the end. */
  #headerBlock(start: number): {
    readonly block: Buffer
    readonly bodyStart: number
    readonly isLong: boolean
  } {
    const bytes = this.#bytes
    let at = start
    let bodyStart = bytes.length
    while (at < bytes.length) {
      const lineEnd = this.#lineEnd(at)
      if (lineEnd === at || (lineEnd === at + 1 && bytes[at] === CR)) {
        bodyStart = Math.min(lineEnd + 1, bytes.length)
        break
      }
      if (bytes[at] === HYPHEN && bytes[at + 1] === HYPHEN && this.#delimiter(at, lineEnd) !== null) {
        bodyStart = at
        break
      }
      at = lineEnd + 1
    }
    const end = Math.min(at, bytes.length)
    const isLong = end - start > MAX_HEADER_BYTES
    return { block: bytes.subarray(start, Math.min(end, start + MAX_HEADER_BYTES)), bodyStart, isLong }
  }

  /** Index of the line feed that ends the line, or the end of everything. */
  #lineEnd(at: number): number {
    const found = this.#bytes.indexOf(LF, at)
    return found < 0 ? this.#bytes.length : found
  }

  /** The line end in front of a delimiter belongs to it (RFC 2046 §5.1.1). */
  #beforeLineEnd(at: number): number {
    const bytes = this.#bytes
    if (at === 0 || bytes[at - 1] !== LF) return at
    return bytes[at - 2] === CR ? at - 2 : at - 1
  }
}

/** Types whose content is a message of its own (RFC 2046 §5.2.1, RFC 6532 §3.7). */
export function isMessageType(type: string): boolean {
  return type === 'message/rfc822' || type === 'message/global' || type === 'message/news'
}

function boundaryOf({ type }: EntityHeader): string | null {
  const boundary = (type.raw.get('boundary') ?? '').trimEnd()
  return boundary === '' || boundary.length > MAX_BOUNDARY_CHARS ? null : boundary
}
