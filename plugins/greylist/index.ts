/** Greylisting (RFC 6647): the first attempt from a client network to a recipient is deferred; one that comes back passes. */
import { defer, definePlugin, pass } from 'postern'

export default definePlugin({
  name: 'greylist',
  version: '1.0.0',
  api: 1,
  permissions: { refuse: ['defer'], kv: ['greylist:*'] },
  config: {
    type: 'object',
    properties: {
      delaySeconds: {
        type: 'integer',
        minimum: 1,
        maximum: 86_400,
        default: 300,
        description: 'Shortest wait',
      },
      rememberSeconds: {
        type: 'integer',
        minimum: 60,
        maximum: 31_536_000,
        default: 3_110_400,
        description: 'How long a combination that passed once is remembered; 36 days',
      },
      retryWindowSeconds: {
        type: 'integer',
        minimum: 60,
        maximum: 604_800,
        default: 172_800,
        description: 'How long a first attempt waits for its second; 2 days',
      },
    },
  },
  hooks: {
    async rcpt({ session, transaction, recipient }, { kv }, config) {
      if (session.trusted || session.identity !== null) return undefined
      const key = keyOf(session.client.network, transaction.reversePath, recipient)
      const seen = await kv.get(key)
      const now = Date.now()
      if (seen === undefined) {
        await kv.set(key, String(now), { ttlSeconds: config.retryWindowSeconds })
        return defer('4.7.1', 'Greylisted, try again later', {
          code: 'GREYLIST_NEW',
          facts: { network: session.client.network, waitSeconds: config.delaySeconds },
        })
      }
      if (seen !== 'passed') {
        const waited = Math.floor((now - Number(seen)) / 1000)
        if (waited < config.delaySeconds)
          return defer('4.7.1', 'Greylisted, try again later', {
            code: 'GREYLIST_EARLY',
            facts: { waitedSeconds: waited, waitSeconds: config.delaySeconds },
          })
      }
      await kv.set(key, 'passed', { ttlSeconds: config.rememberSeconds })
      return pass('Came back after the wait', { code: 'GREYLIST_PASSED' })
    },
  },
})

/** Keys are short whatever the addresses: two different 32-bit hashes of the addresses behind the network. */
function keyOf(network: string, reversePath: string, recipient: string): string {
  const pair = `${reversePath}|${recipient}`.toLowerCase()
  return `greylist:${network}|${hash(pair, 0x811c9dc5)}${hash(pair, 0x9747b28c)}`
}

/** FNV-1a. */
function hash(text: string, basis: number): string {
  let value = basis
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return (value >>> 0).toString(36)
}
