/**
 * The one door to outgoing HTTP (RFC 9110): one exchange on a connection of its own, to addresses the caller has found
 * and allowed, bounded in time and size. A redirect is a response like any other: nobody is taken anywhere.
 */
import { type ClientRequest, type IncomingMessage, request as requestPlain } from 'node:http'
import { request as requestTls } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'

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

/** The body that was to be sent cannot be read. */
class UnreadableBody extends Error {}

/** Octets on the wire beside those of a response's body: its header, the framing of chunks and of TLS records. */
const MAX_FRAMING_BYTES = 128 * 1024
/** From here on a response says that the request is not wanted (RFC 9110 §15.5): no more of it is sent. */
const FIRST_ERROR_STATUS = 400

/** @throws HttpFault, or what reading the body threw */
export async function exchangeHttp(asked: HttpRequest): Promise<HttpResponse> {
  const { body, timeoutMs, maxResponseBytes } = asked
  const signal = AbortSignal.timeout(timeoutMs)
  let request: ClientRequest | null = null
  try {
    request = begun(asked, signal)
    const responded = responseTo(request)
    // A server may answer before it has read everything, and does not have to read the rest then.
    const sending = sent(request, body).then(() => responded)
    const response = await Promise.race([responded, sending])
    return {
      status: response.statusCode ?? 0,
      headers: Object.fromEntries(
        Object.entries(response.headers).map(([name, value = '']) => [name, String(value)]),
      ),
      body: await collected(response, maxResponseBytes),
    }
  } catch (error) {
    if (error instanceof HttpFault) throw error
    if (error instanceof UnreadableBody) throw error.cause
    throw new HttpFault(signal.aborted ? `no answer within ${timeoutMs} ms` : whatWentWrong(error as Error))
  } finally {
    request?.destroy()
  }
}

function begun({ url, method, headers, body, addresses }: HttpRequest, signal: AbortSignal): ClientRequest {
  const begin = url.protocol === 'https:' ? requestTls : requestPlain
  const length = body === null ? {} : { 'content-length': String(body.sizeBytes) }
  return begin(url, {
    method,
    headers: { ...headers, ...length },
    agent: false,
    lookup: lookupAmong(addresses),
    signal,
  })
}

/** Nothing of the address: an error of Node names the one it could not reach. */
function whatWentWrong(error: Error): string {
  const { code } = error as { code?: unknown }
  return typeof code === 'string' ? code : error.message.slice(0, 200)
}

function responseTo(request: ClientRequest): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
  request
    .on('response', resolve)
    .on('error', reject)
    // Nobody asked for another protocol (RFC 9110 §15.2.2); behind it there is no response any more.
    .on('upgrade', (_, socket) => {
      socket.destroy()
      reject(new HttpFault('the server changed to another protocol'))
    })
    .on('close', () => reject(new HttpFault('the connection ended without a response')))
  return promise
}

/** Sends the body as fast as the server takes it. @throws UnreadableBody */
async function sent(request: ClientRequest, body: HttpBody | null): Promise<void> {
  let isUnwanted = false
  request.once('response', ({ statusCode = 0 }) => {
    isUnwanted = statusCode >= FIRST_ERROR_STATUS
  })
  try {
    for await (const chunk of body?.chunks ?? []) {
      if (request.destroyed || isUnwanted) return
      if (!request.write(chunk) && !request.destroyed) await drained(request)
    }
  } catch (error) {
    throw new UnreadableBody('', { cause: error })
  }
  request.end()
}

/** Resolves when more can be written, or when there is nothing any more to write to. */
function drained(request: ClientRequest): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const over = (): void => {
    request.off('drain', over).off('close', over).off('response', over)
    resolve()
  }
  request.on('drain', over).on('close', over).on('response', over)
  return promise
}

async function collected(response: IncomingMessage, limit: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = []
  let bytes = 0
  for await (const piece of response as AsyncIterable<Uint8Array>) {
    bytes += piece.byteLength
    const wireBytes = (response.socket as Socket | null)?.bytesRead ?? 0
    // Leaving the loop ends the connection.
    if (bytes > limit || wireBytes > limit + MAX_FRAMING_BYTES)
      throw new HttpFault(`a response of more than ${limit} octets`)
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
