/**
 * Decides who may send mail through this gateway: anyone to our own domains, our own networks and users anywhere
 * (RFC 5321 §3.6.2, RFC 2505 §2.1). Without this plugin, or another that grants, every recipient is refused.
 */
import { definePlugin, pass } from 'postern'

export default definePlugin({
  name: 'relay-control',
  version: '1.0.0',
  api: 1,
  permissions: { 'relay.grant': true },
  hooks: {
    rcpt({ session, domain }, { relay }) {
      if (domain.ours) {
        relay.grant()
        return pass('One of our own domains', { code: 'RELAY_OWN_DOMAIN', facts: { domain: domain.name } })
      }
      if (session.identity !== null) {
        relay.grant()
        return pass('The client has signed in', {
          code: 'RELAY_IDENTITY',
          facts: { identity: session.identity },
        })
      }
      if (session.trusted) {
        relay.grant()
        return pass('The client is in a trusted network', {
          code: 'RELAY_NETWORK',
          facts: { client: session.client.address },
        })
      }
      return pass('Neither our domain nor a client we relay for', {
        code: 'RELAY_NO_REASON',
        facts: { domain: domain.name, client: session.client.address },
      })
    },
  },
})
