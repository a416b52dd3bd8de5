/**
 * Sessions with servers at a known address. Where TLS is taken because it is offered and then fails, the mail goes on in
 * the clear, once and on a new connection: what was said on the first one cannot be told from what an attacker said.
 */
import { isIP, type Socket } from 'node:net'
import type { Log } from '../observe/log.ts'
import type { Opening, TlsDemand } from './channel.ts'
import { type ClientOptions, greet, type ServerChannel, type Ungreeted } from './client.ts'
import { openSocket, type SocketAddress } from './open-socket.ts'
import { type Met, outcomeOf } from './outcome.ts'
import type { PlaintextHosts } from './plaintext-hosts.ts'
import { type Protection, UNPROTECTED } from './protection.ts'

export interface SessionOpenerOptions extends ClientOptions {
  readonly protocol: 'smtp' | 'lmtp'
  readonly protection: Protection
  /** Of the mail that is to go there; nothing when missing. */
  readonly demand?: TlsDemand
  readonly plaintextHosts: PlaintextHosts
  readonly log: Log
}

/** A server where it was found. */
export interface Peer {
  readonly address: SocketAddress
  /** How it is called in records. */
  readonly remote: string
  /** Host name or IP address, for TLS. */
  readonly name: string
}

/** Connects and greets. `host` is an IP address; names are for host-opener.ts. */
export async function openAddress(
  { host, port }: { readonly host: string; readonly port: number },
  options: SessionOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const remote = isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`
  if (isIP(host) === 0) return { ok: false, remote, met: { kind: 'local', text: `${host} is no IP address` } }
  return await openPeer({ address: { host, port }, remote, name: host }, options, signal)
}

/** The same over a Unix socket. */
export async function openSocketFile(
  path: string,
  options: SessionOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  return await openPeer({ address: { path }, remote: path, name: 'localhost' }, options, signal)
}

/** The same to a server that was found. */
export async function openPeer(
  peer: Peer,
  options: SessionOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const { remote, address } = peer
  const socket = await openSocket(address, options.timeouts.connectMs, signal)
  if (socket instanceof Error)
    return { ok: false, remote, met: { kind: 'trouble', phase: 'connect', text: socket.message } }
  return await greetPeer(socket, peer, options, signal)
}

/** Greets over a connection that stands. */
export async function greetPeer(
  socket: Socket,
  peer: Peer,
  options: SessionOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const { protection, plaintextHosts } = options
  const { remote, name } = peer
  const isOpportunistic = protection.kind === 'opportunistic'
  if (isOpportunistic && plaintextHosts.has(remote))
    return await greetPeer(socket, peer, { ...options, protection: UNPROTECTED }, signal)
  const greeted = await greet(socket, { ...options, remote, name }, signal)
  if ('carry' in greeted) return suiting(greeted, options)
  if (isOpportunistic && greeted.isTlsFailure && !signal.aborted)
    return await openInTheClear(peer, greeted, options, signal)
  if (protection.kind === 'verified') tellIfNotSignedIn(remote, greeted, protection, options)
  return { ok: false, remote, met: isDemanded(options) ? unencrypted(greeted) : greeted.met }
}

function isDemanded({ demand = 'none' }: SessionOpenerOptions): boolean {
  return demand !== 'none'
}

/** RFC 8689 §4.2.1: a server that does not promise to hand it on likewise is passed over. */
function suiting(channel: ServerChannel, options: SessionOpenerOptions): Opening {
  if (!isDemanded(options) || channel.offers('REQUIRETLS')) return { ok: true, channel }
  channel.quit()
  const text = 'REQUIRETLS support is required, and this server does not offer it'
  return { ok: false, remote: channel.remote, met: { kind: 'no-host', status: '5.7.30', text } }
}

/** What the lack of TLS means to mail that needs it (RFC 8689 §4.2.1). */
function unencrypted({ met, isTlsFailure, mayPass }: Ungreeted): Met {
  if (!isTlsFailure || mayPass) return met
  return { kind: 'no-host', status: '5.7.10', text: `encryption is needed: ${outcomeOf(met).detail}` }
}

/** What TLS came to is remembered when the server turns out to be well without it. */
async function openInTheClear(
  peer: Peer,
  { met }: Ungreeted,
  options: SessionOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const opening = await openPeer(peer, { ...options, protection: UNPROTECTED }, signal)
  if (!opening.ok) return opening
  const { remote } = peer
  options.plaintextHosts.add(remote)
  options.log.warn('delivery-in-clear', { remote, reason: outcomeOf(met).detail })
  return opening
}

function tellIfNotSignedIn(
  remote: string,
  { met }: Ungreeted,
  { login }: Protection & { kind: 'verified' },
  { log }: SessionOpenerOptions,
): void {
  if (login === null || met.kind !== 'trouble' || met.phase !== 'auth') return
  log.error('delivery-auth-failed', { remote, user: login.user, reason: outcomeOf(met).detail })
}
