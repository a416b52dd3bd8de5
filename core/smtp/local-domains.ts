/** The domains that are ours, and where mail goes by the configuration alone. */
import { formatAddress, parseMailbox } from '../mail/address.ts'
import { formatDestination, parseDestination } from '../mail/destination.ts'
import type { SmtpSettings } from './settings.ts'

const POSTMASTER = 'postmaster'
/** Stands in the configuration for the mail exchangers of whatever domain it is. */
const MX = 'mx'

export class LocalDomains {
  readonly #hostname: string
  /** A Map: a domain may be named like a member of every object. */
  readonly #routes: ReadonlyMap<string, string>
  readonly #outbound: string | null
  /** Mailbox of the host itself, which no configured domain has to know. */
  readonly hostPostmaster: string
  /** Where mail for the host's own postmaster really goes. */
  readonly postmasterMailbox: string

  constructor({ hostname, domains, outbound, postmaster }: SmtpSettings) {
    this.#hostname = hostname.toLowerCase()
    this.#outbound = outbound.route
    this.#routes = new Map(
      Object.entries(domains).map(([name, { deliver }]) => [name.toLowerCase(), deliver]),
    )
    this.hostPostmaster = `${POSTMASTER}@${this.#hostname}`
    const mailbox = postmaster === null ? 'none' : parseMailbox(postmaster)
    const isForwarded = typeof mailbox !== 'string' && !this.isOurs(this.#hostname)
    this.postmasterMailbox = isForwarded ? formatAddress(mailbox) : this.hostPostmaster
  }

  /** @param domain lower-cased */
  isOurs(domain: string): boolean {
    return this.#routes.has(domain)
  }

  /** Whether this is the mailbox every domain of ours has, the host's own name included (RFC 5321 §4.5.1). */
  isPostmaster(localPart: string, domain: string): boolean {
    if (localPart.length !== POSTMASTER.length || localPart.toLowerCase() !== POSTMASTER) return false
    return domain === this.#hostname || this.isOurs(domain)
  }

  /** Where mail for this domain goes; null when the configuration names nothing. Our own host is not sent to. */
  routeTo(domain: string): string | null {
    const ours = this.#routes.get(domain)
    if (ours !== undefined) return ours
    if (domain === this.#hostname) return null
    return this.#outbound === MX ? exchangersOf(domain) : this.#outbound
  }
}

/** Written so that equal address literals are one route. */
function exchangersOf(domain: string): string | null {
  const destination = parseDestination(`${MX}:${domain}`)
  return typeof destination === 'string' ? null : formatDestination(destination)
}
