/** Settings that passed every check, as the program sees them: numbers in one unit, paths absolute. */
import { resolve } from 'node:path'
import type { FromSchema } from 'json-schema-to-ts'
import { whyNotDomain } from '../core/mail/address.ts'
import { formatDestination, parseDestination, separatePassword } from '../core/mail/destination.ts'
import type { KeyPairFiles } from '../core/tls/key-pair.ts'
import type {
  Config,
  DomainConfig,
  KeyPairConfig,
  LimitsConfig,
  ListenerConfig,
  ListenerLimitsConfig,
  LookupConfig,
  NetworkLimitsConfig,
  OutboundConfig,
  PluginConfig,
  QueueConfig,
  StoreConfig,
  TlsConfig,
} from './config.ts'
import { socketPath } from './conflicts.ts'
import { parseDuration } from './durations.ts'
import { parseDnsServer, parseEndpoint } from './endpoint.ts'
import { isHostname } from './formats.ts'
import { formatNetwork, parseNetwork } from './network.ts'
import type { SettingPath } from './problem.ts'
import { SETTINGS } from './settings.ts'
import { parseSize } from './sizes.ts'

/** `limits: off`: what bounds memory stays bounded. */
const LIMITS_OFF = {
  messageBytes: SETTINGS.properties.limits.properties.messageBytes.default,
  recipientsPerMessage: SETTINGS.properties.limits.properties.recipientsPerMessage.maximum,
  connections: Number.POSITIVE_INFINITY,
  connectionsPerNetwork: Number.POSITIVE_INFINITY,
  messagesPerSession: Number.POSITIVE_INFINITY,
  errorsPerSession: Number.POSITIVE_INFINITY,
  tarpit: '0s',
  memory: SETTINGS.properties.limits.properties.memory.default,
  pluginCalls: Number.POSITIVE_INFINITY,
  pluginAbsence: SETTINGS.properties.limits.properties.pluginAbsence.default,
  storeCalls: Number.POSITIVE_INFINITY,
  storeDelay: SETTINGS.properties.limits.properties.storeDelay.default,
  network: null,
  idle: SETTINGS.properties.limits.properties.idle.default,
  longLines: SETTINGS.properties.limits.properties.longLines.default,
  contentTime: SETTINGS.properties.limits.properties.contentTime.default,
  contentRate: SETTINGS.properties.limits.properties.contentRate.default,
} as const

const MAX_WORKERS = SETTINGS.properties.workers.maximum

/** The file with every default applied. */
export type Settings = FromSchema<typeof SETTINGS>

export interface Surroundings {
  /** The configuration file, absolute. */
  readonly file: string
  /** Where relative paths start. */
  readonly folder: string
  /** The machine's own name. */
  readonly systemName: string
  /** Threads the machine runs at once. */
  readonly processors: number
  /** `file:line:column` of a setting. */
  readonly placeOf: (path: SettingPath) => string
}

export function toConfig(settings: Settings, surroundings: Surroundings): Config {
  const { file, folder, systemName, processors } = surroundings
  const { store, admin, outbound, relay } = settings
  const tls = toTls(settings, surroundings)
  return {
    file,
    hostname: settings.hostname?.toLowerCase() ?? defaultHostname(systemName),
    postmaster: settings.postmaster,
    listeners: settings.listeners.map((listener) => toListener(listener, tls !== null)),
    tls,
    users: settings.users === null ? null : resolve(folder, settings.users),
    domains: toDomains(settings.domains, folder),
    relay: { networks: relay.networks.map(network) },
    lineEndings: { normalize: settings.lineEndings.normalize.map(network) },
    outbound: toOutbound(outbound, surroundings),
    passwords: toPasswords(settings, folder),
    dns: { servers: settings.dns.servers.map((text) => sure(parseDnsServer(text))) },
    queue: toQueue(settings.queue),
    limits: toLimits(settings.limits),
    store: toStore(store, folder),
    admin: {
      socket: socketPath(folder, store.directory, admin.socket),
      http: admin.http === null || admin.http === 'off' ? null : sure(parseEndpoint(admin.http)),
    },
    plugins: settings.plugins.map((plugin, i) => toPlugin(plugin, surroundings, i)),
    lookups: toLookups(settings.lookups, folder),
    secrets: withoutPrototype(settings.secrets) as Config['secrets'],
    record: toRecord(settings.record),
    log: {
      level: settings.log.level,
      security: settings.log.security === null ? null : resolve(folder, settings.log.security),
    },
    plughosts: settings.plughosts,
    stopTimeoutMs: durationMs(settings.stopTimeout),
    workers: typeof settings.workers === 'number' ? settings.workers : Math.min(processors, MAX_WORKERS),
  }
}

