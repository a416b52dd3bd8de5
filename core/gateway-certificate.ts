/** The certificate of a worker, the administrator's or one made on the spot; and whose certificates it trusts. */
import { authoritiesProblem, certificateProblem } from '../config/certificate.ts'
import type { Config, TlsConfig } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import type { Clock } from './observe/clock.ts'
import type { Log } from './observe/log.ts'
import { type Authorities, readAuthorities } from './tls/authorities.ts'
import { ensureGenerated } from './tls/generated-key-pair.ts'
import { WatchedCertificate } from './tls/watched-certificate.ts'

/** null when no listener offers TLS. */
export function openCertificate(
  { tls, hostname }: Config,
  log: Log,
  clock: Clock,
): WatchedCertificate | { readonly problems: readonly Problem[] } | null {
  if (tls === null) return null
  try {
    if (tls.isGenerated && ensureGenerated(tls, hostname, clock.now()))
      log.info('certificate-generated', { file: tls.certificate, hostname })
  } catch (error) {
    return { problems: [notMade(tls, error as Error)] }
  }
  const certificate = WatchedCertificate.open({ files: tls, log, now: () => clock.now() })
  return 'kind' in certificate ? { problems: [certificateProblem(tls, certificate)] } : certificate
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
