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
import { type Caller, EffectRefused, type NamedEffect, PermissionDenied, Unavailable } from './effect.ts'
import { checkedRequest } from './http-request.ts'
import type { Secrets } from './secrets.ts'

export type HttpDoor = (request: HttpRequest) => Promise<HttpResponse>

const MAX_RESPONSE_BYTES = 1024 * 1024
const MAX_REQUESTS = 32

export interface HttpParts {
  readonly door: HttpDoor
  readonly resolver: NameLookups
  readonly secrets: Secrets
  /** In [0, 1): which of several addresses is first. */
  readonly random: () => number
}

export function httpEffects({ door, resolver, secrets, random }: HttpParts): readonly NamedEffect[] {
  const requests = new AtOnce('http.requests', MAX_REQUESTS)
  const budgets = new Budgets()

  async function fetch(caller: Caller, args: readonly unknown[]): Promise<unknown> {
    const { url, method, headers, body, timeoutMs } = checkedRequest(args, caller.question.pluginMs)
    if (!caller.permissions.http.allows(url.origin))
      throw new PermissionDenied('http', `the permission http does not cover "${url.origin}"`)
    const sent = body === 'message' ? messageBody(caller) : textBody(body)
    const filled = Object.entries(headers).map(([name, value]) => [name, secrets.filled(caller, value)])
    const addresses = await addressesOf(caller, url)
    const { status, ...response } = await door({
      url,
      method,
      headers: Object.fromEntries(filled) as Record<string, string>,
      body: sent,
      addresses,
      timeoutMs,
      maxResponseBytes: MAX_RESPONSE_BYTES,
    })
    const told = Object.entries(response.headers).map(([name, value]) => [
      name,
      secrets.masked(caller, value),
    ])
    const text = new TextDecoder().decode(response.body)
    return { status, headers: Object.fromEntries(told) as unknown, body: secrets.masked(caller, text) }
  }

  /** Those the request may go to. @throws PermissionDenied, Unavailable */
  async function addressesOf(caller: Caller, url: URL): Promise<readonly HttpAddress[]> {
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    const family = isIP(host)
    const known = family === 0 ? await lookedUp(caller, host) : [{ address: host, family: family as 4 | 6 }]
    if (caller.permissions.http.allowsPrivate(url.origin)) return known
    const port = Number(url.port || (url.protocol === 'https:' ? 443 : 80))
    const open = known.filter(({ address }) => INTERNET.whyNot(address, port) === null)
    if (open.length > 0) return open
    const why = INTERNET.whyNot(known[0]?.address ?? '', port)
    throw new PermissionDenied('http', `${url.origin} is at ${why}, which an administrator has to grant`)
  }

  async function lookedUp({ question, plugin }: Caller, host: string): Promise<readonly HttpAddress[]> {
    const found = await hostAddresses(resolver, host, {
      family: 'both',
      random,
      budget: budgets.of(question, plugin),
      signal: AbortSignal.timeout(question.pluginMs),
    })
    if (found.kind === 'addresses') return found.addresses
    throw new Unavailable(found.kind === 'trouble' ? `${host}: ${found.reason}` : `${host} has no address`)
  }

  return [
    [
      'http.fetch',
      {
        // It may change something at the other side.
        write: true,
        run: async (caller, args) => {
          try {
            return await requests.during(caller.plugin, () => fetch(caller, args))
          } catch (error) {
            if (error instanceof HttpFault) throw new Unavailable(error.message)
            throw error
          }
        },
      },
    ],
  ]
}

/** What may be reached without a grant: hosts on the Internet. */
const INTERNET = new AddressPolicy({ listeners: [], ownAddresses: [], allowedNetworks: [] })

function textBody(text: string | null): HttpBody | null {
  if (text === null) return null
  const bytes = Buffer.from(text)
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
