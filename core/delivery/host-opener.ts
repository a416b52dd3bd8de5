/**
 * The way to one host known by its name: its addresses are looked up, those mail may go to are tried, and whoever
 * answers first is greeted (RFC 5321 §5.1, RFC 8305).
 */
import { type HostAddress, hostAddresses } from '../dns/host-addresses.ts'
import { QueryBudget } from '../dns/query-budget.ts'
import type { Asking } from '../dns/resolver.ts'
import type { Channel, Opening } from './channel.ts'
import { raceConnections, STAGGER_MS } from './connection-race.ts'
import type { NextHops } from './next-hops.ts'
import { openSocket } from './open-socket.ts'
import { type Met, outcomeOf } from './outcome.ts'
import { greetPeer, type SessionOpenerOptions } from './session-opener.ts'

/** A host may have a hundred addresses; that many are tried. */
const MAX_TRIED_ADDRESSES = 4
/** For both families with some aliases. */
const MAX_QUESTIONS = 20

export interface HostOpenerOptions extends SessionOpenerOptions {
  readonly nextHops: NextHops
}

/** What stands in the way of mail at one host, or at one address of it. */
export interface Obstacle {
  /** `mx.example.test`, `mx.example.test[192.0.2.1]:25`. */
  readonly where: string
  /** RFC 3463; its class says whether that may pass. */
  readonly status: Extract<Met, { kind: 'no-host' }>['status']
  readonly text: string
}

export interface FoundHost {
  /** As it is shown; '' for an address literal. */
  readonly name: string
  readonly port: number
  /** Those mail may go to, in the order they are tried. */
  readonly addresses: readonly HostAddress[]
  /** Why there are no others. */
  readonly obstacles: readonly Obstacle[]
  /** An address of ours is among them. */
  readonly isOurselves: boolean
}

/** Opens a channel to a host that a route names. Whatever is wrong with the name is ours to mend, so it may pass. */
export async function openNamedHost(
  { host, port }: { readonly host: string; readonly port: number },
  options: HostOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const { nextHops } = options
  const asking = { signal, budget: new QueryBudget(MAX_QUESTIONS) }
  const found = await findHost(host, { ...nextHops, port, policy: nextHops.namedHosts }, asking)
  const opened = await openHost(found, options, signal)
  if ('carry' in opened) return { ok: true, channel: opened }
  return blocked(
    host,
    // What the mail itself demands is no mistake of ours.
    opened.map((obstacle) => (obstacle.status.startsWith('5.7.') ? obstacle : passing(obstacle))),
  )
}

function passing({ status, ...rest }: Obstacle): Obstacle {
  return { ...rest, status: `4${status.slice(1)}` as Obstacle['status'] }
}

export interface FindingRules extends Pick<NextHops, 'resolver' | 'family' | 'random' | 'port'> {
  readonly policy: NextHops['foundHosts']
}

/** Looks up a host. Never rejects. */
export async function findHost(name: string, rules: FindingRules, asking: Asking): Promise<FoundHost> {
  const { resolver, family, random } = rules
  const found = await hostAddresses(resolver, name, { ...asking, family, random })
  switch (found.kind) {
    case 'addresses':
      return admittedHost(name, found.addresses, rules)
    case 'no-domain':
      return absentHost(name, rules, '5.4.4', 'there is no such host')
    case 'no-address':
      return family === 'both'
        ? absentHost(name, rules, '5.4.4', 'it has no address')
        : absentHost(name, rules, '4.4.4', `it has no address that outbound.family: ${family} allows`)
    case 'trouble':
      return absentHost(name, rules, '4.4.3', `its address cannot be looked up: ${found.reason}`)
  }
}

/** A host with these addresses, without those mail may not go to. */
export function admittedHost(
  name: string,
  addresses: readonly HostAddress[],
  { policy, port }: Pick<FindingRules, 'policy' | 'port'>,
): FoundHost {
  const obstacles: Obstacle[] = []
  const admitted = addresses.filter((address) => {
    const text = policy.whyNot(address.address, port)
    if (text !== null) obstacles.push({ where: shown(name, address, port), status: '5.4.4', text })
    return text === null
  })
  const isOurselves = addresses.some(({ address }) => policy.isOurselves(address, port))
  return { name, port, addresses: admitted.slice(0, MAX_TRIED_ADDRESSES), obstacles, isOurselves }
}

function absentHost(
  name: string,
  { port }: FindingRules,
  status: Obstacle['status'],
  text: string,
): FoundHost {
  return { name, port, addresses: [], obstacles: [{ where: name, status, text }], isOurselves: false }
}

/** A channel to the first address that connects, if it is greeted; else everything that stands in the way. */
export async function openHost(
  { name, port, addresses, obstacles }: FoundHost,
  options: SessionOpenerOptions,
  signal: AbortSignal,
): Promise<Channel | readonly Obstacle[]> {
  if (addresses.length === 0) return obstacles
  const raced = await raceConnections({
    targets: addresses,
    connect: ({ address }, over) => openSocket({ host: address, port }, options.timeouts.connectMs, over),
    staggerMs: STAGGER_MS,
    signal,
  })
  const where = (address: HostAddress): string => shown(name, address, port)
  if (!raced.isWon) {
    const unreachable = raced.failures.map(({ target, error }) => ({
      where: where(target),
      status: '4.4.1' as const,
      text: outcomeOf({ kind: 'trouble', phase: 'connect', text: error.message }).detail,
    }))
    return [...obstacles, ...unreachable]
  }
  const { address } = raced.target
  const peer = { address: { host: address, port }, remote: where(raced.target), name: name || address }
  const opening = await greetPeer(raced.socket, peer, options, signal)
  if (opening.ok) return opening.channel
  const { met, remote } = opening
  const status = met.kind === 'no-host' ? met.status : '4.4.2'
  return [
    ...obstacles,
    { where: remote, status, text: met.kind === 'no-host' ? met.text : outcomeOf(met).detail },
  ]
}

/** An opening that failed for these reasons; for good only when none of them may pass. */
export function blocked(subject: string, obstacles: readonly Obstacle[]): Opening {
  const mayPass = obstacles.find(({ status }) => status.startsWith('4'))
  const status = (mayPass ?? obstacles.at(-1))?.status ?? '4.4.0'
  const text = obstacles.map((obstacle) => `${obstacle.where}: ${obstacle.text}`).join('; ')
  return { ok: false, remote: obstacles.at(-1)?.where ?? subject, met: { kind: 'no-host', status, text } }
}

function shown(name: string, { address }: HostAddress, port: number): string {
  return `${name}[${address}]:${port}`
}
