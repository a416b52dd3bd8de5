/** The certificates of a worker, the administrator's or one made on the spot; and whose certificates it trusts. */
import { authoritiesProblem } from '../../config/certificate.ts'
import type { Config, KeyPairConfig, TlsConfig } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'
import type { Clock } from '../observe/clock.ts'
import type { Log } from '../observe/log.ts'
import { type Authorities, readAuthorities } from '../tls/authorities.ts'
import { ensureGenerated } from '../tls/generated-key-pair.ts'
import { selfSigned } from '../tls/self-signed.ts'
import { ServerCertificates } from '../tls/server-certificates.ts'
import type { CertificateOptions } from '../tls/watched-certificate.ts'

/** Of a certificate that stands in for one that cannot be used. */
const STAND_IN_DAYS = 30

/**
 * null when no listener offers TLS. A certificate of the administrator's that is no good is no problem here: the
 * supervisor has looked at it before the start, and a worker that is replaced goes on with what there is.
 */
export function openCertificates(
  { tls, hostname }: Config,
  clientAuthorities: Authorities,
  log: Log,
  clock: Clock,
): ServerCertificates | { readonly problems: readonly Problem[] } | null {
  if (tls === null) return null
  try {
    if (tls.isGenerated && ensureGenerated(tls, hostname, clock.now()))
      log.info('certificate-generated', { file: tls.certificate, hostname })
  } catch (error) {
    return { problems: [notMade(tls, error as Error)] }
  }
  const watched = (files: KeyPairConfig): CertificateOptions => ({
    files,
    log,
    now: () => clock.now(),
    standIn: () => selfSigned(hostname, clock.now(), STAND_IN_DAYS),
  })
  const others = tls.certificates.map((files) => ({ ...watched(files), standInIs: 'the first certificate' }))
  return ServerCertificates.open(watched(tls), others, clientAuthorities)
}

/** Those that vouch for clients. Read anew at every reload. */
export function openClientAuthorities({
  tls,
}: Config): Authorities | { readonly problems: readonly Problem[] } {
  if (tls === null || tls.clientCa === null) return []
  const { file, place } = tls.clientCa
  const read = readAuthorities(file)
  return 'kind' in read ? { problems: [authoritiesProblem(place, read)] } : read
}

/** Those that are trusted beside the system's. */
export function openAuthorities({
  outbound,
}: Config): Authorities | { readonly problems: readonly Problem[] } {
  const { ca, place } = outbound.tls
  const read = ca === null ? [] : readAuthorities(ca)
  return 'kind' in read ? { problems: [authoritiesProblem(place, read)] } : read
}

function notMade({ place, certificate }: TlsConfig, error: Error): Problem {
  const message = `No certificate can be made at ${certificate}: ${error.message}.`
  const remedy = 'make the folder writable for this user, or name a certificate and its key under "tls"'
  return { code: 'P1143', place, message, remedy }
}
