/** The verifier of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677): what a server keeps to check a proof without the password. */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'

/** Keys and salt in base64. */
export interface ScramVerifier {
  readonly iterations: number
  readonly salt: string
  readonly storedKey: string
  readonly serverKey: string
}

/** RFC 7677 §4. */
export const MIN_ITERATIONS = 4096
export const MAX_ITERATIONS = 10_000_000
/**
 * A stolen file is only as strong as the weaker of the two hashes in it, and this one needs no memory: so many rounds
 * that it is no short cut around scrypt. Some clients refuse more than 65 536.
 */
export const SCRAM_ITERATIONS = 600_000
export const SCRAM_KEY_OCTETS = 32

/** Derives the verifier of a prepared password. Holds the thread for a few tenths of a second. */
export function scramVerifier(
  password: string,
  salt: Uint8Array,
  iterations: number = SCRAM_ITERATIONS,
): ScramVerifier {
  const salted = pbkdf2Sync(password, salt, iterations, SCRAM_KEY_OCTETS, 'sha256')
  const hmac = (key: string): Buffer => createHmac('sha256', salted).update(key).digest()
  return {
    iterations,
    salt: Buffer.from(salt).toString('base64'),
    storedKey: createHash('sha256').update(hmac('Client Key')).digest('base64'),
    serverKey: hmac('Server Key').toString('base64'),
  }
}
