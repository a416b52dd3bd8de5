/** Whatever is stored, one message leaves as one message: content nobody accepts today, read at the wire of the client. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { readAs, STRICT, StrictSink } from '../../support/strict-sink.ts'
import { carried, inline, open, outgoing, results } from './client-stand.ts'

const TOKENS = ['\r\n', '\r', '\n', '\0', '.', '..', 'x', 'QUIT', 'MAIL FROM:<x@evil.test>', 'DATA'] as const

for (const protocol of ['smtp', 'lmtp'] as const)
  test(`by ${protocol.toUpperCase()}, one of one, and nothing but CRLF ends a line`, async (t) => {
    await using sink = await StrictSink.start({ protocol })
    const channel = await open(t, Number(sink.route.split(':')[2]), { protocol })
    let carriedSoFar = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...TOKENS), { maxLength: 12 }),
        fc.boolean(),
        async (tokens, hasHeader) => {
          const content = `${hasHeader ? 'Subject: x\r\n\r\n' : ''}${tokens.join('')}`
          const met = await carried(channel, outgoing(['a@r.test'], inline(content)))
          assert.deepEqual(results(met), ['delivered'])
          carriedSoFar += 1
          const octets = sink.streams.join('')
          assert.doesNotMatch(octets, /\0|\r(?!\n)|(?<!\r)\n/)
          const { messages, commands } = readAs(octets, STRICT)
          assert.equal(messages.length, carriedSoFar)
          assert.equal(commands.length, 1 + 3 * carriedSoFar)
        },
      ),
      { numRuns: 300, seed: 4512 },
    )
  })
