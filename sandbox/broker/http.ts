/** Capability `http`: requests to origins the plugin has the permission for. */
import { type HttpBody, HttpFault, type HttpRequest, type HttpResponse } from '../../core/https.ts'
import type { AtOnce } from './at-once.ts'
import type { NameLookups } from './dns.ts'
import { type Caller, type Effect, type NamedEffect, PermissionDenied, Unavailable } from './effect.ts'
import { checkedRequest, type PluginRequest } from './http-request.ts'
import { type Place, Reachable } from './reachable.ts'
import type { Secrets } from './secrets.ts'
import { chunksOf, messageToSend } from './sent-message.ts'

export type HttpDoor = (request: HttpRequest) => Promise<HttpResponse>

const MAX_RESPONSE_BYTES = 1024 * 1024
const MAX_TOLD_BYTES = 3 * 1024 * 1024

export interface HttpParts {
  readonly door: HttpDoor
  readonly resolver: NameLookups
  readonly secrets: Secrets
  /** How many of one plugin's at once. */
  readonly requests: AtOnce
  /** In [0, 1): which of several addresses is first. */
  readonly random: () => number
}

export function httpEffects(parts: HttpParts): readonly NamedEffect[] {
  const fetcher = new Fetcher(parts)
  const fetch: Effect = {
    // It may change something at the other side.
    write: true,
    run: async (caller, args) => {
      try {
        return await parts.requests.during(caller.plugin, () => fetcher.fetch(caller, args))
      } catch (error) {
        if (error instanceof HttpFault) throw new Unavailable(error.message)
        throw error
      }
    },
  }
  return [['http.fetch', fetch]]
}

class Fetcher {
  readonly #parts: HttpParts
  readonly #reachable: Reachable

  constructor(parts: HttpParts) {
    this.#parts = parts
    this.#reachable = new Reachable(parts.resolver, parts.random)
  }

  async fetch(caller: Caller, args: readonly unknown[]): Promise<unknown> {
    const { door, secrets } = this.#parts
    const { url, method, headers, body, timeoutMs } = checkedRequest(args, caller.question.pluginMs)
    if (!caller.permissions.http.allows(url.origin))
      throw new PermissionDenied('http', `the permission http does not cover "${url.origin}"`)
    const request = {
      url,
      method,
      headers: changed(headers, (value) => secrets.filled(caller, value)),
      body: sentBody(caller, body),
      addresses: await this.#reachable.addresses(caller, placeOf(url)),
      timeoutMs,
      maxResponseBytes: MAX_RESPONSE_BYTES,
    }
    const response = await door(request)
    const told = {
      status: response.status,
      headers: changed(response.headers, (value) => secrets.masked(caller, value)),
      body: secrets.masked(caller, new TextDecoder().decode(response.body)),
    }
    // What is no text grows when it is written as one, and a frame has an end.
    if (Buffer.byteLength(JSON.stringify(told)) > MAX_TOLD_BYTES)
      throw new Unavailable('a response that is no text and too large')
    return told
  }
}

function placeOf({ hostname, port, protocol, origin }: URL): Place {
  return {
    host: hostname.replace(/^\[(.*)\]$/, '$1'),
    port: Number(port || (protocol === 'https:' ? 443 : 80)),
    name: origin,
    permission: 'http',
  }
}

function changed(
  headers: Readonly<Record<string, string>>,
  change: (value: string) => string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, change(value)]))
}

function sentBody(caller: Caller, body: PluginRequest['body']): HttpBody | null {
  if (body === null) return null
  if (body.kind === 'message') {
    const message = messageToSend(caller)
    return { sizeBytes: message.sizeBytes, chunks: chunksOf(message) }
  }
  const bytes = Buffer.from(body.text)
  return { sizeBytes: bytes.length, chunks: [bytes] }
}
