/** What a plughost says, read without believing it: every frame has one of these shapes or the plughost is condemned. */
import type { Frame } from './frames.ts'
import { TO_WORKER } from './messages.ts'

export interface RawReport {
  readonly plugin: number
  readonly kind: 0 | 1 | 2 | 3
  readonly cpuMicros: number
  readonly wallMicros: number
  /** Answer or fault, unchecked. */
  readonly body: unknown
}

export type HostMessage =
  | { readonly type: 'ready' }
  | {
      readonly type: 'loaded'
      readonly plugin: number
      readonly manifest: unknown
      readonly heapBytes: number
      readonly wallMicros: number
    }
  | { readonly type: 'load-failed'; readonly plugin: number; readonly fault: RawFault }
  | {
      readonly type: 'quiet'
      readonly calls: readonly number[]
      /** Of every one of the calls. */
      readonly reports: readonly RawReport[]
    }
  | { readonly type: 'reports'; readonly call: number; readonly reports: readonly RawReport[] }
  | {
      readonly type: 'effect'
      readonly call: number
      readonly effect: number
      readonly plugin: number
      readonly method: string
      readonly args: readonly unknown[]
      /** Size of the request. */
      readonly chars: number
    }
  | {
      readonly type: 'log'
      readonly call: number
      readonly plugin: number
      readonly level: 'info' | 'warn'
      readonly text: string
      readonly fields: Readonly<Record<string, unknown>>
    }
  | { readonly type: 'progress'; readonly dealtWith: number }

export interface RawFault {
  readonly kind: string
  readonly message: string
  readonly stack: string
}

/** A plughost that does not speak the protocol. */
export class ProtocolViolation extends Error {}

const MAX_TEXT_CHARS = 4000
/** Deeper than an isolate can write; JSON of a million levels holds the worker up for half a second. */
const MAX_DEPTH = 20_000

/** @throws ProtocolViolation */
export function parseHostFrame({ type, id, payload }: Frame): HostMessage {
  switch (type) {
    case TO_WORKER.ready:
      return { type: 'ready' }
    case TO_WORKER.progress:
      return { type: 'progress', dealtWith: id }
    case TO_WORKER.reports:
      return { type: 'reports', call: id, reports: list(json(payload)).map(parseReport) }
    case TO_WORKER.quiet:
      return parseQuiet(list(json(payload)))
    case TO_WORKER.loaded:
      return parseLoaded(id, record(json(payload)))
    case TO_WORKER.loadFailed:
      return { type: 'load-failed', plugin: id, fault: parseFault(json(payload)) }
    case TO_WORKER.effect:
      return parseEffect(id, list(json(payload)), payload.length)
    case TO_WORKER.log:
      return parseLog(id, list(json(payload)))
    default:
      throw new ProtocolViolation(`a frame of type ${type}`)
  }
}

function parseQuiet([calls, reports]: readonly unknown[]): HostMessage {
  const raw = list(reports).map(parseReport)
  if (raw.some(({ kind }) => kind !== 0)) throw new ProtocolViolation('an opinion of somebody who has none')
  return { type: 'quiet', calls: list(calls).map(number), reports: raw }
}

function parseLoaded(
  plugin: number,
  { manifest, heapBytes, wallMicros }: Readonly<Record<string, unknown>>,
): HostMessage {
  return {
    type: 'loaded',
    plugin,
    manifest,
    heapBytes: number(heapBytes),
    wallMicros: number(wallMicros),
  }
}

/** A fault as the plughost tells it, cut to size. */
export function parseFault(value: unknown): RawFault {
  const { kind, message, stack } = record(value)
  return { kind: text(kind), message: text(message), stack: text(stack) }
}

function parseReport(value: unknown): RawReport {
  const [plugin, kind, cpuMicros, wallMicros, body] = list(value)
  if (kind !== 0 && kind !== 1 && kind !== 2 && kind !== 3) throw new ProtocolViolation('a report of no kind')
  return { plugin: number(plugin), kind, cpuMicros: number(cpuMicros), wallMicros: number(wallMicros), body }
}

function parseEffect(
  call: number,
  [effect, plugin, method, args]: readonly unknown[],
  chars: number,
): HostMessage {
  return {
    type: 'effect',
    call,
    effect: number(effect),
    plugin: number(plugin),
    method: text(method),
    args: list(args),
    chars,
  }
}

function parseLog(call: number, [plugin, level, line, fields]: readonly unknown[]): HostMessage {
  return {
    type: 'log',
    call,
    plugin: number(plugin),
    level: level === 'warn' ? 'warn' : 'info',
    text: text(line),
    fields: typeof fields === 'object' && fields !== null ? (fields as Record<string, unknown>) : {},
  }
}

function json(payload: string): unknown {
  if (payload.length > MAX_DEPTH && isTooDeep(payload))
    throw new ProtocolViolation('lists in lists without end')
  try {
    return JSON.parse(payload)
  } catch {
    throw new ProtocolViolation('a payload that is no JSON')
  }
}

/** Whether lists and objects are nested too deep; brackets inside of texts do not count. */
function isTooDeep(payload: string): boolean {
  let depth = 0
  for (const [token] of payload.matchAll(/"(?:[^"\\]|\\.)*"|[[{]+|[\]}]+/g)) {
    if (token.startsWith('"')) continue
    depth += /^[[{]/.test(token) ? token.length : -token.length
    if (depth > MAX_DEPTH) return true
  }
  return false
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new ProtocolViolation('a list was expected')
  return value
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new ProtocolViolation('an object was expected')
  return value as Record<string, unknown>
}

function number(value: unknown): number {
  if (typeof value !== 'number' || !Number.isFinite(value))
    throw new ProtocolViolation('a number was expected')
  return value
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new ProtocolViolation('text was expected')
  return value.slice(0, MAX_TEXT_CHARS)
}
