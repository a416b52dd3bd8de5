/** The effective configuration in the shape of the file: every default written out, every secret masked. */
import { stringify } from 'yaml'
import type { Config, LookupConfig, PluginConfig } from './config.ts'
import { formatDuration } from './durations.ts'
import { formatEndpoint } from './endpoint.ts'
import { MASK } from './mask.ts'
import { maskSecrets, type SecretPaths } from './secrets.ts'
import { formatSize } from './sizes.ts'

/** What is shown: a configuration that loaded. */
export interface Shown {
  readonly config: Config
  readonly secrets: SecretPaths
}

/** As plain data. Loading it again gives the same configuration, apart from masked values. */
export function maskedConfig({ config, secrets }: Shown): Readonly<Record<string, unknown>> {
  const shown = {
    hostname: config.hostname,
    postmaster: config.postmaster,
    listeners: config.listeners.map(({ host, port, ...settings }) => ({
      address: formatEndpoint({ host, port }),
      ...settings,
    })),
    ...certificate(config),
    users: config.users,
    domains: domains(config),
    relay: config.relay,
    outbound: outbound(config),
    dns: { servers: config.dns.servers.map(formatEndpoint) },
    queue: {
      retry: config.queue.retryMs.map(formatDuration),
      expire: formatDuration(config.queue.expireMs),
      delayNotice: formatDuration(config.queue.delayNoticeMs),
      lease: formatDuration(config.queue.leaseMs),
    },
    limits: limits(config),
    store: {
      ...config.store,
      inlineBytes: formatSize(config.store.inlineBytes),
      reserveBytes: formatSize(config.store.reserveBytes),
    },
    admin: {
      socket: config.admin.socket,
      http: config.admin.http === null ? 'off' : formatEndpoint(config.admin.http),
    },
    plugins: config.plugins.map(plugin),
    plughosts: config.plughosts,
    lookups: Object.fromEntries(Object.entries(config.lookups).map(([name, table]) => [name, lookup(table)])),
    secrets: Object.fromEntries(Object.keys(config.secrets).map((name) => [name, MASK])),
    record: record(config),
    log: config.log,
    stopTimeout: formatDuration(config.stopTimeoutMs),
    workers: config.workers,
  }
  return maskSecrets(shown, secrets) as Record<string, unknown>
}

function record({ record: { activations, ...sessions } }: Config): unknown {
  return {
    ...sessions,
    bytes: formatSize(sessions.bytes),
    activations: { ...activations, bytes: formatSize(activations.bytes) },
  }
}

/** As YAML. */
export function formatConfig(shown: Shown): string {
  return stringify(maskedConfig(shown), { lineWidth: 110 })
}

function domains(config: Config): unknown {
  const names = Object.entries(config.domains)
  return Object.fromEntries(
    names.map(([name, { deliver }]) => [name, { deliver: destination(deliver, config) }]),
  )
}

function outbound(config: Config): unknown {
  const { route, tls, ...settings } = config.outbound
  return { route: route === null ? null : destination(route, config), ...settings, tls: { ca: tls.ca } }
}

/** With a mask where the password stands. */
function destination(text: string, { passwords }: Config): string {
  return Object.hasOwn(passwords, text) ? text.replace('@', `:${MASK}@`) : text
}

/** One that is made at the start has no setting: the listeners say that it is needed. */
function certificate({ tls }: Config): Readonly<Record<string, unknown>> {
  if (tls === null || tls.isGenerated) return {}
  return { tls: { certificate: tls.certificate, key: tls.key } }
}

function limits({ limits: all }: Config): unknown {
  const { messageBytes, idleMs, tarpitMs, memoryBytes, network, ...counts } = all
  if (network === null) return 'off'
  return {
    messageBytes: formatSize(messageBytes),
    ...counts,
    tarpit: formatDuration(tarpitMs),
    memory: formatSize(memoryBytes),
    network: { ...network, bytes: formatSize(network.bytes) },
    idle: formatDuration(idleMs),
  }
}

function plugin({ source, config, grant, onError, process }: PluginConfig): unknown {
  const which = source.kind === 'bundled' ? { name: source.name } : { path: source.path }
  return { ...which, config, grant, onError, process }
}

function lookup(table: LookupConfig): string | readonly string[] {
  return table.kind === 'file' ? table.path : table.entries
}