/** The machine's name, as a name with a domain (RFC 5321 §2.3.5) even where it has none. */
function defaultHostname(systemName: string): string {
  const name = systemName.toLowerCase()
  if (isHostname(name)) return name
  return !name.includes('.') && whyNotDomain(name) === null ? `${name}.localdomain` : 'localhost.localdomain'
}

function toListener(
  { address, role, tls, clientCertificates, limits, proxy, xclient, xforward }: Settings['listeners'][number],
  hasCertificate: boolean,
): ListenerConfig {
  const own = toListenerLimits(limits)
  return {
    ...sure(parseEndpoint(address)),
    role,
    tls: tls ?? (hasCertificate ? 'starttls' : 'off'),
    clientCertificates,
    ...(own === null ? {} : { limits: own }),
    ...(proxy === undefined ? {} : { proxy: proxy.map(network) }),
    xclient: xclient.map(network),
    xforward: xforward.map(network),
  }
}

/** Without a certificate of the administrator's, one is made where a listener cannot do without. */
function toTls({ tls, listeners, store }: Settings, { folder, placeOf }: Surroundings): TlsConfig | null {
  if (tls !== undefined) {
    const pair = (files: KeyPairFiles, path: SettingPath): KeyPairConfig => ({
      certificate: resolve(folder, files.certificate),
      key: resolve(folder, files.key),
      place: placeOf(path),
    })
    const { certificates, clientCa } = tls
    return {
      ...pair(tls, ['tls']),
      isGenerated: false,
      certificates: certificates.map((files, i) => pair(files, ['tls', 'certificates', i])),
      clientCa:
        clientCa === null ? null : { file: resolve(folder, clientCa), place: placeOf(['tls', 'clientCa']) },
    }
  }
  const index = listeners.findIndex((one) => (one.tls ?? 'off') !== 'off' || one.role === 'submission')
  if (index < 0) return null
  const directory = resolve(folder, store.directory)
  return {
    certificate: resolve(directory, 'generated-cert.pem'),
    key: resolve(directory, 'generated-key.pem'),
    isGenerated: true,
    certificates: [],
    clientCa: null,
    place: placeOf(['listeners', index]),
  }
}

function toDomains(domains: Settings['domains'], folder: string): Config['domains'] {
  // No prototype: domains are looked up by what a client wrote, and "constructor" is a domain name.
  const result: Record<string, DomainConfig> = Object.create(null)
  for (const [name, { deliver }] of Object.entries(domains))
    result[name.toLowerCase()] = { deliver: destination(deliver, folder) }
  return result
}

function toOutbound(outbound: Settings['outbound'], { folder, placeOf }: Surroundings): OutboundConfig {
  const { route, port, family, allowedNetworks, connections, timeouts, bounceClasses, tls } = outbound
  return {
    route: route === null || route === 'mx' ? route : destination(route, folder),
    port,
    family,
    allowedNetworks: allowedNetworks.map(network),
    connections,
    timeouts: {
      connectMs: durationMs(timeouts.connect),
      greetingMs: durationMs(timeouts.greeting),
      commandMs: durationMs(timeouts.command),
      mailMs: durationMs(timeouts.mail),
      rcptMs: durationMs(timeouts.rcpt),
      dataMs: durationMs(timeouts.data),
      blockMs: durationMs(timeouts.block),
      dotMs: durationMs(timeouts.dot),
      transactionMs: durationMs(timeouts.transaction),
    },
    bounceClasses: {
      file: bounceClasses === null ? null : resolve(folder, bounceClasses),
      place: placeOf(['outbound', 'bounceClasses']),
    },
    tls: {
      ca: tls.ca === null ? null : resolve(folder, tls.ca),
      place: placeOf(['outbound', 'tls', 'ca']),
    },
  }
}

function toPasswords({ domains, outbound }: Settings, folder: string): Config['passwords'] {
  const result: Record<string, string> = Object.create(null)
  const texts = [...Object.values(domains).map(({ deliver }) => deliver), outbound.route ?? 'mx']
  for (const text of texts) {
    const { password } = sure(separatePassword(text))
    if (password !== null) result[destination(text, folder)] = password
  }
  return result
}

