/** The host names a certificate is for (RFC 9525 §3.1, RFC 5280 §4.2.1.6). */
import { X509Certificate } from 'node:crypto'

const DNS_NAME = /^DNS:((?:\*\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?)$/i

/** An empty name is none for Node.js, whatever its types say. */
interface Names {
  readonly subjectAltName?: string | undefined
  readonly subject: string | undefined
}

/** In small letters; one may begin with `*.`. Names that are none are left out. @param pem a certificate that can be read */
export function namesOf(pem: string): ReadonlySet<string> {
  const { subjectAltName = '', subject }: Names = new X509Certificate(pem)
  const names = subjectAltName.split(', ').flatMap((entry) => DNS_NAME.exec(entry)?.[1] ?? [])
  // Older certificates have it only there.
  const common =
    subjectAltName === '' ? [...(subject ?? '').matchAll(/^CN=(.*)$/gm)].map(([, name]) => `DNS:${name}`) : []
  return new Set([...names, ...common.flatMap((entry) => DNS_NAME.exec(entry)?.[1] ?? [])].map(lowerCase))
}

/** The wildcard that stands for this name, null when it has too few labels for one. */
export function wildcardFor(name: string): string | null {
  const [, ...rest] = name.split('.')
  return rest.length < 2 ? null : ['*', ...rest].join('.')
}

function lowerCase(name: string): string {
  return name.toLowerCase()
}
