/** What is in force: settings, plugins, certificate and users as of one reload. */
import type { HookRunner } from '../hooks/runner.ts'
import { TrustedNetworks } from './client-network.ts'
import { LocalDomains } from './local-domains.ts'
import type { Credentials, ServerCertificate } from './ports.ts'
import type { SmtpSettings } from './settings.ts'

/** What a policy is made of. */
export interface PolicyParts {
  readonly settings: SmtpSettings
  readonly hooks: Pick<
    HookRunner,
    'ask' | 'hasSubscribers' | 'takesTokens' | 'enter' | 'leave' | 'isPenalized'
  >
  /** null without a certificate: every listener is `tls: off`. */
  readonly tls: ServerCertificate | null
  /** null without a file of users: only plugins can let somebody sign in. */
  readonly credentials: Credentials | null
}

/** A transaction keeps the policy it began with to its end, whatever is reloaded meanwhile. */
export class Policy implements PolicyParts {
  readonly settings: SmtpSettings
  readonly hooks: PolicyParts['hooks']
  readonly tls: ServerCertificate | null
  readonly credentials: Credentials | null
  readonly domains: LocalDomains
  readonly trusted: TrustedNetworks
  /** Whose bare CR and bare LF become CRLF. */
  readonly normalized: TrustedNetworks

  constructor({ settings, hooks, tls, credentials }: PolicyParts) {
    this.settings = settings
    this.hooks = hooks
    this.tls = tls
    this.credentials = credentials
    this.domains = new LocalDomains(settings)
    this.trusted = new TrustedNetworks(settings.relay.networks)
    this.normalized = new TrustedNetworks(settings.lineEndings.normalize)
  }
}
