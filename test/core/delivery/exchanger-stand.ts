/** A stand for delivery by name: a DNS server of the test's, and remotes that listen on one port of several addresses. */
import type { TestContext } from 'node:test'
import type { SecureContext } from 'node:tls'
import type { Attempted } from '../../../core/delivery/attempts.ts'
import { createNextHops } from '../../../core/delivery/next-hops.ts'
import type { Family } from '../../../core/dns/host-addresses.ts'
import { Resolver } from '../../../core/dns/resolver.ts'
import { address, type DnsServer, dnsServerFor, mx, noData } from '../../support/dns-server.ts'
import { FakeRemote, type RemoteTls, type Script } from '../../support/fake-remote.ts'
import { type Stand, type StandOptions, standFor } from './delivery-stand.ts'
import { until } from './until.ts'

export interface ExchangerStandOptions extends Omit<StandOptions, 'nextHops'> {
  readonly family?: Family
  /** Loopback unless told otherwise. */
  readonly allowedNetworks?: readonly string[]
  /** Addresses of 127.0.0.0/8 where we listen, on the port of the remotes. */
  readonly ourAddresses?: readonly string[]
  /** Of every remote; none unless told otherwise. */
  readonly tls?: RemoteTls
  /** Whom we trust; the authorities that come with Node.js unless told otherwise. */
  readonly trust?: SecureContext
  /** How long DNS is waited for, milliseconds; a silent server has two turns. */
  readonly dnsTimeoutMs?: number
}

export interface ExchangerStand extends Stand {
  readonly dns: DnsServer
  /** By the last number of their address: 1 is 127.0.0.1. */
  readonly remotes: ReadonlyMap<number, FakeRemote>
  readonly port: number
  /** Where delivery connects to, as it is shown. */
  shown(host: string, last: number): string
  /** Sends one message by this route, and waits for the end of its first attempt. */
  send(route: string): Promise<Fate>
}

/** What became of a message after one attempt, in the store and in the record. */
export interface Fate {
  /** `gone` when it was delivered. */
  readonly state: string
  /** As an operator reads it. */
  readonly detail: string
  readonly remote: string
}

/** @param scripts remotes by the last number of their address, 1 among them */
export async function exchangerStandFor(
  t: TestContext,
  scripts: Readonly<Record<number, Script>>,
  options: ExchangerStandOptions = {},
): Promise<ExchangerStand> {
  const dns = await dnsServerFor(t)
  const remotes = await remotesFor(t, scripts, options.tls ?? null)
  const port = remotes.get(1)?.port ?? 0
  const { family = 'both', allowedNetworks = ['127.0.0.0/8', '::1'], ourAddresses = [] } = options
  const resolver = new Resolver({ servers: dns.servers, timeoutMs: options.dnsTimeoutMs ?? 5_000 })
  t.after(() => resolver.close())
  const nextHops = createNextHops({
    resolver,
    port,
    family,
    allowedNetworks,
    listeners: ourAddresses.map((ours) => ({ address: ours, port })),
    ownAddresses: [],
    random: Math.random,
    ...(options.trust === undefined ? {} : { trust: () => options.trust as SecureContext }),
  })
  // One attempt is what these tests are about.
  const stand = await standFor(t, { retryMs: [3_600_000], ...options, nextHops })
  return {
    ...stand,
    dns,
    remotes,
    port,
    shown: (host, last) => `${host}[127.0.0.${last}]:${port}`,
    async send(route) {
      const id = await stand.accept(route, ['a@remote.test'])
      const attempt = (): Attempted | undefined => stand.attempts.find(({ queueId }) => queueId === id)
      await until(() => attempt() !== undefined)
      const entry = (await stand.entries()).find(({ message }) => message === id)
      const [told] = attempt()?.recipients ?? []
      return {
        state: entry?.state ?? 'gone',
        detail: entry?.detail ?? told?.detail ?? '',
        remote: attempt()?.remote ?? '',
      }
    },
  }
}

/** Scripts a domain: its exchangers by preference, each with the last numbers of its addresses. */
export function setDomain(
  dns: DnsServer,
  domain: string,
  exchangers: readonly (readonly [preference: number, host: string, lasts: readonly number[]])[],
): void {
  dns.set(domain, 'MX', { answers: exchangers.map(([preference, host]) => mx(domain, preference, host)) })
  for (const [, host, lasts] of exchangers) {
    dns.set(host, 'A', { answers: lasts.map((last) => address(host, `127.0.0.${last}`)) })
    dns.set(host, 'AAAA', noData())
  }
}

async function remotesFor(
  t: TestContext,
  scripts: Readonly<Record<number, Script>>,
  tls: RemoteTls | null,
): Promise<ReadonlyMap<number, FakeRemote>> {
  const remotes = new Map<number, FakeRemote>()
  let port = 0
  for (const [last, script] of Object.entries(scripts)) {
    const remote = await FakeRemote.start(script, port, `127.0.0.${last}`, tls)
    t.after(() => remote.stop())
    port = remote.port
    remotes.set(Number(last), remote)
  }
  return remotes
}