function toQueue({ retry, expire, delayNotice, lease }: Settings['queue']): QueueConfig {
  return {
    retryMs: retry.map(durationMs),
    expireMs: durationMs(expire),
    delayNoticeMs: durationMs(delayNotice),
    leaseMs: durationMs(lease),
  }
}

function toStore({ directory, inlineBytes, reserveBytes }: Settings['store'], folder: string): StoreConfig {
  return {
    kind: 'local',
    directory: resolve(folder, directory),
    inlineBytes: sizeBytes(inlineBytes),
    reserveBytes: sizeBytes(reserveBytes),
  }
}

function toLimits(limits: Settings['limits']): LimitsConfig {
  const settings = typeof limits === 'string' ? LIMITS_OFF : limits
  const { messageBytes, idle, contentTime, contentRate, tarpit, memory, ...others } = settings
  const { pluginAbsence, storeDelay, network, ...counts } = others
  return {
    messageBytes: sizeBytes(messageBytes),
    ...counts,
    tarpitMs: durationMs(tarpit),
    memoryBytes: sizeBytes(memory),
    pluginAbsenceMs: durationMs(pluginAbsence),
    storeDelayMs: durationMs(storeDelay),
    network: network === null ? null : { ...network, bytes: sizeBytes(network.bytes) },
    idleMs: durationMs(idle),
    contentMs: durationMs(contentTime),
    contentBytesPerSecond: contentRate,
  }
}

/** Only what is written: everything else is what `limits` says. */
function toListenerLimits(limits: Settings['listeners'][number]['limits']): ListenerLimitsConfig | null {
  if (limits === undefined) return null
  const { messageBytes, tarpit, idle, network, ...others } = limits
  return {
    ...(messageBytes === undefined ? {} : { messageBytes: sizeBytes(messageBytes) }),
    ...others,
    ...(tarpit === undefined ? {} : { tarpitMs: durationMs(tarpit) }),
    ...(network === undefined ? {} : { network: toNetworkLimits(network) }),
    ...(idle === undefined ? {} : { idleMs: durationMs(idle) }),
  }
}

function toNetworkLimits({
  bytes,
  ...numbers
}: NonNullable<
  NonNullable<Settings['listeners'][number]['limits']>['network']
>): Partial<NetworkLimitsConfig> {
  return bytes === undefined ? numbers : { ...numbers, bytes: sizeBytes(bytes) }
}

function toPlugin(
  plugin: Settings['plugins'][number],
  { folder, placeOf }: Surroundings,
  index: number,
): PluginConfig {
  const { name = '', path, config, grant, onError, process = path === undefined ? 'shared' : 'own' } = plugin
  return {
    source: path === undefined ? { kind: 'bundled', name } : { kind: 'file', path: resolve(folder, path) },
    config: withoutPrototype(config),
    grant: withoutPrototype(grant),
    onError,
    process,
    place: placeOf(['plugins', index]),
  }
}

/** What stands in the file has no prototype already; the schema's defaults have one. */
function withoutPrototype(settings: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return Object.assign(Object.create(null), settings)
}

function toLookups(lookups: Settings['lookups'], folder: string): Config['lookups'] {
  const result: Record<string, LookupConfig> = Object.create(null)
  for (const [name, table] of Object.entries(lookups))
    result[name] =
      typeof table === 'string'
        ? { kind: 'file', path: resolve(folder, table) }
        : { kind: 'list', entries: table }
  return result
}

function toRecord({ sessions, bytes, activations }: Settings['record']): Config['record'] {
  return {
    sessions,
    bytes: sizeBytes(bytes),
    activations: { ...activations, bytes: sizeBytes(activations.bytes) },
  }
}

function destination(text: string, folder: string): string {
  return formatDestination(sure(parseDestination(sure(separatePassword(text)).destination, folder)))
}

function network(text: string): string {
  return formatNetwork(sure(parseNetwork(text)))
}

function durationMs(text: string): number {
  return sure(parseDuration(text) ?? 'no duration')
}

function sizeBytes(value: string | number): number {
  return sure(parseSize(value) ?? 'no size')
}

/** The schema has looked at it before; a reason here is a bug. */
function sure<T>(value: T | string): T {
  if (typeof value === 'string') throw new Error(`a checked setting does not parse: ${value}`)
  return value
}
