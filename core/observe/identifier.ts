/** Random identifiers of sessions and refusals: short enough to read out, too many to guess. */
import { randomFillSync } from 'node:crypto'

/** No vowels, so that no words come about; 20 letters. */
const LETTERS = 'bcdfghjklmnpqrstvwxz'
const POOL_BYTES = 8_192
/** Bytes from here on would favour the first letters. */
const FAIR_BELOW = Math.floor(256 / LETTERS.length) * LETTERS.length

const pool = Buffer.allocUnsafeSlow(POOL_BYTES)
let used = POOL_BYTES

/** `r_` and 8 letters: what a refused client can quote. */
export function newReference(): string {
  return `r_${letters(8)}`
}

/** `s_` and 16 letters. */
export function newSessionId(): string {
  return `s_${letters(16)}`
}

function letters(count: number): string {
  let out = ''
  while (out.length < count) {
    if (used === POOL_BYTES) {
      randomFillSync(pool)
      used = 0
    }
    const byte = pool[used++] as number
    if (byte < FAIR_BELOW) out += LETTERS[byte % LETTERS.length]
  }
  return out
}
