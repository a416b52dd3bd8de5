/** What a server is ready to speak: versions, ciphers, and the certificate it shows. */
import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import type { Authorities } from './authorities.ts'
import type { KeyPairFault, KeyPairFiles, PemPair } from './key-pair.ts'

/** RFC 8996 ends 1.0 and 1.1; the ciphers of 1.2 are those with forward secrecy and authenticated encryption (RFC 9325 §4.2). */
const MIN_VERSION = 'TLSv1.2'
const CIPHERS = [
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'TLS_AES_128_GCM_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
].join(':')

/**
 * Nobody begins a second handshake within a connection, and nobody goes on with an earlier one: a key of tickets that is
 * never changed would undo forward secrecy, and whoever shows a certificate is to be looked at each time.
 */
const SECURE_OPTIONS = constants.SSL_OP_NO_RENEGOTIATION | constants.SSL_OP_NO_TICKET

/**
 * Ours is the order of the ciphers.
 *
 * @param clientAuthorities who vouches for clients that show a certificate; nobody when empty
 */
export function secureContext(
  { certificate, key }: PemPair,
  files: KeyPairFiles,
  clientAuthorities: Authorities = [],
): SecureContext | KeyPairFault {
  try {
    return createSecureContext({
      cert: certificate,
      key,
      minVersion: MIN_VERSION,
      ciphers: CIPHERS,
      honorCipherOrder: true,
      secureOptions: SECURE_OPTIONS,
      ...(clientAuthorities.length === 0 ? {} : { ca: [...clientAuthorities] }),
    })
  } catch (error) {
    // A key too small for today's rules, or a broken certificate behind the first.
    const message = `The certificate ${files.certificate} cannot be used: ${(error as Error).message}.`
    return {
      kind: 'unusable',
      file: 'certificate',
      message,
      remedy: 'have a new one made, with a chain in PEM format',
    }
  }
}
