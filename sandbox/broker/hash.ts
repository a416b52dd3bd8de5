/** Capability `hash`: SHA-256, and HMAC with a key no plugin sees (RFC 2104). */
import { createHash, createHmac } from 'node:crypto'
import { EffectRefused, type NamedEffect } from './effect.ts'
import type { Secrets } from './secrets.ts'

const MAX_TEXT_BYTES = 65_536

export function hashEffects(secrets: Secrets): readonly NamedEffect[] {
  return [
    [
      'hash.sha256',
      { write: false, run: async (_, [text]) => createHash('sha256').update(checked(text)).digest('hex') },
    ],
    [
      'hash.hmac',
      {
        write: false,
        run: async (caller, [key, text]) => {
          if (typeof key !== 'string' || !key.startsWith('secret:'))
            throw new EffectRefused('a key is a reference such as "secret:NAME"')
          return createHmac('sha256', secrets.value(caller, key)).update(checked(text)).digest('hex')
        },
      },
    ],
  ]
}

function checked(text: unknown): string {
  if (typeof text !== 'string' || Buffer.byteLength(text) > MAX_TEXT_BYTES)
    throw new EffectRefused(`what is hashed is text of at most ${MAX_TEXT_BYTES} octets`)
  return text
}
