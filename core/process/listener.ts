/**
 * Listening sockets belong to the supervisor, which accepts nothing on them: it binds, keeps them, and hands each
 * worker a copy. While a worker is being replaced, clients wait in the backlog instead of being refused.
 */
import net from 'node:net'
import { getSystemErrorName } from 'node:util'
import type { ListenerConfig } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'

/** A bound socket, as a message to a worker carries it. */
export interface BoundListener {
  readonly config: ListenerConfig
  /** Passed on with `send`; nothing here reads from it. */
  readonly handle: net.Server
  close(): void
}

/** Clients that may wait to be accepted. */
export const BACKLOG = 1024

interface SocketHandle {
  getsockname(out: { port?: number }): number
  close(): void
}

/**
 * What `cluster` itself binds with: the one way to have a bound socket that this process does not accept on. Not in
 * Node's types, so what comes back is checked.
 */
const createServerHandle: unknown = Reflect.get(net, '_createServerHandle')

/** Binds one listener. */
export function bindListener(config: ListenerConfig): BoundListener | Problem {
  const { host, port } = config
  if (typeof createServerHandle !== 'function') throw new Error('this Node has no net._createServerHandle')
  const family = net.isIPv6(host) ? 6 : 4
  const handle: unknown = createServerHandle(host, port, family, undefined, 0)
  if (typeof handle === 'number') return cannotListen(config, getSystemErrorName(handle))
  const socket = handle as SocketHandle
  const bound: { port?: number } = {}
  socket.getsockname(bound)
  // An address in use shows only here: the failed bind is reported late, and listening would take a random port.
  if (port !== 0 && bound.port !== port) {
    socket.close()
    return cannotListen(config, 'EADDRINUSE')
  }
  const taken = { ...config, port: bound.port ?? port }
  return { config: taken, handle: handle as net.Server, close: () => socket.close() }
}

/** Why a listener cannot be had, and what to do. */
export function cannotListen(
  { host, port }: { readonly host: string; readonly port: number },
  errorName: string,
): Problem {
  const place = `${host.includes(':') ? `[${host}]` : host}:${port}`
  switch (errorName) {
    case 'EADDRINUSE':
      return {
        code: 'P3001',
        place,
        message: 'Cannot listen: another program uses this address and port.',
        remedy: `stop that program (ss -ltnp 'sport = :${port}' names it), or choose another port under "listeners"`,
      }
    case 'EACCES':
      return {
        code: 'P3002',
        place,
        message: 'Cannot listen: this user may not use a port below 1024.',
        remedy:
          'give the service CAP_NET_BIND_SERVICE (systemd: AmbientCapabilities=CAP_NET_BIND_SERVICE), or choose a port above 1023',
      }
    case 'EADDRNOTAVAIL':
      return {
        code: 'P3003',
        place,
        message: 'Cannot listen: this machine does not have this address.',
        remedy: 'name an address of this machine, or 0.0.0.0 for all of them',
      }
    default:
      return {
        code: 'P3004',
        place,
        message: `Cannot listen: ${errorName}.`,
        remedy: 'choose another address or port',
      }
  }
}
