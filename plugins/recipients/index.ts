/** Refuses recipients of our domains that do not exist (RFC 5321 §3.3): listed in the configuration or in a table. */
import { definePlugin, reject } from 'postern'

let listed: { readonly from: readonly string[]; readonly set: ReadonlySet<string> } | null = null

export default definePlugin({
  name: 'recipients',
  version: '1.0.0',
  api: 1,
  permissions: { refuse: ['reject'], lookup: ['*'] },
  config: {
    type: 'object',
    properties: {
      addresses: {
        type: 'array',
        items: { type: 'string', maxLength: 320 },
        description: 'Addresses that exist, or @domain for a domain that takes every address',
      },
      table: { type: 'string', description: 'Name of a lookup table with the same entries' },
      separator: {
        type: 'string',
        maxLength: 1,
        default: '+',
        description: 'What comes behind it in the local part is not looked at; empty: nothing is cut off',
      },
    },
  },
  hooks: {
    async rcpt({ recipient, localPart, domain }, { lookup }, { addresses, table, separator }) {
      if (!domain.ours || (addresses === undefined && table === undefined)) return undefined
      const whole = recipient.toLowerCase()
      const cut = separator === '' ? -1 : localPart.indexOf(separator)
      const base = cut > 0 ? `${localPart.slice(0, cut)}@${domain.name}`.toLowerCase() : whole
      const candidates = base === whole ? [whole, `@${domain.name}`] : [whole, base, `@${domain.name}`]
      if (addresses !== undefined && candidates.some((candidate) => setOf(addresses).has(candidate)))
        return undefined
      if (table !== undefined) {
        for (const candidate of candidates) if (await lookup.has(table, candidate)) return undefined
      }
      return reject('5.1.1', 'No such recipient here', { code: 'RECIPIENT_UNKNOWN', facts: { recipient } })
    },
  },
})

/** Built once for each list: there may be tens of thousands of addresses, asked for with every recipient. */
function setOf(addresses: readonly string[]): ReadonlySet<string> {
  if (listed?.from !== addresses)
    listed = { from: addresses, set: new Set(addresses.map((address) => address.toLowerCase())) }
  return listed.set
}
