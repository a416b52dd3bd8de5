/**
 * The way to a domain: its mail exchangers are tried in their order until one of them greets (RFC 5321 §5.1, RFC 7505).
 * That there is no way is final only when the DNS says so; trouble with the DNS is not.
 */
import { isIPv4 } from 'node:net'
import { betterThanOurselves, type MailExchanger, mailExchangers } from '../dns/mail-exchangers.ts'
import { QueryBudget } from '../dns/query-budget.ts'
import { literalAddress } from '../mail/address.ts'
import type { Opening } from './channel.ts'
import {
  admittedHost,
  blocked,
  findHost,
  type HostOpenerOptions,
  type Obstacle,
  openHost,
} from './host-opener.ts'

/** Hosts of one domain that are tried for one channel. */
const MAX_HOSTS = 5
/** For exchangers, both families of each, and some aliases: what one domain can make us ask at once. */
const MAX_QUESTIONS = 40

/** @param domain a lower-case name, or an address literal in brackets */
export async function openMailExchanger(
  domain: string,
  options: HostOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const address = literalAddress(domain)
  if (address !== null) return await openLiteral(domain, address, options, signal)
  const { resolver, random } = options.nextHops
  const budget = new QueryBudget(MAX_QUESTIONS)
  const found = await mailExchangers(resolver, domain, { signal, budget, random })
  switch (found.kind) {
    case 'hosts':
      return await openFirst(domain, found.hosts, options, signal, budget)
    case 'null-mx':
      return none(domain, '5.1.10', 'takes no mail (null MX, RFC 7505)')
    case 'no-domain':
      return none(domain, '5.1.2', 'does not exist')
    case 'unusable':
      return none(domain, '5.4.4', `cannot be sent to: ${found.reason}`)
    case 'trouble':
      return none(domain, '4.4.3', `cannot be looked up: ${found.reason}`)
  }
}

function none(domain: string, status: Obstacle['status'], text: string): Opening {
  return { ok: false, remote: domain, met: { kind: 'no-host', status, text: `${domain} ${text}` } }
}

/** RFC 5321 §4.1.3. The address is a stranger's word too. */
async function openLiteral(
  domain: string,
  address: string,
  options: HostOpenerOptions,
  signal: AbortSignal,
): Promise<Opening> {
  const { family, port, foundHosts } = options.nextHops
  const its = isIPv4(address) ? 4 : 6
  if (family !== 'both' && family !== `ipv${its}`)
    return none(domain, '4.4.4', `is no address that outbound.family: ${family} allows`)
  const host = admittedHost('', [{ address, family: its }], { policy: foundHosts, port })
  const opened = host.isOurselves ? [ourselves(domain)] : await openHost(host, options, signal)
  return 'carry' in opened ? { ok: true, channel: opened } : blocked(domain, opened)
}

/** The first host that greets. Hosts of equal preference are looked up together: we may be one of them. */
async function openFirst(
  domain: string,
  exchangers: readonly MailExchanger[],
  options: HostOpenerOptions,
  signal: AbortSignal,
  budget: QueryBudget,
): Promise<Opening> {
  const { hostname, nextHops } = options
  const rules = { ...nextHops, policy: nextHops.foundHosts }
  const better = betterThanOurselves(exchangers, ({ name }) => name === hostname)
  const obstacles: Obstacle[] = []
  for (const group of equals(better.slice(0, MAX_HOSTS))) {
    const hosts = await Promise.all(group.map(({ name }) => findHost(name, rules, { signal, budget })))
    const us = hosts.find(({ isOurselves }) => isOurselves)
    // Whoever is not preferred to us would send it back (RFC 5321 §5.1).
    if (us !== undefined) return blocked(domain, [...obstacles, ourselves(us.name)])
    for (const host of hosts) {
      const opened = await openHost(host, options, signal)
      if ('carry' in opened) return { ok: true, channel: opened }
      obstacles.push(...opened)
    }
  }
  if (better.length === 0) obstacles.push(ourselves(hostname))
  return blocked(domain, obstacles)
}

function ourselves(where: string): Obstacle {
  return { where, status: '5.4.6', text: 'that is this server itself, and mail would go in circles' }
}

/** Neighbours of the same preference together. */
function equals(hosts: readonly MailExchanger[]): readonly (readonly MailExchanger[])[] {
  const groups = new Map<number, MailExchanger[]>()
  for (const host of hosts) groups.set(host.preference, [...(groups.get(host.preference) ?? []), host])
  return [...groups.values()]
}
