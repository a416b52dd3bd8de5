/** The parts of a message with their decoded content, one after the other. */
import type { MessageFlag, PartFlag } from '../mail/message-parts.ts'
import { readEntityHeader } from './entity-header.ts'
import { DECODE_FACTOR, MAX_DEPTH, MAX_PARTS } from './limits.ts'
import { isIdentity, isMessageType, PartScanner, type PartSpan, type ScanCount } from './part-scanner.ts'
import { decodeBase64, decodeQuotedPrintable } from './transfer-encoding.ts'
import { uuencodedFiles } from './uuencode.ts'

export interface OpenedPart {
  readonly span: PartSpan
  /** Decoded; of a multipart or message as it stands there. */
  readonly content: Buffer
  readonly flags: Set<PartFlag>
}

const BASE64 = new Set(['base64', 'x-base64', 'b'])
const UUENCODE = new Set(['x-uuencode', 'uuencode', 'x-uue', 'uue'])
/** Octets a small message may decode to nevertheless. */
const LEAST_DECODED = 1024 * 1024

/** Opens one message. Not to be used twice. */
export class OpenedMessage {
  readonly #bytes: Buffer
  readonly #count: ScanCount = { parts: 0, flags: new Set() }
  #decodedLeft: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#decodedLeft = bytes.length * DECODE_FACTOR + LEAST_DECODED
  }

  /** Limits reached so far. */
  get flags(): ReadonlySet<MessageFlag> {
    return this.#count.flags
  }

  /** Each part before those inside it. */
  *parts(): Generator<OpenedPart, void, undefined> {
    yield* this.#open(this.#bytes, new PartScanner(this.#bytes, this.#count).scanMessage('1', 0))
  }

  *#open(bytes: Buffer, spans: readonly PartSpan[]): Generator<OpenedPart, void, undefined> {
    for (const span of spans) {
      const body = bytes.subarray(span.bodyStart, span.bodyEnd)
      const { type, encoding } = { type: span.header.type.value, encoding: span.header.encoding }
      if (span.kind === 'leaf') yield* this.#leaf(span, this.#decode(body, span))
      else {
        yield { span, content: body, flags: span.flags }
        // Forbidden, and undone by some programs; where delimiters stand in the clear, nobody undoes it.
        if (type.startsWith('multipart/') && !isIdentity(encoding) && span.children === 0) {
          const inside = this.#decode(body, span)
          yield* this.#open(inside, new PartScanner(inside, this.#count).scanInside(span))
        }
      }
    }
  }

  *#leaf(span: PartSpan, content: Buffer): Generator<OpenedPart, void, undefined> {
    const { path, depth, header } = span
    const isMessage = isMessageType(header.type.value)
    if (isMessage && depth >= MAX_DEPTH) span.flags.add('depth-limit')
    yield { span, content, flags: span.flags }
    if (isMessage && depth < MAX_DEPTH) {
      yield* this.#open(content, new PartScanner(content, this.#count).scanMessage(`${path}.1`, depth + 1))
    } else if (header.type.value === 'text/plain') yield* this.#filesInText(span, content)
  }

  /** Files in plain text are parts too, numbered as if the text were a multipart. */
  *#filesInText({ path, depth }: PartSpan, content: Buffer): Generator<OpenedPart, void, undefined> {
    let number = 0
    for (const { name, bytes, isDamaged } of uuencodedFiles(content, MAX_PARTS - this.#count.parts)) {
      this.#count.parts++
      const quoted = name.replace(/[\\"]/g, '\\$&')
      const field = `Content-Type: application/octet-stream; name="${quoted}"\r\nContent-Transfer-Encoding: uuencode\r\n`
      const flags = new Set<PartFlag>(isDamaged ? ['encoding-damaged'] : [])
      const span: PartSpan = {
        path: `${path}.${++number}`,
        depth: depth + 1,
        kind: 'leaf',
        bodyStart: 0,
        bodyEnd: 0,
        children: 0,
        flags,
        header: readEntityHeader(Buffer.from(field, 'latin1'), 'application/octet-stream'),
      }
      yield { span, content: bytes, flags }
    }
  }

  #decode(body: Buffer, { header, flags }: PartSpan): Buffer {
    const { encoding } = header
    if (isIdentity(encoding)) return body
    if (body.length > this.#decodedLeft) {
      flags.add('decode-limit')
      return body
    }
    this.#decodedLeft -= body.length
    if (UUENCODE.has(encoding)) return uuencodedFiles(body, 1)[0]?.bytes ?? body
    const isBase64 = BASE64.has(encoding)
    if (!isBase64 && encoding !== 'quoted-printable') {
      flags.add('encoding-unknown')
      return body
    }
    const { bytes, isDamaged } = isBase64 ? decodeBase64(body) : decodeQuotedPrintable(body)
    if (isDamaged) flags.add('encoding-damaged')
    return bytes
  }
}
