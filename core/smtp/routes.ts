/** Routes: where each recipient's copy goes, by the configuration and by what plugins chose. */
import type { ChosenRoute } from '../hooks/actions.ts'
import { domainOf } from '../mail/address.ts'
import type { QueueRecipient } from '../mail/hook-events.ts'
import type { LocalDomains } from './local-domains.ts'

/** A choice that came too late: the recipient had a route chosen already. */
export interface IgnoredRoute {
  readonly plugin: string
  readonly destination: string
  readonly recipient: string
}

export interface RoutedRecipient {
  readonly address: string
  /** null: nobody knows where it goes. */
  readonly route: string | null
}

/** Recipients with the route the configuration gives them. */
export function configuredRoutes(
  recipients: Iterable<string>,
  domains: LocalDomains,
): readonly QueueRecipient[] {
  return Array.from(recipients, (address) => {
    const name = domainOf(address)
    return { address, domain: { name, ours: domains.isOurs(name) }, route: domains.routeTo(name) }
  })
}

/** Applies what plugins chose. The first choice for a recipient wins; a different later one is ignored and told. */
export function chooseRoutes(
  recipients: readonly QueueRecipient[],
  choices: readonly ChosenRoute[],
): { readonly routed: readonly RoutedRecipient[]; readonly ignored: readonly IgnoredRoute[] } {
  const ignored: IgnoredRoute[] = []
  const routed = recipients.map(({ address, route }) => {
    let chosen: string | null = null
    for (const { plugin, destination, recipients: only } of choices) {
      if (only !== null && !only.includes(address)) continue
      if (chosen === null) chosen = destination
      else if (chosen !== destination) ignored.push({ plugin, destination, recipient: address })
    }
    return { address, route: chosen ?? route }
  })
  return { routed, ignored }
}

/** Whether mail by this route is settled at acceptance and stored nowhere. */
export function isDiscard(route: string): boolean {
  return route.toLowerCase() === 'discard:'
}
