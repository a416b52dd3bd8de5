/** The effective configuration in the shape of the file: every default written out, every secret masked. */
import { stringify } from 'yaml'
import type { Config, KeyPairConfig, ListenerConfig, LookupConfig, PluginConfig } from './config.ts'
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
    listeners: config.listeners.map(listener),
    ...certificate(config),
    users: config.users,
    domains: domains(config),
    relay: config.relay,
    lineEndings: config.lineEndings,
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
  const { route, tls, timeouts, bounceClasses, ...settings } = config.outbound
  return {
    route: route === null ? null : destination(route, config),
    ...settings,
    timeouts: Object.fromEntries(
      Object.entries(timeouts).map(([name, ms]) => [name.replace(/Ms$/, ''), formatDuration(ms)]),
    ),
    bounceClasses: bounceClasses.file,
    tls: { ca: tls.ca },
  }
}

/** With a mask where the password stands. */
function destination(text: string, { passwords }: Config): string {
  return Object.hasOwn(passwords, text) ? text.replace('@', `:${MASK}@`) : text
}

/** One that is made at the start has no setting: the listeners say that it is needed. */
function certificate({ tls }: Config): Readonly<Record<string, unknown>> {
  if (tls === null || tls.isGenerated) return {}
  const pair = ({ certificate: file, key }: KeyPairConfig): unknown => ({ certificate: file, key })
  const { certificate: file, key, certificates, clientCa } = tls
  return {
    tls: { certificate: file, key, certificates: certificates.map(pair), clientCa: clientCa?.file ?? null },
  }
}

function listener({ host, port, limits: own, ...settings }: ListenerConfig): unknown {
  const address = formatEndpoint({ host, port })
  if (own === undefined) return { address, ...settings }
  const { messageBytes, tarpitMs, idleMs, ...others } = own
  return {
    address,
    ...settings,
    limits: {
      ...(messageBytes === undefined ? {} : { messageBytes: formatSize(messageBytes) }),
      ...others,
      ...(tarpitMs === undefined ? {} : { tarpit: formatDuration(tarpitMs) }),
      ...(idleMs === undefined ? {} : { idle: formatDuration(idleMs) }),
    },
  }
}

function limits({ limits: all }: Config): unknown {
  const { messageBytes, idleMs, contentMs, contentBytesPerSecond, tarpitMs, memoryBytes, ...others } = all
  const { network, pluginCalls, pluginAbsenceMs, storeCalls, storeDelayMs, ...counts } = others
  if (network === null) return 'off'
  return {
    messageBytes: formatSize(messageBytes),
    ...counts,
    tarpit: formatDuration(tarpitMs),
    memory: formatSize(memoryBytes),
    pluginCalls,
    pluginAbsence: formatDuration(pluginAbsenceMs),
    storeCalls,
    storeDelay: formatDuration(storeDelayMs),
    network: { ...network, bytes: formatSize(network.bytes) },
    idle: formatDuration(idleMs),
    contentTime: formatDuration(contentMs),
    contentRate: contentBytesPerSecond,
  }
}

function plugin({ source, config, grant, onError, process }: PluginConfig): unknown {
  const which = source.kind === 'bundled' ? { name: source.name } : { path: source.path }
  return { ...which, config, grant, onError, process }
}

function lookup(table: LookupConfig): string | readonly string[] {
  return table.kind === 'file' ? table.path : table.entries
}
