/** Health and metrics over HTTP, for load balancers and Prometheus: `GET /health`, `GET /metrics`, nothing else. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from '../observe/log.ts'
import type { Control } from './control.ts'
import {
  answer,
  answerJson,
  closeServer,
  type ListenProblem,
  listening,
  type Served,
  withDeadline,
} from './http-listener.ts'

/** Time for a request to arrive, in milliseconds. */
const REQUEST_MS = 5_000
/** How often late requests are looked for, in milliseconds. */
const CHECK_MS = 1_000
/** A gateway that takes longer to say how it is is not well, in milliseconds. */
const HEALTH_MS = 3_000
const METRICS_MS = 8_000

/** `ok`, or why mail should go elsewhere for the moment. */
export type Health = 'ok' | 'starting' | 'draining' | 'unresponsive'

/** Serves health and metrics. Never rejects: what keeps it from listening is a problem. Port 0 lets the system choose. */
export async function serveHealth(
  control: Pick<Control, 'status' | 'metrics'>,
  { host, port }: { readonly host: string; readonly port: number },
  log: Log,
): Promise<Served> {
  const options = {
    requestTimeout: REQUEST_MS,
    headersTimeout: REQUEST_MS,
    connectionsCheckingInterval: CHECK_MS,
  }
  const server = createServer(options, (request, response) => {
    handle(control, request, response).catch((error: unknown) => {
      log.error('health-request-failed', { reason: String(error) })
      answerJson(response, 500, { error: { message: 'internal error' } })
    })
  })
  const error = await listening(server, () => server.listen(port, host))
  if (error !== null) return { ok: false, ...whyNotListening(error, hostPort(host, port)) }
  server.on('error', (later) => log.error('health-server-failed', { reason: later.message }))
  const address = hostPort(host, (server.address() as AddressInfo).port)
  return { ok: true, server: { address, close: () => closeServer(server) } }
}

async function handle(
  control: Pick<Control, 'status' | 'metrics'>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = request.url?.split('?', 1)[0]
  if (path !== '/health' && path !== '/metrics')
    return answerJson(response, 404, { error: { message: 'not found' } })
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD')
    return answerJson(response, 405, { error: { message: 'only GET and HEAD' } })
  }
  if (path === '/health') {
    const status = await health(control)
    return answerJson(response, status === 'ok' ? 200 : 503, { status })
  }
  await answerMetrics(control, response)
}

/** Never rejects. */
async function health(control: Pick<Control, 'status'>): Promise<Health> {
  try {
    const { gateway } = await withDeadline(control.status(), HEALTH_MS, 'the gateway')
    if (gateway === null) return 'starting'
    return gateway.state === 'running' ? 'ok' : 'draining'
  } catch {
    // Why is in the log of whoever failed; here it only matters that there was no answer.
    return 'unresponsive'
  }
}

async function answerMetrics(control: Pick<Control, 'metrics'>, response: ServerResponse): Promise<void> {
  try {
    const text = await withDeadline(control.metrics(), METRICS_MS, 'the gateway')
    answer(response, 200, 'text/plain; version=0.0.4; charset=utf-8', text)
  } catch (error) {
    answer(response, 503, 'text/plain; charset=utf-8', `# no metrics: ${(error as Error).message}\n`)
  }
}

function whyNotListening(error: NodeJS.ErrnoException, where: string): ListenProblem {
  const remedy = 'give admin.http another address, or set it to off'
  const because = (reason: string) => ({
    problem: `Can't serve health and metrics on ${where}: ${reason}`,
    remedy,
  })
  switch (error.code ?? '') {
    case 'EADDRINUSE':
      return because('the port is in use by another program')
    case 'EACCES':
      return because('ports below 1024 need a permission')
    case 'EADDRNOTAVAIL':
      return because('this machine has no such address')
    default:
      return because(error.message)
  }
}

function hostPort(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}
