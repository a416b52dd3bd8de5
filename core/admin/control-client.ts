/** The client of the control socket: the same interface as the gateway's, asked from another process. */
import { stat } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { userInfo } from 'node:os'
import type { Control } from './control.ts'
import type { ControlMethod } from './control-call.ts'
import { whyNotSocketPath } from './socket-path.ts'

/** Longer than the server takes for its longest call, so that its own message arrives. */
const CALL_MS = 35_000

/** Nobody answers at the socket, or not to us. The message says where and what to do. */
export class ControlUnreachable extends Error {
  /** `absent`: nobody listens there. `forbidden`: the socket may not be opened. `silent`: no answer came. */
  readonly reason: 'absent' | 'forbidden' | 'silent'
  constructor(reason: ControlUnreachable['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ControlUnreachable'
    this.reason = reason
  }
}

/** The gateway answered that it could not do what was asked. */
export class ControlRefused extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.name = 'ControlRefused'
    this.status = status
  }
}

/**
 * A Control that asks the gateway at `path`, one connection a call. Every method may throw ControlUnreachable and
 * ControlRefused.
 */
export function controlClient(path: string): Control {
  const call = async <T>(method: ControlMethod, ...args: readonly unknown[]): Promise<T> =>
    (await ask(path, method, args)) as T
  return {
    gatewayStatus: () => call('gatewayStatus'),
    queueList: (filter, limit) => call('queueList', filter, limit),
    queueRetry: (filter) => call('queueRetry', filter),
    queueHold: (filter, reason) => call('queueHold', filter, reason),
    queueRelease: (filter) => call('queueRelease', filter),
    queueDrop: (filter) => call('queueDrop', filter),
    queueBounce: (filter, reason) => call('queueBounce', filter, reason),
    queueAge: (filter) => call('queueAge', filter),
    queueSuspend: (route, reason, forMs) => call('queueSuspend', route, reason, forMs),
    queueResume: (route) => call('queueResume', route),
    queueSuspensions: () => call('queueSuspensions'),
    queueContent: (message, index) => call('queueContent', message, index),
    explain: (key) => call('explain', key),
    metrics: () => call('metrics'),
    status: () => call('status'),
    reload: () => call('reload'),
    stop: async () => {
      await call('stop')
    },
  }
}

async function ask(path: string, method: ControlMethod, args: readonly unknown[]): Promise<unknown> {
  const tooLong = whyNotSocketPath(path)
  if (tooLong !== null)
    throw new ControlUnreachable('absent', `${tooLong}\nName a shorter one with --socket.`)
  let answer: { status: number; body: string }
  try {
    answer = await post(path, `/v1/${method}`, JSON.stringify(args))
  } catch (error) {
    throw await unreachable(path, error as NodeJS.ErrnoException)
  }
  return resultOf(answer.status, answer.body)
}

async function post(
  socketPath: string,
  path: string,
  body: string,
): Promise<{ status: number; body: string }> {
  const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
  const signal = AbortSignal.timeout(CALL_MS)
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ socketPath, path, method: 'POST', headers, agent: false, signal }, resolve)
    outgoing.once('error', reject)
    outgoing.end(body)
  })
  const chunks: Buffer[] = []
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk)
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks).toString('utf8') }
}

function resultOf(status: number, body: string): unknown {
  const parsed = parseJson(body)
  if (typeof parsed === 'object' && parsed !== null) {
    if ('result' in parsed) return parsed.result
    const { message } = (parsed as { error?: { message?: unknown } }).error ?? {}
    if (typeof message === 'string') throw new ControlRefused(status, message)
  }
  throw new ControlRefused(
    status,
    `what answers at the control socket is no Postern gateway (HTTP ${status})`,
  )
}

/** The value, undefined when the text is not JSON: no JSON text means undefined. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

async function unreachable(path: string, cause: NodeJS.ErrnoException): Promise<ControlUnreachable> {
  const start = 'Start a gateway with `postern start`, or name the socket of another with --socket.'
  switch (cause.code ?? '') {
    case 'ENOENT':
      return new ControlUnreachable(
        'absent',
        `No gateway is running here: there is no control socket at ${path}.\n${start}`,
        { cause },
      )
    case 'ECONNREFUSED':
    case 'ENOTSOCK':
      return new ControlUnreachable(
        'absent',
        `No gateway is running here: nobody answers at the control socket ${path}.\n${start}`,
        { cause },
      )
    case 'EACCES':
    case 'EPERM':
      return new ControlUnreachable('forbidden', await forbidden(path), { cause })
    default:
      return new ControlUnreachable(
        'silent',
        `The gateway at ${path} did not answer (${cause.name === 'TimeoutError' ? 'it took too long' : cause.message}).\n` +
          'It may be stopping or overloaded; its log says more.',
        { cause },
      )
  }
}

async function forbidden(path: string): Promise<string> {
  const me = userName()
  try {
    const { uid } = await stat(path)
    return (
      `User ${me} may not open the control socket ${path}; it belongs to the user with number ${uid}.\n` +
      `Run the command as that user: sudo -u '#${uid}' postern …`
    )
  } catch {
    // Its folder is closed to us too, so even the owner cannot be named.
    return `User ${me} may not open the control socket ${path}.\nRun the command as the user the gateway runs as.`
  }
}

function userName(): string {
  try {
    return `"${userInfo().username}"`
  } catch {
    // A container's user often has no name.
    return `number ${process.getuid?.() ?? 'unknown'}`
  }
}
