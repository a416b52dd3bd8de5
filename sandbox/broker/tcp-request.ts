/** An exchange over TCP as a plugin writes it, read field by field. */
import { EffectRefused } from './effect.ts'

/** What is sent: octets, the message as received, or it in pieces each behind its length. */
export type TcpPiece =
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  | { readonly kind: 'message' | 'framed-message' }

export interface PluginExchange {
  readonly target: string
  readonly pieces: readonly TcpPiece[]
  readonly end: boolean
  readonly until: Uint8Array | null
  readonly maxAnswerBytes: number
  readonly timeoutMs: number
  /** The answer is told as one character an octet, not as UTF-8. */
  readonly octets: boolean
}

const MAX_PIECES = 32
const MAX_SENT_BYTES = 65_536
const MAX_UNTIL_BYTES = 64
/** Of each octet JSON may make six characters, and a result has an end. */
const MAX_ANSWER_BYTES = 32_768
const DEFAULT_TIMEOUT_MS = 5_000

/**
 * @param mostMs wall time the plugin has
 * @throws EffectRefused
 */
export function checkedExchange([target, sent, options]: readonly unknown[], mostMs: number): PluginExchange {
  const { until = null, end = false, octets = false, maxBytes, timeoutMs } = recordOf(options ?? {})
  if (typeof target !== 'string') throw new EffectRefused('a target is text')
  if (typeof end !== 'boolean' || typeof octets !== 'boolean')
    throw new EffectRefused('end and octets are true or false')
  return {
    target,
    pieces: checkedPieces(sent),
    end,
    octets,
    until: until === null ? null : checkedUntil(until),
    maxAnswerBytes: checkedNumber('maxBytes', maxBytes ?? MAX_ANSWER_BYTES, MAX_ANSWER_BYTES),
    timeoutMs: checkedNumber('timeoutMs', timeoutMs ?? Math.min(DEFAULT_TIMEOUT_MS, mostMs), mostMs),
  }
}

function checkedPieces(sent: unknown): readonly TcpPiece[] {
  const pieces = (Array.isArray(sent) ? sent : [sent]).map(checkedPiece)
  if (pieces.length > MAX_PIECES) throw new EffectRefused(`at most ${MAX_PIECES} pieces are sent`)
  const bytes = pieces.reduce((sum, piece) => sum + (piece.kind === 'bytes' ? piece.bytes.byteLength : 0), 0)
  if (bytes > MAX_SENT_BYTES)
    throw new EffectRefused(`at most ${MAX_SENT_BYTES} octets are sent beside the message`)
  return pieces
}

/** Text, `{ octets }`, the message, or `{ framed: message }`. */
function checkedPiece(piece: unknown): TcpPiece {
  if (typeof piece === 'string') return { kind: 'bytes', bytes: Buffer.from(piece) }
  const { octets, framed, sizeBytes } = recordOf(piece)
  if (octets !== undefined) return { kind: 'bytes', bytes: bytesOf(octets) }
  if (isMessage(framed)) return { kind: 'framed-message' }
  if (typeof sizeBytes === 'number') return { kind: 'message' }
  throw new EffectRefused(
    'what is sent is text, { octets }, the message, { framed: message }, or a list of them',
  )
}

function isMessage(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'sizeBytes' in value
}

/** Of one character an octet. */
function bytesOf(text: unknown): Uint8Array {
  if (typeof text !== 'string' || /[^\0-\xff]/.test(text))
    throw new EffectRefused('octets are text of characters up to U+00FF')
  return Buffer.from(text, 'latin1')
}

function checkedUntil(until: unknown): Uint8Array {
  const bytes = bytesOf(until)
  if (bytes.byteLength < 1 || bytes.byteLength > MAX_UNTIL_BYTES)
    throw new EffectRefused(`until has 1 to ${MAX_UNTIL_BYTES} octets`)
  return bytes
}

function checkedNumber(name: string, value: unknown, most: number): number {
  if (typeof value !== 'number' || !(value >= 1 && value <= most))
    throw new EffectRefused(`${name} is 1 to ${most}`)
  return Math.round(value)
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new EffectRefused('an object is expected here')
  return value as Record<string, unknown>
}
