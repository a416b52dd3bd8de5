/** A resolver that asks a server of the test's, with a clock the test moves. */
import type { TestContext } from 'node:test'
import { Resolver, type ResolverOptions } from '../../../core/dns/resolver.ts'
import type { Clock } from '../../../core/observe/clock.ts'
import { DnsServer, type Script } from '../../support/dns-server.ts'

export class FakeClock implements Clock {
  #ms = 1_000_000

  now(): number {
    return this.#ms
  }

  monotonic(): number {
    return this.#ms
  }

  passSeconds(seconds: number): void {
    this.#ms += seconds * 1_000
  }
}

export interface DnsStand {
  readonly server: DnsServer
  readonly resolver: Resolver
  readonly clock: FakeClock
}

/** Silence is waited for only as long as `timeoutMs`; 5 s unless told otherwise, so that a busy machine is no silence. */
export async function dnsStandFor(
  t: TestContext,
  options: ResolverOptions = {},
  otherwise?: Script,
): Promise<DnsStand> {
  const server = await DnsServer.start(otherwise)
  const clock = new FakeClock()
  const resolver = new Resolver({ servers: server.servers, timeoutMs: 5_000, clock, ...options })
  t.after(async () => {
    resolver.close()
    await server.stop()
  })
  return { server, resolver, clock }
}
