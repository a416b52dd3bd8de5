/** The composition root of a worker: makes every part, hands each what it needs, and takes them down in order. */
import { createServer, type Server } from 'node:net'
import { networkInterfaces } from 'node:os'
import type { Config, ListenerConfig } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { missingHardening } from '../sandbox/plughost.ts'
import { openSandbox, type Sandbox } from '../sandbox/sandbox.ts'
import type { GatewayControl } from './admin/control.ts'
import { Deliverer } from './delivery/deliverer.ts'
import { createNextHops, type NextHops } from './delivery/next-hops.ts'
import { Resolver } from './dns/resolver.ts'
import { openCertificate } from './gateway-certificate.ts'
import { createGatewayControl, type GatewayParts } from './gateway-control.ts'
import { type FileCredentials, openCredentials } from './gateway-credentials.ts'
import { gatewayNotices } from './gateway-notices.ts'
import { GatewayPolicy, tellOutcomes } from './gateway-policy.ts'
import { HookRunner } from './hooks/runner.ts'
import { Teller } from './hooks/teller.ts'
import { storedSizeBytes } from './mail/message.ts'
import type { Clock } from './observe/clock.ts'
import { DecisionRecords } from './observe/decision-record.ts'
import type { Log } from './observe/log.ts'
import type { GatewaySummary } from './process/messages.ts'
import { FreeSpace } from './queue/free-space.ts'
import { type Keeper, startKeeper } from './queue/keeper.ts'
import { Queue } from './queue/queue.ts'
import type { NewMessage } from './queue/queue-store.ts'
import { createSpool, type Spool } from './queue/spool.ts'
import { contentChunk } from './queue/stored-content.ts'
import { SmtpServer } from './smtp/server.ts'
import type { WatchedCertificate } from './tls/watched-certificate.ts'

export interface GatewayOptions {
  readonly log: Log
  readonly clock: Clock
}

/** A listening socket of the supervisor's. */
export interface GatewaySocket {
  readonly config: ListenerConfig
  readonly handle: Server
}

export interface Gateway {
  readonly control: GatewayControl
  readonly summary: GatewaySummary
  /** Takes no new mail, finishes what is in hand for at most `timeoutMs`, and gives the rest back to the queue. */
  stop(timeoutMs: number): Promise<void>
}

/** What was opened before, and what may have gone wrong with it was told. */
interface Opened {
  readonly keeper: Keeper
  readonly spool: Spool
  readonly sandbox: Sandbox
  readonly certificate: WatchedCertificate | null
  readonly credentials: FileCredentials | null
}

const KEEPER_ENTRY = new URL('./process/keeper.ts', import.meta.url)
const BACKLOG = 1024
/** Of the time to stop: for clients, before deliveries are broken off. */
const CLIENTS_SHARE = 0.5
/** At the stop, for plugins to be told what has happened. */
const TELLING_MS = 500

/** @throws StoreFault when the store cannot be opened; problems of plugins are returned */
export async function createGateway(
  config: Config,
  sockets: readonly GatewaySocket[],
  { log, clock }: GatewayOptions,
): Promise<Gateway | { readonly problems: readonly Problem[] }> {
  const certificate = openCertificate(config, log, clock)
  if (certificate !== null && 'problems' in certificate) return certificate
  const store = await openStore(config, log)
  if ('problems' in store) return store
  const { keeper, spool } = store
  const sandbox = await openSandbox(config, { state: keeper.state, clock, log, random: Math.random })
  if ('problems' in sandbox) {
    await keeper.close()
    return sandbox
  }
  const credentials = await openCredentials(config.users, log, clock)
  const parts = await compose(
    config,
    sockets,
    { keeper, spool, sandbox, certificate, credentials },
    { log, clock },
  )
  // The lock is ours alone, so whoever held leases is gone: its work is due at once.
  const reclaimed = await keeper.queue.reclaim(null)
  const counts = await keeper.queue.counts()
  if (reclaimed > 0) log.info('leases-reclaimed', { recipients: reclaimed })
  parts.deliverer.start()
  const servers = await listen(parts, sockets)
  const control = createGatewayControl(parts)
  return {
    control,
    summary: {
      plugins: (await control.gatewayStatus()).plugins,
      queued: counts.messages,
      missingHardening: missingHardening(),
    },
    stop: async (timeoutMs) => {
      await stop(parts, servers, timeoutMs, log)
      certificate?.close()
      await credentials?.close()
    },
  }
}

async function openStore(
  config: Config,
  log: Log,
): Promise<{ keeper: Keeper; spool: Spool } | { readonly problems: readonly Problem[] }> {
  const { directory } = config.store
  try {
    const keeper = await startKeeper({
      entry: KEEPER_ENTRY,
      directory,
      // Without its store a worker can promise nothing: the next one starts afresh.
      onDeath: (fault) => {
        log.error('keeper-died', { reason: fault.message })
        process.exit(1)
      },
    })
    return { keeper, spool: await sweptSpool(directory, keeper, log) }
  } catch (error) {
    const message = `The store cannot be opened: ${(error as Error).message}.`
    const remedy =
      'check the permissions of the folder and the space on its volume; store.directory names another'
    return { problems: [{ code: 'P3022', place: directory, message, remedy }] }
  }
}

