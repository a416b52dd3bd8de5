/** A request as a plugin writes it, read field by field (RFC 9110 §5.5, §9.1). */
import { EffectRefused } from './effect.ts'

export interface PluginRequest {
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** The message as received, text, or none. */
  readonly body: { readonly kind: 'message' } | { readonly kind: 'text'; readonly text: string } | null
  readonly timeoutMs: number
}

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']
const MAX_URL_CHARS = 4_000
const MAX_HEADERS = 32
const MAX_BODY_BYTES = 256 * 1024
const DEFAULT_TIMEOUT_MS = 5_000
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/
const VALUE = /^[\t\x20-\x7e]{0,4000}$/
/** Of the connection and its framing: ours to write. */
const RESERVED = new Set([
  'host',
  'connection',
  'content-length',
  'expect',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
])

/**
 * @param mostMs wall time the plugin has
 * @throws EffectRefused
 */
export function checkedRequest([target, options]: readonly unknown[], mostMs: number): PluginRequest {
  const { method = 'GET', headers = {}, body = null, timeoutMs } = recordOf(options)
  const waitMs = timeoutMs ?? Math.min(DEFAULT_TIMEOUT_MS, mostMs)
  if (typeof method !== 'string' || !METHODS.includes(method))
    throw new EffectRefused(`a method is one of ${METHODS.join(', ')}`)
  if (typeof waitMs !== 'number' || !(waitMs >= 1 && waitMs <= mostMs))
    throw new EffectRefused(`timeoutMs is 1 to ${mostMs} at this hook`)
  return {
    url: checkedUrl(target),
    method,
    headers: checkedHeaders(headers),
    body: checkedBody(body),
    timeoutMs: Math.round(waitMs),
  }
}

function checkedUrl(text: unknown): URL {
  if (typeof text !== 'string' || text.length > MAX_URL_CHARS || !URL.canParse(text))
    throw new EffectRefused(`a URL is absolute and has at most ${MAX_URL_CHARS} characters`)
  const url = new URL(text)
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new EffectRefused('a URL begins with http:// or https://')
  // They would be sent, and shown where URLs are.
  if (url.username !== '' || url.password !== '')
    throw new EffectRefused('a URL has no user and password; put a secret into a header')
  return url
}

function checkedHeaders(headers: unknown): Readonly<Record<string, string>> {
  const entries = Object.entries(recordOf(headers))
  if (entries.length > MAX_HEADERS) throw new EffectRefused(`a request has at most ${MAX_HEADERS} headers`)
  for (const [name, value] of entries) {
    if (!TOKEN.test(name) || RESERVED.has(name.toLowerCase()))
      throw new EffectRefused(`a request cannot have the header ${JSON.stringify(name)}`)
    if (typeof value !== 'string' || !VALUE.test(value))
      throw new EffectRefused(`the header ${name} is text of printable US-ASCII`)
  }
  return Object.fromEntries(entries) as Record<string, string>
}

/** `{ text }`, `{ message: true }` for the message as received, or nothing. */
function checkedBody(body: unknown): PluginRequest['body'] {
  if (body === null) return null
  if (typeof body === 'object' && (body as { message?: unknown }).message === true) return { kind: 'message' }
  const text = recordOf(body)['text']
  if (typeof text !== 'string' || Buffer.byteLength(text) > MAX_BODY_BYTES)
    throw new EffectRefused(`a body is text of at most ${MAX_BODY_BYTES} octets, or the message`)
  return { kind: 'text', text }
}

function recordOf(value: unknown): Readonly<Record<string, unknown>> {
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object') throw new EffectRefused('options are an object')
  return value as Record<string, unknown>
}
