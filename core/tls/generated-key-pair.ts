/** The certificate of a gateway that was given none: made once, kept beside the store, and used again. */

import { X509Certificate } from 'node:crypto'
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { isKeyPairFault, type KeyPairFiles, readKeyPair } from './key-pair.ts'
import { selfSigned } from './self-signed.ts'

/** Nobody checks it, so nothing is gained by its end: long enough not to be met. */
const DAYS = 3_650
const PRIVATE = 0o600

/**
 * Makes the pair unless a usable one for this name is there.
 *
 * @param now milliseconds since 1970
 * @returns whether a new one was made
 * @throws an error of the file system when it cannot be written
 */
export function ensureGenerated(files: KeyPairFiles, hostname: string, now: number): boolean {
  const read = readKeyPair(files, now)
  if (!isKeyPairFault(read) && isFor(read.certificate, hostname)) return false
  const { certificate, key } = selfSigned(hostname, now, DAYS)
  mkdirSync(dirname(files.key), { recursive: true })
  // The key first: a start that is cut short leaves a pair that does not fit and is made anew.
  writePrivate(files.key, key)
  writePrivate(files.certificate, certificate)
  return true
}

function isFor(certificate: string, hostname: string): boolean {
  return new X509Certificate(certificate).checkHost(hostname) !== undefined
}

/** Made new, so that nobody reads along who had the old file open, whatever its mode was. */
function writePrivate(path: string, text: string): void {
  rmSync(path, { force: true })
  writeFileSync(path, text, { mode: PRIVATE, flag: 'wx' })
  chmodSync(path, PRIVATE)
}
