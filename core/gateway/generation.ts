/**
 * A generation: everything of a worker that a reload replaces. It is opened beside the one in force, with plughosts of
 * its own, so that a plugin which fails or hangs while it loads disturbs nobody.
 */
import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { readBounceClasses } from '../../config/bounce-classes.ts'
import type { Config, ListenerConfig } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'
import type { SessionNotes } from '../../sandbox/broker/notes.ts'
import type { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import type { KnownManifests } from '../../sandbox/known-manifests.ts'
import type { PluginBounds } from '../../sandbox/plugin-bounds.ts'
import type { Quarantine } from '../../sandbox/quarantine.ts'
import type { Recorder } from '../../sandbox/recorder.ts'
import { openSandbox, type Sandbox, type SandboxOptions } from '../../sandbox/sandbox.ts'
import type { SandboxSources } from '../../sandbox/sources.ts'
import type { SparePlughost } from '../../sandbox/spare-plughost.ts'
import type { PluginUsage } from '../../sandbox/usage.ts'
import type { MessagePool } from '../content/pool.ts'
import { createNextHops, type NextHops } from '../delivery/next-hops.ts'
import type { Notices } from '../delivery/notices.ts'
import { Resolver } from '../dns/resolver.ts'
import { HookRunner } from '../hooks/runner.ts'
import { BounceClasses } from '../mail/bounce-classes.ts'
import type { Clock } from '../observe/clock.ts'
import type { DecisionRecords } from '../observe/decision-record.ts'
import type { Log } from '../observe/log.ts'
import type { Keeper } from '../queue/keeper.ts'
import { type Authorities, trustedContext } from '../tls/authorities.ts'
import type { ServerCertificates } from '../tls/server-certificates.ts'
import { openAuthorities, openCertificates, openClientAuthorities } from './certificate.ts'
import { type FileCredentials, openCredentials } from './credentials.ts'
import { gatewayNotices } from './notices.ts'

/** What a generation is made of. Plain data: the same for every worker. */
export interface GenerationSource {
  /** 1 at the start, one more with each reload. */
  readonly number: number
  readonly config: Config
  readonly sources: SandboxSources
}

/** What stays the same for the life of a worker. */
export interface Lasting {
  readonly keeper: Keeper
  /** Looks into messages. */
  readonly contents: MessagePool
  readonly records: DecisionRecords
  readonly newQueueId: () => string
  readonly listeners: readonly ListenerConfig[]
  /** What plugins did so far, by name. */
  readonly usage: Map<string, PluginUsage>
  readonly counters: PluginCounters
  readonly notes: SessionNotes
  readonly bounds: PluginBounds
  /** What those that were approved declare. */
  readonly manifests: KnownManifests
  /** What they are not asked any more. */
  readonly quarantine: Quarantine
  readonly recorder: Recorder
  /** A plughost for whoever needs one at once. */
  readonly spare: SparePlughost
  readonly clock: Clock
  readonly log: Log
}

/** Longer than a lookup or the check of a password may take, milliseconds. */
const UNDER_WAY_MS = 60_000

export interface Generation {
  readonly number: number
  readonly config: Config
  readonly sandbox: Sandbox
  readonly hooks: HookRunner
  readonly certificates: ServerCertificates | null
  readonly credentials: FileCredentials | null
  readonly resolver: Resolver
  readonly nextHops: NextHops
  readonly bounceClasses: BounceClasses
  readonly notices: Notices
  /** It wants no spare plughost any more. Called once. */
  readonly letSpareGo: () => void
}

/** Opens a generation; what `before` has that has not changed is shared with it. With a problem nothing is left open. */
export async function openGeneration(
  { number, config, sources }: GenerationSource,
  lasting: Lasting,
  before: Generation | null,
): Promise<Generation | { readonly problems: readonly Problem[] }> {
  const { keeper, records, newQueueId, clock, log } = lasting
  const classes = readBounceClasses(config)
  if ('problems' in classes) return classes
  const authorities = openAuthorities(config)
  if ('problems' in authorities) return authorities
  const certificates = certificatesOf(config, lasting, before)
  if (certificates !== null && 'problems' in certificates) return certificates
  const resolver = isSame(before, config, ({ dns }) => dns)
    ? before.resolver
    : new Resolver({ servers: config.dns.servers, clock })
  const sandbox = await openSandbox(sources, sandboxOptions(config, lasting, resolver))
  if ('problems' in sandbox) {
    if (certificates !== before?.certificates) certificates?.close()
    if (resolver !== before?.resolver) resolver.close()
    return sandbox
  }
  const credentials = isSame(before, config, ({ users }) => users)
    ? before.credentials
    : await openCredentials({
        file: config.users,
        saltSecretFile: join(config.store.directory, 'salt-secret'),
        log,
        clock,
        tallies: keeper.tallies,
      })
  const hooks = new HookRunner(sandbox.panel, () => clock.monotonic(), log)
  return {
    number,
    config,
    sandbox,
    hooks,
    certificates,
    credentials,
    resolver,
    nextHops: nextHopsOf(config, lasting.listeners, resolver, authorities),
    bounceClasses: new BounceClasses(classes.rules),
    notices: gatewayNotices(config, { hooks, records, newId: newQueueId, clock, log }),
    letSpareGo: wantSpare(lasting.spare, { config, sources }),
  }
}

/** Those of `before` when neither the settings have changed nor who vouches for clients. */
function certificatesOf(
  config: Config,
  { log, clock }: Lasting,
  before: Generation | null,
): ReturnType<typeof openCertificates> {
  const authorities = openClientAuthorities(config)
  if ('problems' in authorities) return authorities
  const isUnchanged =
    isSame(before, config, ({ tls, hostname }) => ({ tls, hostname })) &&
    isDeepStrictEqual(before.certificates?.clientAuthorities ?? [], authorities)
  return isUnchanged ? before.certificates : openCertificates(config, authorities, log, clock)
}

function sandboxOptions(
  { secrets, record, plughosts }: Config,
  {
    keeper,
    contents,
    usage,
    quarantine,
    recorder,
    spare,
    counters,
    notes,
    bounds,
    manifests,
    clock,
    log,
  }: Lasting,
  resolver: Resolver,
): SandboxOptions {
  return {
    state: keeper.state,
    resolver,
    secrets,
    contents,
    clock,
    log,
    random: Math.random,
    usage,
    quarantine,
    idle: spare,
    standby: plughosts.standby,
    recording: { recorder, settings: record.activations },
    counters,
    notes,
    bounds,
    manifests,
  }
}

/**
 * Closes what `other`, the generation that goes on, does not share. Lookups and sign-ins that are under way have some
 * time to end; without another generation they have had it.
 */
export async function closeGeneration(generation: Generation, other: Generation | null): Promise<void> {
  generation.sandbox.close()
  generation.letSpareGo()
  if (generation.certificates !== other?.certificates) generation.certificates?.close()
  if (other !== null) await wait(UNDER_WAY_MS, undefined, { ref: false })
  if (generation.resolver !== other?.resolver) generation.resolver.close()
  if (generation.credentials !== other?.credentials) await generation.credentials?.close()
}

/** A plughost more than there are plugins for, where anything runs that did not come with the gateway. */
export function wantSpare(
  spare: SparePlughost,
  { config, sources }: Pick<GenerationSource, 'config' | 'sources'>,
): () => void {
  const yours = config.plugins.filter(({ source }) => source.kind === 'file')
  if (yours.length === 0) return () => {}
  const together = yours.filter(({ process }) => process === 'shared').length
  return spare.want({ prelude: sources.border.prelude, plugins: Math.max(1, together) })
}

function isSame(
  before: Generation | null,
  config: Config,
  part: (config: Config) => unknown,
): before is Generation {
  return before !== null && isDeepStrictEqual(part(before.config), part(config))
}

function nextHopsOf(
  { outbound, passwords }: Config,
  listeners: readonly ListenerConfig[],
  resolver: Resolver,
  authorities: Authorities,
): NextHops {
  const { port, family, allowedNetworks } = outbound
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses)
  return createNextHops({
    resolver,
    port,
    family,
    allowedNetworks,
    listeners: listeners.map((listener) => ({ address: listener.host, port: listener.port })),
    ownAddresses: interfaces.map(({ address }) => address),
    random: Math.random,
    passwords,
    trust: () => trustedContext(authorities),
  })
}
