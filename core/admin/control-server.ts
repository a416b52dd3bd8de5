/**
 * The control socket: `POST /v1/<method>` with a JSON array of arguments, over HTTP on a Unix socket that only its
 * owner may open. Answers `{ "result": … }` or `{ "error": { "message": … } }`.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Log } from '../observe/log.ts'
import type { Control } from './control.ts'
import { ArgumentFault, callControl, isControlMethod } from './control-call.ts'
import {
  answerJson,
  closeServer,
  DeadlineFault,
  listening,
  type Served,
  withDeadline,
} from './http-listener.ts'
import { cannotBeMade, clearSocketPath } from './socket-path.ts'

/** Largest request body in octets. */
export const MAX_BODY_BYTES = 65_536
/** Time for a request to arrive, in milliseconds. */
const REQUEST_MS = 10_000
/** How often late requests are looked for, in milliseconds. */
const CHECK_MS = 1_000
/** Time for a call to be answered, in milliseconds; what it began goes on. */
const CALL_MS = 30_000
const OWNER_ONLY_UMASK = 0o177

/** Serves `control` at `path`. Never rejects: what keeps it from listening is a problem. */
export async function serveControl(control: Control, path: string, log: Log): Promise<Served> {
  const inTheWay = await clearSocketPath(path)
  if (inTheWay !== null) return { ok: false, ...inTheWay }
  const server = createControlServer(control, log)
  const error = await listening(server, () => {
    // The mode must be right when the file comes into being: a chmod afterwards leaves a moment for others.
    const umask = process.umask(OWNER_ONLY_UMASK)
    try {
      server.listen(path)
    } finally {
      process.umask(umask)
    }
  })
  if (error !== null) return { ok: false, ...cannotBeMade(path, error.message) }
  server.on('error', (later) => log.error('control-server-failed', { reason: later.message }))
  return { ok: true, server: { address: path, close: () => closeServer(server) } }
}

function createControlServer(control: Control, log: Log): Server {
  const options = {
    requestTimeout: REQUEST_MS,
    headersTimeout: REQUEST_MS,
    connectionsCheckingInterval: CHECK_MS,
  }
  return createServer(options, (request, response) => {
    handle(control, request, response).catch((error: unknown) => fail(response, error, log))
  })
}

async function handle(control: Control, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await readBody(request)
  const method = request.url?.startsWith('/v1/') ? request.url.slice('/v1/'.length) : ''
  if (!isControlMethod(method)) return refuse(response, 404, 'there is no such method')
  if (request.method !== 'POST') return refuse(response, 405, 'methods are called with POST')
  if (body === null) return refuse(response, 413, `a request may have ${MAX_BODY_BYTES} bytes`)
  const args = parseJson(body)
  if (args === undefined) return refuse(response, 400, 'the request is not valid JSON')
  const result = await withDeadline(callControl(control, method, args), CALL_MS, `the gateway (${method})`)
  answerJson(response, 200, { result: result ?? null })
}

function fail(response: ServerResponse, error: unknown, log: Log): void {
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof ArgumentFault) return refuse(response, 400, message)
  log.warn('control-call-failed', { reason: message })
  refuse(response, error instanceof DeadlineFault ? 504 : 500, message)
}

function refuse(response: ServerResponse, status: number, message: string): void {
  answerJson(response, status, { error: { message } })
}

/**
 * The whole body, null when it is too large. An oversized one is read to its end and thrown away: closing before
 * would take the answer from a client that is still writing.
 */
async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength
    if (bytes <= MAX_BODY_BYTES) chunks.push(chunk)
  }
  return bytes <= MAX_BODY_BYTES ? Buffer.concat(chunks) : null
}

/** The value, undefined when the text is not JSON: no JSON text means undefined. */
function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown
  } catch {
    return undefined
  }
}
