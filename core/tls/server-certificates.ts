/** The certificates of a server, each for its host names: which one a client is shown (RFC 6066 §3). */
import type { SecureContext } from 'node:tls'
import type { Authorities } from './authorities.ts'
import { wildcardFor } from './certificate-names.ts'
import { type CertificateOptions, WatchedCertificate } from './watched-certificate.ts'

export class ServerCertificates {
  readonly #first: WatchedCertificate
  readonly #all: readonly WatchedCertificate[]
  /** Who vouches for clients that show a certificate; empty: nobody. */
  readonly clientAuthorities: Authorities

  private constructor(all: readonly [WatchedCertificate, ...WatchedCertificate[]], authorities: Authorities) {
    this.#first = all[0]
    this.#all = all
    this.clientAuthorities = authorities
  }

  /** Reads the files of each and keeps an eye on them, see WatchedCertificate. */
  static open(
    first: CertificateOptions,
    others: readonly CertificateOptions[],
    clientAuthorities: Authorities,
  ): ServerCertificates {
    const opened = (options: CertificateOptions): WatchedCertificate =>
      WatchedCertificate.open({ ...options, clientAuthorities })
    return new ServerCertificates([opened(first), ...others.map(opened)], clientAuthorities)
  }

  /** For a client that asks for no name, or for one that none of them is for. */
  get context(): SecureContext {
    return this.#first.context
  }

  /** Whether anybody vouches for clients. */
  get verifiesClients(): boolean {
    return this.clientAuthorities.length > 0
  }

  /** For a client that asks for this host: the first that has its name, else the first that has a wildcard for it. */
  contextFor(host: string): SecureContext {
    const name = host.toLowerCase().replace(/\.$/, '')
    const wildcard = wildcardFor(name)
    const chosen =
      this.#all.find(({ names }) => names.has(name)) ??
      this.#all.find(({ names }) => wildcard !== null && names.has(wildcard))
    return (chosen ?? this.#first).context
  }

  close(): void {
    for (const certificate of this.#all) certificate.close()
  }
}
