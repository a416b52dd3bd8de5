/** The composition root of a worker: makes every part, hands each what it needs, and takes them down in order. */
import type { Server } from 'node:net'
import { join } from 'node:path'
import type { LimitsConfig, ListenerConfig } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'
import { SessionNotes } from '../../sandbox/broker/notes.ts'
import { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import { KnownManifests } from '../../sandbox/known-manifests.ts'
import { missingHardening } from '../../sandbox/plughost-process.ts'
import { PluginBounds } from '../../sandbox/plugin-bounds.ts'
import { Quarantine } from '../../sandbox/quarantine.ts'
import { Recorder } from '../../sandbox/recorder.ts'
import { SparePlughost } from '../../sandbox/spare-plughost.ts'
import type { GatewayControl } from '../admin/control.ts'
import { MessagePool } from '../content/pool.ts'
import { Deliverer, type NextSettings } from '../delivery/deliverer.ts'
import type { Finished, Told } from '../delivery/notices.ts'
import type { HookRunner } from '../hooks/runner.ts'
import { Teller } from '../hooks/teller.ts'
import { storedSizeBytes } from '../mail/message.ts'
import type { Clock } from '../observe/clock.ts'
import { DecisionRecords } from '../observe/decision-record.ts'
import type { Log } from '../observe/log.ts'
import { SecurityLog } from '../observe/security-log.ts'
import type { GatewaySummary } from '../process/messages.ts'
import { FreeSpace } from '../queue/free-space.ts'
import { Queue } from '../queue/queue.ts'
import type { NewMessage } from '../queue/queue-store.ts'
import type { Spool } from '../queue/spool.ts'
import { contentChunk } from '../queue/stored-content.ts'
import { BacklogLoad } from '../smtp/backlog-load.ts'
import { joinedLoad, type Load, ProcessLoad } from '../smtp/load.ts'
import type { PolicyParts } from '../smtp/policy.ts'
import { SmtpServer } from '../smtp/server.ts'
import { createGatewayControl } from './control.ts'
import {
  type Generation,
  type GenerationSource,
  type Lasting,
  openGeneration,
  wantSpare,
} from './generation.ts'
import { Generations } from './generations.ts'
import type { GatewayParts } from './parts.ts'
import { GatewayPolicy, tellOutcomes } from './policy.ts'
import { openStore } from './store.ts'

export interface GatewayOptions {
  /** Socket of the keeper's process; null: this worker is alone and has a thread for it. */
  readonly keeperSocket: string | null
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
  /** Opens a generation beside the one in force, which goes on as if nothing had happened. */
  prepare(source: GenerationSource): Promise<readonly Problem[]>
  /** Puts the prepared generation in force. Transactions under way keep theirs. */
  activate(number: number): void
  /** Lets a prepared generation go. */
  discard(number: number): void
  /** Takes no new mail, finishes what is in hand for at most `timeoutMs`, and gives the rest back to the queue. */
  stop(timeoutMs: number): Promise<void>
}

const BACKLOG = 1024
/** Of the time to stop: for clients, before deliveries are broken off. */
const CLIENTS_SHARE = 0.5
/** At the stop, for plugins to be told what has happened. */
const TELLING_MS = 500

/** @throws StoreFault when the keeper dies over it; problems of store and plugins are returned */
export async function createGateway(
  source: GenerationSource,
  sockets: readonly GatewaySocket[],
  { keeperSocket, log, clock }: GatewayOptions,
): Promise<Gateway | { readonly problems: readonly Problem[] }> {
  const { config } = source
  // Its process starts while everything else is opened.
  const spare = new SparePlughost({ log })
  const letSpareGo = wantSpare(spare, source)
  const owner = `worker-${process.pid}-${clock.now()}`
  // Work may be announced before there is anybody to do it, who looks for some when he starts.
  let onWork = (): void => {}
  const store = await openStore(config.store.directory, {
    owner,
    keeperSocket,
    onWork: () => onWork(),
    log,
  })
  if ('problems' in store) {
    letSpareGo()
    return store
  }
  const { keeper, spool } = store
  const queue = new Queue(keeper.queue, config.queue, owner, clock)
  const lasting: Lasting = {
    ...keptOfPlugins(clock),
    keeper,
    contents: new MessagePool({ log }),
    records: new DecisionRecords(config.record.sessions, config.record.bytes, clock),
    newQueueId: queue.newId,
    listeners: sockets.map((socket) => socket.config),
    quarantine: new Quarantine(clock, log),
    recorder: new Recorder(join(config.store.directory, 'activations'), log),
    spare,
    clock,
    log,
  }
  const first = await openGeneration(source, lasting, null)
  letSpareGo()
  if ('problems' in first) {
    await lasting.contents.close()
    await keeper.close()
    return first
  }
  const generations = new Generations(first, lasting)
  const parts = compose(generations, { lasting, queue, spool })
  const counts = await keeper.queue.counts()
  onWork = () => parts.deliverer.kick()
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
    prepare: (next) => generations.prepare(next),
    activate: (number) => activate(parts, number),
    discard: (number) => generations.discard(number),
    stop: (timeoutMs) => stop(parts, servers, timeoutMs, log),
  }
}

