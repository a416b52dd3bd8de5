/** What all conversations of a server share. */

import { LocalConcurrency } from '../state/concurrency.ts'
import { LocalUsage, type UsageMeter } from '../state/usage.ts'
import { ConnectionCounts } from './connection-counts.ts'
import { Policy, type PolicyParts } from './policy.ts'
import type { SmtpParts } from './ports.ts'

export class SmtpService {
  readonly parts: SmtpParts
  readonly connections: ConnectionCounts
  readonly usage: UsageMeter
  #policy: Policy
  readonly counters = { sessions: 0, accepted: 0, refused: 0 }
  /** No new transactions: we are about to stop. */
  isDraining = false

  constructor(parts: SmtpParts) {
    this.parts = parts
    this.#policy = new Policy(parts.policy)
    this.usage = parts.usage ?? new LocalUsage(() => parts.clock.monotonic())
    this.connections = new ConnectionCounts(
      parts.policy.settings.limits,
      parts.concurrency ?? new LocalConcurrency(),
    )
  }

  /** In force now; transactions that began under another one keep that. */
  get policy(): Policy {
    return this.#policy
  }

  use(parts: PolicyParts): void {
    this.#policy = new Policy(parts)
    this.connections.limits = parts.settings.limits
  }
}
