/** How many connections are open: in all, and by client network. Other workers' count too, where they are counted. */
import type { Concurrency } from '../state/concurrency.ts'
import type { SmtpLimits } from './settings.ts'

/** Whether one more may come in; otherwise which limit it would break. */
export type Admission = 'admitted' | 'connections' | 'connectionsPerNetwork'

const ALL = 'connections'

export class ConnectionCounts {
  /** In force for whoever comes next. */
  limits: SmtpLimits
  readonly #concurrency: Concurrency

  constructor(limits: SmtpLimits, concurrency: Concurrency) {
    this.limits = limits
    this.#concurrency = concurrency
  }

  /**
   * Admits one more connection and counts it, or says why not. A trusted client has no limit of its own.
   *
   * @param connectionsPerNetwork where it is not what is configured for all listeners
   * @throws StoreFault as a rejection when others cannot be counted: it is not admitted then
   */
  enter(
    network: string,
    isTrusted: boolean,
    connectionsPerNetwork = this.limits.connectionsPerNetwork,
  ): Admission | Promise<Admission> {
    const { connections } = this.limits
    const full = this.#concurrency.acquire([
      { key: ALL, limit: connections },
      { key: ofNetwork(network), limit: isTrusted ? Infinity : connectionsPerNetwork },
    ])
    return full instanceof Promise ? full.then(admission) : admission(full)
  }

  /** An admitted connection has ended. */
  leave(network: string): void {
    this.#concurrency.release([ALL, ofNetwork(network)])
  }
}

function ofNetwork(network: string): string {
  return `${ALL}:${network}`
}

function admission(full: string | null): Admission {
  if (full === null) return 'admitted'
  return full === ALL ? 'connections' : 'connectionsPerNetwork'
}
