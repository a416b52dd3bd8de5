/**
 * The one door to services that speak a protocol of their own over TCP: connect, send, read one answer. On a connection
 * of its own, to addresses the caller has found and allowed, bounded in time and size.
 */
import { connect, type Socket } from 'node:net'

export interface TcpRequest {
  /** Where the service is; not empty, tried in this order until one accepts. */
  readonly addresses: readonly { readonly address: string; readonly family: 4 | 6 }[]
  readonly port: number
  readonly chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>
  /** Whether to say, when all is sent, that nothing follows (half-close). */
  readonly end: boolean
  /** The answer ends before these octets; null: where the other side ends the connection. */
  readonly until: Uint8Array | null
  /** Octets of the longest answer, `until` included. */
  readonly maxAnswerBytes: number
  /** From the first attempt to connect to the end of the answer, in milliseconds. */
  readonly timeoutMs: number
}

/** No answer, or none that may be used; the message says why, for whoever asked. */
export class TcpFault extends Error {}

/** @throws TcpFault; whatever `chunks` throws */
export async function exchangeTcp(asked: TcpRequest): Promise<Uint8Array> {
  const { addresses, port, timeoutMs } = asked
  const deadline = AbortSignal.timeout(timeoutMs)
  let socket: Socket | null = null
  try {
    const connection = await connected(addresses, port, deadline)
    socket = connection
    // Whoever answers before it has heard everything has answered all the same.
    sent(connection, asked).catch((error: unknown) => connection.destroy(error as Error))
    return await collected(connection, asked)
  } catch (error) {
    if (deadline.aborted) throw new TcpFault(`no answer within ${timeoutMs} ms`)
    // Nothing of the address: an error of Node names the one it could not reach.
    const { code, syscall } = error as { code?: unknown; syscall?: unknown }
    throw typeof code === 'string' && syscall !== undefined ? new TcpFault(code) : error
  } finally {
    socket?.destroy()
  }
}

/** The first connection that comes about. @throws the error of the last address */
async function connected(
  addresses: TcpRequest['addresses'],
  port: number,
  deadline: AbortSignal,
): Promise<Socket> {
  let last: unknown = new TcpFault('no address')
  for (const { address, family } of addresses) {
    try {
      return await connectedTo(address, family, port, deadline)
    } catch (error) {
      last = error
      if (deadline.aborted) break
    }
  }
  throw last
}

function connectedTo(host: string, family: 4 | 6, port: number, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>()
  // The signal goes on with the connection: too late is too late at any point.
  const socket = connect({ host, family, port, signal })
  socket.once('error', reject).once('connect', () => {
    // Whoever reads hears of it; between two reads nobody does.
    socket.off('error', reject).on('error', () => {})
    resolve(socket)
  })
  return promise
}

async function sent(socket: Socket, { chunks, end }: TcpRequest): Promise<void> {
  for await (const chunk of chunks) {
    if (socket.destroyed || !socket.writable) return
    if (!socket.write(chunk)) await drained(socket)
  }
  if (end) socket.end()
}

/** Also when it will not be any more. */
function drained(socket: Socket): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  socket.once('drain', resolve).once('close', resolve)
  return promise.then(() => {
    socket.off('drain', resolve).off('close', resolve)
  })
}

async function collected(socket: Socket, { until, maxAnswerBytes }: TcpRequest): Promise<Uint8Array> {
  const answer = Buffer.alloc(maxAnswerBytes)
  let used = 0
  for await (const piece of socket as AsyncIterable<Buffer>) {
    const taken = piece.copy(answer, used)
    const from = until === null ? 0 : Math.max(0, used - until.length + 1)
    used += taken
    const at = until === null ? -1 : answer.subarray(0, used).indexOf(until, from)
    if (at >= 0) return answer.subarray(0, at)
    if (taken < piece.length) throw new TcpFault(`an answer of more than ${maxAnswerBytes} octets`)
  }
  if (until !== null) throw new TcpFault('the connection ended before the answer did')
  return answer.subarray(0, used)
}
