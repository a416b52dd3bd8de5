/** What is told of a certificate that a client has shown. All of it is text of the client's, so it is bounded. */
import type { X509Certificate } from 'node:crypto'
import type { ClientCertificate } from '../mail/session.ts'

const MAX_NAME_CHARS = 500
const MAX_NAMES = 50
/** Others have quotes around something that would read as more than one. */
const ALTERNATIVE_NAME = /^(?:DNS|email|URI|IP Address):[!#-+\x2d-~]{1,255}$/

/**
 * @param whyNot why no authority vouches for it; null when one does
 */
export function clientCertificate(certificate: X509Certificate, whyNot: string | null): ClientCertificate {
  const { subjectAltName = '', fingerprint256 } = certificate
  // An empty name is none for Node.js, whatever its types say (RFC 5280 §4.1.2.6 allows it).
  const { subject, issuer }: Record<'subject' | 'issuer', string | undefined> = certificate
  return {
    subject: onOneLine(subject ?? ''),
    issuer: onOneLine(issuer ?? ''),
    names: subjectAltName
      .split(', ')
      .filter((name) => ALTERNATIVE_NAME.test(name))
      .slice(0, MAX_NAMES),
    fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    verified: whyNot === null,
    reason: whyNot,
  }
}

/** Node.js writes one attribute a line, with commas and control characters escaped (RFC 4514 §2.4). */
function onOneLine(name: string): string {
  return name.split('\n').join(', ').slice(0, MAX_NAME_CHARS)
}