async function compose(
  config: Config,
  sockets: readonly GatewaySocket[],
  { keeper, spool, sandbox, certificate, credentials }: Opened,
  { log, clock }: GatewayOptions,
): Promise<GatewayParts> {
  const { directory, reserveBytes } = config.store
  const queue = new Queue(keeper.queue, config.queue, `worker-${process.pid}-${clock.now()}`, clock)
  const records = new DecisionRecords(config.record.sessions, clock)
  const resolver = new Resolver({ servers: config.dns.servers, clock })
  const hooks = new HookRunner(sandbox.panel, () => clock.monotonic(), log)
  const currentHooks = (): HookRunner => hooks
  const teller = new Teller({ hooks: currentHooks, log })
  const deliverer = new Deliverer({
    queue,
    leaseMs: config.queue.leaseMs,
    hostname: config.hostname,
    nextHops: nextHopsOf(config, sockets, resolver),
    clock,
    log,
    notices: gatewayNotices(config, { hooks, records, newId: queue.newId, clock, log }),
    policy: new GatewayPolicy({ hooks: currentHooks, records, clock, log }),
    listener: tellOutcomes(teller, records, clock),
    observer: {
      attempted: ({ queueId, route, remote, recipients, wallMs }) =>
        records.stepOf(queueId, 'attempt', { route, remote, recipients, wallMs }),
    },
  })
  const smtp = new SmtpServer({
    settings: config,
    hooks,
    teller,
    records,
    accepting: { accept: (message) => accept(message, queue, deliverer) },
    spool,
    readChunk: contentChunk,
    freeSpace: new FreeSpace({ directory, reserveBytes, monotonic: () => clock.monotonic() }),
    newQueueId: queue.newId,
    tls: certificate,
    credentials,
    clock,
    log,
  })
  const startedAt = clock.monotonic()
  return {
    config,
    clock,
    keeper,
    queue,
    sandbox,
    records,
    resolver,
    deliverer,
    teller,
    smtp,
    startedAt,
    isDraining: false,
  }
}

function nextHopsOf({ outbound }: Config, sockets: readonly GatewaySocket[], resolver: Resolver): NextHops {
  const { port, family, allowedNetworks } = outbound
  const interfaces = Object.values(networkInterfaces()).flatMap((addresses = []) => addresses)
  return createNextHops({
    resolver,
    port,
    family,
    allowedNetworks,
    listeners: sockets.map(({ config: listener }) => ({ address: listener.host, port: listener.port })),
    ownAddresses: interfaces.map(({ address }) => address),
    random: Math.random,
  })
}

/**
 * Stores a message, leased to this worker when there is room to attempt it at once from memory; otherwise it waits in
 * the store to be claimed.
 */
async function accept(message: NewMessage, queue: Queue, deliverer: Deliverer): Promise<void> {
  const sizeBytes = storedSizeBytes(message.stored)
  const leaving = message.recipients.filter(({ hold }) => hold === null)
  const hasRoom = leaving.every(({ route }) => deliverer.hasRoomFor(route, sizeBytes))
  deliverer.offer(await queue.accept(message, hasRoom), message.stored)
  if (!hasRoom) for (const { route } of leaving) deliverer.kick(route)
}

async function sweptSpool(directory: string, keeper: Keeper, log: Log): Promise<Spool> {
  const spool = await createSpool(directory)
  const removed = await spool.sweep((ids) => keeper.queue.stored(ids))
  if (removed > 0) log.info('spool-swept', { removed })
  return spool
}

/** The supervisor's sockets, from now on accepted from here. */
async function listen({ smtp }: GatewayParts, sockets: readonly GatewaySocket[]): Promise<readonly Server[]> {
  return Promise.all(
    sockets.map(async ({ config, handle }) => {
      const server = createServer({ noDelay: true })
      const { host, port, role, tls } = config
      const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
      smtp.attach(server, { role, address, tls })
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      server.once('error', reject)
      server.listen(handle, BACKLOG, resolve)
      await promise
      return server
    }),
  )
}

async function stop(
  parts: GatewayParts,
  servers: readonly Server[],
  timeoutMs: number,
  log: Log,
): Promise<void> {
  const { smtp, deliverer, teller, keeper, sandbox, clock } = parts
  parts.isDraining = true
  const endsAt = clock.monotonic() + timeoutMs
  for (const server of servers) server.close()
  smtp.drain()
  const clientsEnd = AbortSignal.timeout(Math.round(timeoutMs * CLIENTS_SHARE))
  const late = new Promise<'late'>((resolve) => clientsEnd.addEventListener('abort', () => resolve('late')))
  if ((await Promise.race([smtp.closed(), late])) === 'late') log.warn('clients-cut-off', { timeoutMs })
  await deliverer.drain(Math.max(0, endsAt - clock.monotonic()))
  await teller.drain(TELLING_MS)
  parts.resolver.close()
  sandbox.close()
  await keeper.close()
}
