/** Sends recipients to other destinations than the configuration's `domains` and `outbound` say. */
import { definePlugin, pass } from 'postern'

export default definePlugin({
  name: 'routing',
  version: '1.0.0',
  api: 1,
  permissions: { 'route.set': ['*'] },
  config: {
    type: 'object',
    properties: {
      routes: {
        type: 'object',
        additionalProperties: { type: 'string', maxLength: 2000 },
        default: {},
        description:
          'Destination by recipient: an address, a domain, or * for everyone else not in a domain of ours',
      },
    },
  },
  hooks: {
    queue({ recipients }, { route }, { routes }) {
      const byDestination = new Map<string, string[]>()
      let changed = 0
      for (const { address, domain } of recipients) {
        const destination =
          own(routes, address.toLowerCase()) ??
          own(routes, domain.name) ??
          (domain.ours ? undefined : own(routes, '*'))
        if (destination === undefined) continue
        const addresses = byDestination.get(destination)
        if (addresses === undefined) byDestination.set(destination, [address])
        else addresses.push(address)
        changed++
      }
      for (const [destination, addresses] of byDestination) route.set(destination, addresses)
      return changed === 0
        ? undefined
        : pass('Routed by table', { code: 'ROUTED', facts: { recipients: changed } })
    },
  },
})

function own(routes: Readonly<Record<string, string>>, key: string): string | undefined {
  return Object.hasOwn(routes, key) ? routes[key] : undefined
}
