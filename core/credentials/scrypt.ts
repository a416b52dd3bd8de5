/** Password hashes by scrypt (RFC 7914): slow and hungry for memory, so that a stolen file is not a list of passwords. */
import { scryptSync, timingSafeEqual } from 'node:crypto'

/** How much work a hash is. Memory is 128 · cost · blockSize octets. */
export interface ScryptWork {
  /** N: a power of two. */
  readonly cost: number
  /** r */
  readonly blockSize: number
  /** p */
  readonly parallelization: number
}

export interface ScryptHash extends ScryptWork {
  /** base64 */
  readonly salt: string
  /** base64 */
  readonly hash: string
}

/** 32 MB and about a tenth of a second: bearable at every log-in, and not in a list of guesses. */
export const SCRYPT_WORK: ScryptWork = Object.freeze({ cost: 2 ** 15, blockSize: 8, parallelization: 1 })

export const SALT_OCTETS = 16
export const HASH_OCTETS = 32

const MIN_COST = 2 ** 10
const MAX_MEMORY_OCTETS = 256 * 1024 * 1024
const MAX_PARALLELIZATION = 16
const OCTETS_PER_BLOCK = 128
/** What OpenSSL counts besides the table itself. */
const SPARE_OCTETS = 64 * 1024

/** Why nobody should be asked to do this much, or this little, work; null when it is in order. */
export function whyNotWork({ cost, blockSize, parallelization }: ScryptWork): string | null {
  if (!Number.isSafeInteger(cost) || cost < MIN_COST || !Number.isInteger(Math.log2(cost)))
    return `N is a power of two, at least ${MIN_COST}`
  if (!Number.isSafeInteger(blockSize) || blockSize < 1) return 'r is at least 1'
  if (!(parallelization >= 1 && parallelization <= MAX_PARALLELIZATION))
    return `p is between 1 and ${MAX_PARALLELIZATION}`
  return OCTETS_PER_BLOCK * cost * blockSize > MAX_MEMORY_OCTETS
    ? `N and r need more than ${MAX_MEMORY_OCTETS / 1024 / 1024} MB`
    : null
}

/** Hashes a prepared password. Holds the thread for as long as the work takes. */
export function hashPassword(password: string, salt: Uint8Array, work: ScryptWork = SCRYPT_WORK): ScryptHash {
  const hash = derive(password, salt, work, HASH_OCTETS)
  const { cost, blockSize, parallelization } = work
  const base64 = Buffer.from(salt).toString('base64')
  return { cost, blockSize, parallelization, salt: base64, hash: hash.toString('base64') }
}

/** Whether a prepared password has this hash, compared in constant time. Holds the thread as hashPassword does. */
export function matchesHash(password: string, expected: ScryptHash): boolean {
  const hash = Buffer.from(expected.hash, 'base64')
  const derived = derive(password, Buffer.from(expected.salt, 'base64'), expected, hash.length)
  return timingSafeEqual(derived, hash)
}

function derive(password: string, salt: Uint8Array, work: ScryptWork, octets: number): Buffer {
  const { cost, blockSize, parallelization } = work
  const maxmem = OCTETS_PER_BLOCK * blockSize * (cost + parallelization + 2) + SPARE_OCTETS
  return scryptSync(password, salt, octets, { cost, blockSize, parallelization, maxmem })
}
