/**
 * Capability `http`: requests to origins the plugin has the permission for. Where a name leads is looked at before
 * anything is sent: an address that is not on the Internet needs an administrator who has granted the origin.
 */
import { isIP } from 'node:net'
import { AddressPolicy } from '../../core/dns/address-policy.ts'
import { hostAddresses } from '../../core/dns/host-addresses.ts'
import {
  type HttpAddress,
  type HttpBody,
  HttpFault,
  type HttpRequest,
  type HttpResponse,
} from '../../core/https.ts'
import type { MessageReader } from '../../core/mail/hook-events.ts'
import { AtOnce } from './at-once.ts'
import { Budgets, type NameLookups } from './dns.ts'
import {
  type Caller,
  type Effect,
  EffectRefused,
  type NamedEffect,
  PermissionDenied,
  Unavailable,
} from './effect.ts'
import { checkedRequest, type PluginRequest } from './http-request.ts'
import type { Secrets } from './secrets.ts'

export type HttpDoor = (request: HttpRequest) => Promise<HttpResponse>

const MAX_RESPONSE_BYTES = 1024 * 1024
const MAX_TOLD_BYTES = 3 * 1024 * 1024
const MAX_REQUESTS = 32

export interface HttpParts {
  readonly door: HttpDoor
  readonly resolver: NameLookups
  readonly secrets: Secrets
  /** In [0, 1): which of several addresses is first. */
  readonly random: () => number
}

export function httpEffects(parts: HttpParts): readonly NamedEffect[] {
  const fetcher = new Fetcher(parts)
  const requests = new AtOnce('http.requests', MAX_REQUESTS)
  const fetch: Effect = {
    // It may change something at the other side.
    write: true,
    run: async (caller, args) => {
      try {
        return await requests.during(caller.plugin, () => fetcher.fetch(caller, args))
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
  readonly #budgets = new Budgets()

  constructor(parts: HttpParts) {
    this.#parts = parts
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
      addresses: await this.#addressesOf(caller, url),
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

  /** Those the request may go to. @throws PermissionDenied, Unavailable */
  async #addressesOf(caller: Caller, url: URL): Promise<readonly HttpAddress[]> {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    const family = isIP(host)
    const known =
      family === 0 ? await this.#lookedUp(caller, host) : [{ address: host, family: family as 4 | 6 }]
    if (caller.permissions.http.allowsPrivate(url.origin)) return known
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    const open = known.filter(({ address }) => INTERNET.whyNot(address, port) === null)
    if (open.length > 0) return open
    const why = INTERNET.whyNot(known[0]?.address ?? '', port)
    throw new PermissionDenied('http', `${url.origin} is at ${why}, which an administrator has to grant`)
  }

  async #lookedUp({ question, plugin }: Caller, host: string): Promise<readonly HttpAddress[]> {
    const { resolver, random } = this.#parts
    const found = await hostAddresses(resolver, host, {
      family: 'both',
      random,
      budget: this.#budgets.of(question, plugin),
      signal: AbortSignal.timeout(question.pluginMs),
    })
    if (found.kind === 'addresses') return found.addresses
    throw new Unavailable(found.kind === 'trouble' ? `${host}: ${found.reason}` : `${host} has no address`)
  }
}

function changed(
  headers: Readonly<Record<string, string>>,
  change: (value: string) => string,
): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, change(value)]))
}

/** What may be reached without a grant: hosts on the Internet. */
const INTERNET = new AddressPolicy({ listeners: [], ownAddresses: [], allowedNetworks: [] })

function sentBody(caller: Caller, body: PluginRequest['body']): HttpBody | null {
  if (body === null) return null
  if (body.kind === 'message') return messageBody(caller)
  const bytes = Buffer.from(body.text)
  return { sizeBytes: bytes.length, chunks: [bytes] }
}

/** The message as received, piece by piece: it never lies in memory as a whole for this. */
function messageBody({ message, permissions }: Caller): HttpBody {
  if (!permissions.bodyRead)
    throw new PermissionDenied('body.read', 'sending the message needs the permission "body.read"')
  if (!permissions.headersRead)
    throw new PermissionDenied('headers.read', 'sending the message needs the permission "headers.read"')
  if (message === null) throw new EffectRefused('there is no message at this hook')
  return { sizeBytes: message.sizeBytes, chunks: chunksOf(message) }
}

async function* chunksOf(message: MessageReader): AsyncGenerator<Uint8Array> {
  yield message.header
  for (let index = 0; ; index++) {
    const chunk = await message.bodyChunk(index)
    if (chunk === undefined) return
    yield chunk
  }
}
