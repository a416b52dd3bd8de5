/** The authorities that vouch for servers: those of the system, and those the administrator names. */
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls'

/** Certificates in PEM format. */
export type Authorities = readonly string[]

/** Why a file of authorities cannot be used. */
export interface AuthoritiesFault {
  readonly kind: 'unreadable' | 'unusable'
  /** A sentence that names the file. */
  readonly message: string
}

const MAX_FILE_BYTES = 1024 * 1024
const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Every certificate of a file. Never throws for what is in it. */
export function readAuthorities(file: string): Authorities | AuthoritiesFault {
  let text: string
  try {
    if (statSync(file).size > MAX_FILE_BYTES)
      return { kind: 'unusable', message: `The file ${file} is larger than ${MAX_FILE_BYTES} bytes.` }
    text = readFileSync(file, 'latin1')
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    return { kind: 'unreadable', message: `The file ${file} cannot be read (${code ?? String(error)}).` }
  }
  const certificates = text.match(CERTIFICATE) ?? []
  if (certificates.length === 0)
    return { kind: 'unusable', message: `There is no certificate in PEM format in ${file}.` }
  const broken = certificates.findIndex((certificate) => !isCertificate(certificate))
  if (broken >= 0)
    return { kind: 'unusable', message: `Certificate ${broken + 1} of ${file} cannot be read as one.` }
  return certificates
}

/**
 * What a client trusts: these authorities beside the system's; beside those that come with Node.js where the system has
 * none. Takes a tenth of a second, so it is made once.
 */
export function trustedContext(named: Authorities): SecureContext {
  const system = getCACertificates('system')
  const ca = [...(system.length > 0 ? system : getCACertificates('bundled')), ...named]
  return createSecureContext({ ca, minVersion: 'TLSv1.2' })
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}