/** What is known and counted of plugins through all generations. */
function keptOfPlugins(clock: Clock): Pick<Lasting, 'usage' | 'counters' | 'notes' | 'bounds' | 'manifests'> {
  return {
    usage: new Map(),
    counters: new PluginCounters(),
    notes: new SessionNotes(),
    bounds: new PluginBounds(() => clock.monotonic()),
    manifests: new KnownManifests(),
  }
}

/** What is made once and knows of generations only by the one in force. */
function compose(
  generations: Generations,
  { lasting, queue, spool }: { readonly lasting: Lasting; readonly queue: Queue; readonly spool: Spool },
): GatewayParts {
  const { config } = generations.current
  const { keeper, contents, records, notes, counters, clock, log } = lasting
  const { directory, reserveBytes } = config.store
  const hooks = (): HookRunner => generations.current.hooks
  const teller = new Teller({ hooks, log })
  const deliverer = new Deliverer({
    queue,
    leaseMs: config.queue.leaseMs,
    workers: config.workers,
    maxConnections: config.outbound.connections,
    next: nextOf(generations),
    clock,
    log,
    notices: {
      tell: (finished) => tellNotices(generations.current, finished),
      stored: (finished, told) => generations.current.notices.stored(finished, told),
    },
    policy: new GatewayPolicy({ hooks, records, clock, log }),
    listener: tellOutcomes(teller, records, clock),
    observer: {
      attempted: ({ queueId, ...attempt }) => records.stepOf(queueId, 'attempt', attempt),
    },
  })
  const freeSpace = new FreeSpace({ directory, reserveBytes, monotonic: () => clock.monotonic() })
  const smtp = new SmtpServer({
    policy: policyOf(generations),
    teller,
    sessionEnded: (session) => notes.forget(session),
    records,
    accepting: { accept: (message) => accept(message, queue, deliverer) },
    spool,
    readChunk: contentChunk,
    freeSpace,
    newQueueId: queue.newId,
    concurrency: keeper.concurrency,
    usage: keeper.usage,
    load: watchedLoad(generations, lasting, freeSpace),
    ...(config.log.security === null ? {} : { security: new SecurityLog(config.log.security, clock, log) }),
    clock,
    log,
  })
  const startedAt = clock.monotonic()
  const told = { records, deliverer, teller, smtp, contents, counters }
  return { clock, keeper, queue, generations, ...told, startedAt, isDraining: false }
}

/** Watches for the life of this process whether there is too much to do. */
function watchedLoad(generations: Generations, { keeper, clock }: Lasting, space: FreeSpace): Load {
  const limits = (): LimitsConfig => generations.current.config.limits
  const ofProcess = new ProcessLoad({
    monotonic: () => clock.monotonic(),
    memoryBytes: () => process.memoryUsage.rss(),
    maxMemoryBytes: () => limits().memoryBytes,
  })
  const behind = new BacklogLoad({
    plugins: () => generations.current.sandbox.backlog(),
    store: () => keeper.backlog(),
    space,
    limits,
  })
  ofProcess.start()
  return joinedLoad([ofProcess, behind])
}

/** Its plugins stay loaded until the route of the notice is known. */
async function tellNotices({ hooks, notices }: Generation, finished: Finished): Promise<Told> {
  hooks.enter()
  try {
    return await notices.tell(finished)
  } finally {
    hooks.leave()
  }
}

function policyOf({ current }: Generations): PolicyParts {
  const { config, hooks, certificates, credentials } = current
  return { settings: config, hooks, tls: certificates, credentials }
}

function nextOf({ current }: Generations): NextSettings {
  const { config, nextHops, bounceClasses } = current
  return { hostname: config.hostname, nextHops, timeouts: config.outbound.timeouts, bounceClasses }
}

/** From the next command on, and the next attempt. */
function activate({ generations, smtp, deliverer, queue }: GatewayParts, number: number): void {
  generations.activate(number)
  const { config } = generations.current
  smtp.use(policyOf(generations))
  deliverer.use(nextOf(generations))
  queue.rules = config.queue
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

/** The supervisor's sockets, from now on accepted from here. */
async function listen({ smtp }: GatewayParts, sockets: readonly GatewaySocket[]): Promise<readonly Server[]> {
  return Promise.all(
    sockets.map(async ({ config, handle }) => {
      const { host, port, ...listener } = config
      const address = `${host.includes(':') ? `[${host}]` : host}:${port}`
      const server = smtp.attach({ ...listener, address })
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
  const { smtp, deliverer, teller, keeper, generations, contents, clock } = parts
  parts.isDraining = true
  const endsAt = clock.monotonic() + timeoutMs
  for (const server of servers) server.close()
  smtp.drain()
  const clientsEnd = AbortSignal.timeout(Math.round(timeoutMs * CLIENTS_SHARE))
  const late = new Promise<'late'>((resolve) => clientsEnd.addEventListener('abort', () => resolve('late')))
  if ((await Promise.race([smtp.closed(), late])) === 'late') log.warn('clients-cut-off', { timeoutMs })
  await deliverer.drain(Math.max(0, endsAt - clock.monotonic()))
  await teller.drain(TELLING_MS)
  await generations.close()
  await contents.close()
  await keeper.close()
}
