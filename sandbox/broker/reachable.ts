/**
 * Where a name leads that a plugin may speak to: looked at before anything is sent. An address that is not on the
 * Internet needs an administrator who has granted the place.
 */
import { isIP } from 'node:net'
import { AddressPolicy } from '../../core/dns/address-policy.ts'
import { hostAddresses } from '../../core/dns/host-addresses.ts'
import type { HttpAddress } from '../../core/https.ts'
import { Budgets, type NameLookups } from './dns.ts'
import { type Caller, PermissionDenied, Unavailable } from './effect.ts'

export interface Place {
  /** A name, or an address without brackets. */
  readonly host: string
  readonly port: number
  /** As the permission names it. */
  readonly name: string
  readonly permission: 'http' | 'tcp'
}

export class Reachable {
  readonly #resolver: NameLookups
  readonly #random: () => number
  readonly #budgets = new Budgets()

  /** @param random in [0, 1): which of several addresses is first */
  constructor(resolver: NameLookups, random: () => number) {
    this.#resolver = resolver
    this.#random = random
  }

  /** Those that may be connected to. @throws PermissionDenied, Unavailable */
  async addresses(caller: Caller, { host, port, name, permission }: Place): Promise<readonly HttpAddress[]> {
    const family = isIP(host)
    const known =
      family === 0 ? await this.#lookedUp(caller, host) : [{ address: host, family: family as 4 | 6 }]
    if (caller.permissions[permission].allowsPrivate(name)) return known
    const open = known.filter(({ address }) => INTERNET.whyNot(address, port) === null)
    if (open.length > 0) return open
    const why = INTERNET.whyNot(known[0]?.address ?? '', port)
    throw new PermissionDenied(permission, `${name} is at ${why}, which an administrator has to grant`)
  }

  async #lookedUp({ question, plugin }: Caller, host: string): Promise<readonly HttpAddress[]> {
    const found = await hostAddresses(this.#resolver, host, {
      family: 'both',
      random: this.#random,
      budget: this.#budgets.of(question, plugin),
      signal: AbortSignal.timeout(question.pluginMs),
    })
    if (found.kind === 'addresses') return found.addresses
    throw new Unavailable(found.kind === 'trouble' ? `${host}: ${found.reason}` : `${host} has no address`)
  }
}

/** What may be reached without a grant: hosts on the Internet. */
const INTERNET = new AddressPolicy({ listeners: [], ownAddresses: [], allowedNetworks: [] })
