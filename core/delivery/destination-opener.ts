/** Which channel leads to which destination. */
import { isIP } from 'node:net'
import { type Destination, formatDestination, parseDestination } from '../mail/destination.ts'
import type { Clock } from '../observe/clock.ts'
import type { Log } from '../observe/log.ts'
import type { Channel, Opener, Opening, Outgoing, TlsDemand } from './channel.ts'
import type { ClientOptions } from './client.ts'
import { openNamedHost } from './host-opener.ts'
import { openMailExchanger } from './mail-exchanger-opener.ts'
import { openMaildir } from './maildir.ts'
import type { NextHops } from './next-hops.ts'
import type { Met } from './outcome.ts'
import type { PlaintextHosts } from './plaintext-hosts.ts'
import { OPPORTUNISTIC, type Protection, UNPROTECTED } from './protection.ts'
import { openAddress, openSocketFile } from './session-opener.ts'

export interface OpenerOptions extends ClientOptions {
  readonly clock: Clock
  readonly log: Log
  readonly nextHops: NextHops
  readonly plaintextHosts: PlaintextHosts
}

/** How channels of this route are opened. A route nobody can read holds its mail with the reason. */
export function openerOf(route: string, options: OpenerOptions): Opener {
  const destination = parseDestination(route)
  if (typeof destination === 'string') {
    const met: Met = { kind: 'misrouted', text: `no delivery to ${route}: ${destination}` }
    return () => Promise.resolve({ ok: true, channel: new ConstantChannel(route, met) })
  }
  switch (destination.kind) {
    case 'smtp':
    case 'smtps':
      return demanding((signal, demand) => openServer(destination, { ...options, demand }, signal))
    case 'lmtp':
      return (signal) => openHost(destination, { ...options, ...LMTP }, signal)
    case 'lmtp+unix':
      return (signal) => openSocketFile(destination.path, { ...options, ...LMTP }, signal)
    case 'mx':
      return demanding((signal, demand) => {
        const protection = demand === 'none' ? OPPORTUNISTIC : verified(options)
        return openMailExchanger(
          destination.domain,
          { ...options, protocol: 'smtp', protection, demand },
          signal,
        )
      })
    case 'maildir':
      return () => openMaildir(destination.path, options)
    case 'discard':
      return () => Promise.resolve({ ok: true, channel: new ConstantChannel(route, DISCARDED) })
  }
}

/** Opens as mail demands, and without that where it does not insist. */
function demanding(open: Opener): Opener {
  return async (signal, demand) => {
    const opening = await open(signal, demand)
    return opening.ok || demand !== 'preferred' ? opening : await open(signal, 'none')
  }
}

/** By STARTTLS and the name of the host, for mail with REQUIRETLS. */
function verified({ nextHops }: OpenerOptions): Protection {
  return { kind: 'verified', isImplicit: false, trust: nextHops.trust(), login: null }
}

/** Whether the way leads over a connection. */
export function needsConnection(route: string): boolean {
  const destination = parseDestination(route)
  return typeof destination !== 'string' && CONNECTED.has(destination.kind)
}

const CONNECTED: ReadonlySet<Destination['kind']> = new Set(['smtp', 'smtps', 'mx', 'lmtp', 'lmtp+unix'])

/** For networks that are our own (RFC 2033 §5). */
const LMTP = { protocol: 'lmtp', protection: UNPROTECTED } as const

type Server = Destination & { readonly kind: 'smtp' | 'smtps' }

async function openServer(
  server: Server,
  options: OpenerOptions & { readonly demand: TlsDemand },
  signal: AbortSignal,
): Promise<Opening> {
  // A plugin may have written it in another way than the configuration.
  const route = formatDestination(server)
  const protection = protectionOf(server, route, options)
  if (typeof protection === 'string')
    return { ok: false, remote: route, met: { kind: 'local', text: protection } }
  return await openHost(server, { ...options, protocol: 'smtp', protection }, signal)
}

/** A string is the reason why nothing can be sent there. */
function protectionOf(
  { kind, user }: Server,
  route: string,
  options: OpenerOptions & { readonly demand: TlsDemand },
): Protection | string {
  const { nextHops, demand } = options
  const isImplicit = kind === 'smtps'
  if (user === null && !isImplicit) return demand === 'none' ? OPPORTUNISTIC : verified(options)
  const password = user === null ? null : nextHops.passwordOf(route)
  if (user !== null && password === null) return `the configuration has no password for ${route}`
  const login = user === null || password === null ? null : { user, password }
  return { kind: 'verified', isImplicit, trust: nextHops.trust(), login }
}

function openHost(
  where: { readonly host: string; readonly port: number },
  options: Parameters<typeof openNamedHost>[1],
  signal: AbortSignal,
): Promise<Opening> {
  return isIP(where.host) === 0 ? openNamedHost(where, options, signal) : openAddress(where, options, signal)
}

const DISCARDED: Met = Object.freeze({ kind: 'kept', text: 'discarded' })

/** Every message meets the same. */
class ConstantChannel implements Channel {
  readonly remote: string
  readonly isUsable = true
  readonly tls = null
  readonly #met: Met

  constructor(remote: string, met: Met) {
    this.remote = remote
    this.#met = met
  }

  carry({ recipients }: Outgoing): Promise<readonly Met[]> {
    return Promise.resolve(recipients.map(() => this.#met))
  }

  quit(): void {}

  abort(): void {}
}
