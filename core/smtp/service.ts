/** What all conversations of a server share. */

import { LocalConcurrency } from '../state/concurrency.ts'
import { TrustedNetworks } from './client-network.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { LocalDomains } from './local-domains.ts'
import type { SmtpParts } from './ports.ts'

export class SmtpService {
  readonly parts: SmtpParts
  readonly domains: LocalDomains
  readonly trusted: TrustedNetworks
  readonly connections: ConnectionCounts
  readonly counters = { sessions: 0, accepted: 0, refused: 0 }
  /** No new transactions: we are about to stop. */
  isDraining = false

  constructor(parts: SmtpParts) {
    this.parts = parts
    this.domains = new LocalDomains(parts.settings)
    this.trusted = new TrustedNetworks(parts.settings.relay.networks)
    this.connections = new ConnectionCounts(
      parts.settings.limits,
      parts.concurrency ?? new LocalConcurrency(),
    )
  }
}
