/** Connections to the next hop: to an IP address and port, or to a Unix socket. */
import { connect, type Socket } from 'node:net'

export type SocketAddress =
  /** `host` is an IP address. */
  { readonly host: string; readonly port: number } | { readonly path: string }

/** Connects; an Error, returned, says why not. An aborted signal ends the try. */
export function openSocket(
  address: SocketAddress,
  connectMs: number,
  signal: AbortSignal,
): Promise<Socket | Error> {
  return new Promise((resolve) => {
    const socket = connect(address)
    const giveUp = (): void => void socket.destroy(new Error('given up'))
    const late = setTimeout(
      () => socket.destroy(new Error(`no connection within ${connectMs / 1000} s`)),
      connectMs,
    )
    const finish = (result: Socket | Error): void => {
      clearTimeout(late)
      signal.removeEventListener('abort', giveUp)
      resolve(result)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    // Stays for good: an error after the end must find a listener.
    socket.on('error', finish)
    socket.once('connect', () => finish(socket))
    if (signal.aborted) giveUp()
  })
}
