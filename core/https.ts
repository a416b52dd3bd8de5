/**
 * The one door to outgoing HTTP (RFC 9110): one exchange on a connection of its own, to addresses the caller has found
 * and allowed, bounded in time and size. A redirect is a response like any other: nobody is taken anywhere.
 */
import { type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import type { LookupFunction } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'

export interface HttpAddress {
  readonly address: string
  readonly family: 4 | 6
}

export interface HttpRequest {
  /** `http:` or `https:`; the certificate must fit its host. */
  readonly url: URL
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  /** null: a request without a body. */
  readonly body: HttpBody | null
  /** Where the host is; not empty, tried in this order. A name is looked up nowhere else. */
  readonly addresses: readonly HttpAddress[]
  /** From the first octet to the last. */
  readonly timeoutMs: number
  readonly maxResponseBytes: number
}

export interface HttpBody {
  readonly sizeBytes: number
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
}

export interface HttpResponse {
  readonly status: number
  /** By name in small letters; those that came more than once are joined with a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/** No response, or none that may be used; the message says why, for whoever asked. */
export class HttpFault extends Error {}

/** @throws HttpFault */
export async function exchangeHttp(asked: HttpRequest): Promise<HttpResponse> {
  const { url, method, headers, body, addresses, timeoutMs, maxResponseBytes } = asked
  const begin = url.protocol === 'https:' ? requestTls : requestPlain
  const length = body === null ? {} : { 'content-length': String(body.sizeBytes) }
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const request = begin(url, {
      method,
      headers: { ...headers, ...length },
      agent: false,
      lookup: lookupAmong(addresses),
      signal,
    })
    const responded = responseTo(request)
    await Promise.all([responded, sent(request, body)])
    const response = await responded
    return {
      status: response.statusCode ?? 0,
      headers: Object.fromEntries(
        Object.entries(response.headers).map(([name, value = '']) => [name, String(value)]),
      ),
      body: await collected(response, maxResponseBytes),
    }
  } catch (error) {
    if (error instanceof HttpFault) throw error
    throw new HttpFault(signal.aborted ? `no answer within ${timeoutMs} ms` : whatWentWrong(error as Error))
  }
}

/** Nothing of the address: an error of Node names the one it could not reach. */
function whatWentWrong(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.message.slice(0, 200)
}

function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request.on('response', resolve).on('error', reject)
  return promise
}

async function sent(request: ClientRequest, body: HttpBody | null): Promise<void> {
  if (body === null) {
    request.end()
    return
  }
  await pipeline(Readable.from(body.chunks), request)
}

async function collected(response: IncomingMessage, limit: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    bytes += piece.byteLength
    // Leaving the loop ends the connection.
    if (bytes > limit) throw new HttpFault(`a response of more than ${limit} octets`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

/** Connects to what was allowed and to nothing else, whatever the name leads to by now. */
function lookupAmong(addresses: readonly HttpAddress[]): LookupFunction {
  return (_host, options, done) => {
    const [first] = addresses
    if (first === undefined) done(new Error('no address'), '')
    else if (options.all === true) done(null, [...addresses])
    else done(null, first.address, first.family)
  }
}
