/** What a filter of average weight does: looks at every hook, adds one field, may search the body. */
import { definePlugin, reject } from 'postern'

const UNWANTED = /\b(?:viagra|lottery|wire\s+transfer|bitcoin\s+wallet)\b/i

export default definePlugin({
  name: 'edit',
  version: '1.0.0',
  api: 1,
  permissions: { refuse: ['reject'], 'headers.write': ['X-Bench-Filter'], 'body.read': true },
  config: {
    type: 'object',
    properties: {
      addField: { type: 'boolean', default: false },
      searchBody: { type: 'boolean', default: false },
    },
  },
  hooks: {
    connect() {},
    helo() {},
    auth() {},
    mail() {},
    rcpt() {},
    data(_event, { headers, body }, { addField, searchBody }) {
      if (addField) headers.add('X-Bench-Filter', 'checked by postern')
      return searchBody ? search((index) => body.chunk(index)) : undefined
    },
    queue() {},
    deliver() {},
    tell() {},
  },
})

async function search(chunk: (index: number) => Promise<string | undefined>) {
  for (let index = 0; ; index++) {
    const piece = await chunk(index)
    if (piece === undefined) return undefined
    if (UNWANTED.test(piece)) return reject('5.7.1', 'Content refused', { code: 'BENCH_CONTENT' })
  }
}
