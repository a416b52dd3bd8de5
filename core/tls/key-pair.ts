/** A certificate and its key, read from files and found fit to be shown to clients, or what is wrong with them. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'

/** Text of both files. The certificate may be followed by those that lead to a root. */
export interface PemPair {
  readonly certificate: string
  readonly key: string
}

/** Paths of both files, absolute. */
export interface KeyPairFiles {
  readonly certificate: string
  readonly key: string
}

export interface KeyPair extends PemPair {
  /** First moment of the certificate's validity, milliseconds since 1970. */
  readonly validFrom: number
  /** Last moment of the certificate's validity, milliseconds since 1970. */
  readonly validUntil: number
  /** Mode bits of the key file beyond 0640; 0 when nobody else can get at it. */
  readonly excessMode: number
}

/** Why a pair cannot be used. */
export interface KeyPairFault {
  readonly kind: 'unreadable' | 'unusable' | 'not-valid-now'
  readonly file: keyof KeyPairFiles
  /** A sentence that names the file. */
  readonly message: string
  readonly remedy: string
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'does not exist',
  ENOTDIR: 'does not exist',
  EACCES: 'may not be read by this user',
  EPERM: 'may not be read by this user',
  EISDIR: 'is a folder',
}
/** What the group may do with a key file is read it; others may do nothing. */
const ALLOWED_MODE = 0o640
const MAX_FILE_BYTES = 1024 * 1024

/** Read, and valid now. Never throws for what is in the files. @param now milliseconds since 1970 */
export function readKeyPair(files: KeyPairFiles, now: number): KeyPair | KeyPairFault {
  const pair = readKeyPairOfAnyTime(files)
  return isKeyPairFault(pair) ? pair : (whyNotValid(pair, files, now) ?? pair)
}

/** Read, whether valid now or not. Never throws for what is in the files. */
export function readKeyPairOfAnyTime(files: KeyPairFiles): KeyPair | KeyPairFault {
  const certificate = readText(files, 'certificate')
  if ('kind' in certificate) return certificate
  const key = readText(files, 'key')
  if ('kind' in key) return key
  const pair = { certificate: certificate.text, key: key.text }
  const checked = checkKeyPair(pair, files)
  if ('kind' in checked) return checked
  return { ...pair, ...checked, excessMode: key.mode & 0o777 & ~ALLOWED_MODE }
}

/** What is wrong with the time, null when nothing is. @param now milliseconds since 1970 */
export function whyNotValid(
  { validFrom, validUntil }: KeyPair,
  files: KeyPairFiles,
  now: number,
): KeyPairFault | null {
  const fault = { kind: 'not-valid-now', file: 'certificate' } as const
  if (now > validUntil) {
    const message = `The certificate ${files.certificate} expired on ${day(validUntil)}.`
    return { ...fault, message, remedy: 'renew it, and name the renewed one' }
  }
  if (now >= validFrom) return null
  const message = `The certificate ${files.certificate} is not valid before ${day(validFrom)}.`
  return { ...fault, message, remedy: 'check the clock of this machine, or name another certificate' }
}

/** Whether reading failed. */
export function isKeyPairFault(read: KeyPair | KeyPairFault): read is KeyPairFault {
  return 'kind' in read
}

function readText(
  files: KeyPairFiles,
  file: keyof KeyPairFiles,
): { readonly text: string; readonly mode: number } | KeyPairFault {
  const path = files[file]
  try {
    const { size, mode } = statSync(path)
    if (size <= MAX_FILE_BYTES) return { text: readFileSync(path, 'latin1'), mode }
    const message = `The ${file} ${path} is larger than ${MAX_FILE_BYTES} bytes.`
    return { kind: 'unusable', file, message, remedy: `name a PEM file with the ${file}` }
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? String(error)
    const message = `The ${file} ${path} ${REASONS[code] ?? `cannot be read (${code})`}.`
    return {
      kind: 'unreadable',
      file,
      message,
      remedy: `name a PEM file that this user may read, under "tls.${file}"`,
    }
  }
}

function checkKeyPair(
  { certificate, key }: PemPair,
  files: KeyPairFiles,
): Pick<KeyPair, 'validFrom' | 'validUntil'> | KeyPairFault {
  const parsed = parseCertificate(certificate)
  if (parsed === null) return noPem(files, 'certificate', 'a line "-----BEGIN CERTIFICATE-----"')
  const secret = parseKey(key)
  if (secret === 'encrypted') {
    const message = `The key ${files.key} is encrypted with a passphrase.`
    const remedy = `decrypt it (openssl pkey -in KEY -out PLAIN) and keep it readable for this user alone`
    return { kind: 'unusable', file: 'key', message, remedy }
  }
  if (secret === null) return noPem(files, 'key', 'a line "-----BEGIN PRIVATE KEY-----"')
  if (!parsed.checkPrivateKey(secret)) {
    const message = `The key ${files.key} does not belong to the certificate ${files.certificate}.`
    const remedy = 'name the key the certificate was made for; in a chain, its own certificate comes first'
    return { kind: 'unusable', file: 'key', message, remedy }
  }
  return { validFrom: parsed.validFromDate.getTime(), validUntil: parsed.validToDate.getTime() }
}

function parseCertificate(text: string): X509Certificate | null {
  try {
    return new X509Certificate(text)
  } catch {
    return null
  }
}

function parseKey(text: string): KeyObject | 'encrypted' | null {
  if (/^(?:-----BEGIN ENCRYPTED|Proc-Type: 4,ENCRYPTED)/m.test(text)) return 'encrypted'
  try {
    return createPrivateKey(text)
  } catch {
    return null
  }
}

function noPem(files: KeyPairFiles, file: keyof KeyPairFiles, line: string): KeyPairFault {
  const message = `There is no ${file} in PEM format in ${files[file]}.`
  return { kind: 'unusable', file, message, remedy: `name a file that has ${line}` }
}

function day(at: number): string {
  return new Date(at).toISOString().slice(0, 10)
}
