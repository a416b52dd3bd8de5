/** A certificate nobody vouches for: enough to encrypt, not to prove who we are (RFC 5280 §4). */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto'
import { bits, integer, objectIdentifier, octetString, sequence, set, tagged, time, utf8Text } from './der.ts'
import type { PemPair } from './key-pair.ts'

const DAY_MS = 86_400_000
/** A clock that is a little behind ours still finds it valid. */
const BACKDATED_MS = DAY_MS
const ECDSA_WITH_SHA256 = sequence(objectIdentifier(1, 2, 840, 10045, 4, 3, 2))
const COMMON_NAME = objectIdentifier(2, 5, 4, 3)
const SUBJECT_ALT_NAME = objectIdentifier(2, 5, 29, 17)
const BASIC_CONSTRAINTS = objectIdentifier(2, 5, 29, 19)
/** RFC 5280 appendix A: a longer common name does not exist. The name in full is in the extension. */
const MAX_COMMON_NAME_CHARS = 64
const SERIAL_OCTETS = 16

/**
 * Makes a key (ECDSA on P-256, PKCS #8) and a certificate for it.
 *
 * @param now  milliseconds since 1970
 * @param days it is valid, from now on
 */
export function selfSigned(hostname: string, now: number, days: number): PemPair {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const name = sequence(set(sequence(COMMON_NAME, utf8Text(hostname.slice(0, MAX_COMMON_NAME_CHARS)))))
  const serial = randomBytes(SERIAL_OCTETS)
  // Positive, and no shorter than it looks (RFC 5280 §4.1.2.2).
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  const toBeSigned = sequence(
    tagged(0, integer(Buffer.of(2)), true),
    integer(serial),
    ECDSA_WITH_SHA256,
    name,
    sequence(time(now - BACKDATED_MS), time(now + days * DAY_MS)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    tagged(3, sequence(extension(BASIC_CONSTRAINTS, sequence()), subjectAltName(hostname)), true),
  )
  const signature = sign('sha256', toBeSigned, { key: privateKey, dsaEncoding: 'der' })
  return {
    certificate: pem('CERTIFICATE', sequence(toBeSigned, ECDSA_WITH_SHA256, bits(signature))),
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

function subjectAltName(hostname: string): Buffer {
  return extension(SUBJECT_ALT_NAME, sequence(tagged(2, Buffer.from(hostname, 'latin1'), false)))
}

function extension(id: Buffer, value: Buffer): Buffer {
  return sequence(id, octetString(value))
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
