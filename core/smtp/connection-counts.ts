/** How many connections are open: in all, and by client network. */
import type { SmtpLimits } from './settings.ts'

/** Whether one more may come in; otherwise which limit it would break. */
export type Admission = 'admitted' | 'connections' | 'connectionsPerNetwork'

export class ConnectionCounts {
  /** In force for whoever comes next. */
  limits: SmtpLimits
  readonly #byNetwork = new Map<string, number>()
  #total = 0

  constructor(limits: SmtpLimits) {
    this.limits = limits
  }

  /** Admits one more connection and counts it, or says why not. A trusted client has no limit of its own. */
  enter(network: string, isTrusted: boolean): Admission {
    if (this.#total >= this.limits.connections) return 'connections'
    const fromNetwork = this.#byNetwork.get(network) ?? 0
    if (!isTrusted && fromNetwork >= this.limits.connectionsPerNetwork) return 'connectionsPerNetwork'
    this.#byNetwork.set(network, fromNetwork + 1)
    this.#total++
    return 'admitted'
  }

  /** An admitted connection has ended. */
  leave(network: string): void {
    this.#total--
    const left = (this.#byNetwork.get(network) ?? 1) - 1
    if (left === 0) this.#byNetwork.delete(network)
    else this.#byNetwork.set(network, left)
  }
}
