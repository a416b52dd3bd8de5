/** A stand for the deliverer: a real store behind its keeper, a queue with short waits, and everything it tells. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { parseDuration } from '../../../config/durations.ts'
import { SETTINGS } from '../../../config/settings.ts'
import type { Attempted } from '../../../core/delivery/attempts.ts'
import type { ClientTimeouts } from '../../../core/delivery/client-timeouts.ts'
import {
  DELIVERY_PACE,
  Deliverer,
  type DelivererOptions,
  type DeliveryPace,
} from '../../../core/delivery/deliverer.ts'
import { createNextHops, type NextHops } from '../../../core/delivery/next-hops.ts'
import { Notices, type NoticesOptions, type RouteNotice } from '../../../core/delivery/notices.ts'
import {
  type DeliveryPolicy,
  NO_POLICY,
  type Ruling,
  type SettledWork,
} from '../../../core/delivery/policy.ts'
import type { SitePace } from '../../../core/delivery/site.ts'
import { Resolver } from '../../../core/dns/resolver.ts'
import { BounceClasses } from '../../../core/mail/bounce-classes.ts'
import { NO_DSN_ENVELOPE, NO_DSN_RECIPIENT } from '../../../core/mail/dsn-parameters.ts'
import { type Clock, systemClock } from '../../../core/observe/clock.ts'
import type { Log, LogFields } from '../../../core/observe/log.ts'
import { type Keeper, startKeeper } from '../../../core/queue/keeper.ts'
import { Queue } from '../../../core/queue/queue.ts'
import type { Delivery, NewMessage, QueueEntry, QueueStore } from '../../../core/queue/queue-store.ts'
import { until } from './until.ts'

export interface StandOptions {
  readonly retryMs?: readonly number[]
  readonly expireMs?: number
  readonly leaseMs?: number
  readonly maxConnections?: number
  readonly pace?: Partial<Omit<DeliveryPace, 'site'>>
  readonly site?: Partial<SitePace>
  readonly timeouts?: Partial<ClientTimeouts>
  /** Nothing is found by name unless this is given. */
  readonly nextHops?: NextHops
  /** A keeper that others use too; its own unless given. */
  readonly keeper?: Keeper
  /** Puts itself between deliverer and store. */
  readonly store?: (store: QueueStore) => QueueStore
  readonly clock?: Clock
  /** Workers that share the bounds of a site. */
  readonly workers?: number
  /** Where notices go; nowhere unless told, so that what fails is held. */
  readonly routeNotice?: RouteNotice
  /** Decides before each attempt. */
  readonly decide?: (delivery: Delivery) => Promise<Ruling>
}

export interface LogLine extends LogFields {
  readonly event: string
  readonly level: string
}

export interface Stand {
  readonly deliverer: Deliverer
  /** The real one. */
  readonly store: QueueStore
  readonly attempts: Attempted[]
  /** What listeners heard. */
  readonly heard: SettledWork[]
  readonly lines: LogLine[]
  /** Accepts a message and hands it over, as a session does. */
  accept(route: string, recipients: readonly string[], text?: string): Promise<string>
  /** Stores a message for the deliverer to find. */
  add(route: string, recipients: readonly string[], text?: string): Promise<string>
  /** The same with changes. */
  addChanged(route: string, recipients: readonly string[], changes: Partial<NewMessage>): Promise<string>
  entries(): Promise<readonly QueueEntry[]>
  /** Waits until nothing is owed but what is held, and everybody was told. */
  settled(withinMs?: number): Promise<void>
}

export const OWNER = 'worker-under-test'
export const TEXT = 'Subject: x\r\n\r\nhello\r\n'

const KEEPER_ENTRY = new URL('../../../core/process/keeper-thread.ts', import.meta.url)

export async function standFor(t: TestContext, options: StandOptions = {}): Promise<Stand> {
  const { clock = systemClock, routeNotice = () => Promise.resolve(null) } = options
  const { retryMs = [200], expireMs = 3_600_000, leaseMs = 30_000, maxConnections = 500 } = options
  const directory = await mkdtemp(join(tmpdir(), 'delivery-'))
  const keeper = options.keeper ?? (await startKeeper({ entry: KEEPER_ENTRY, directory, onDeath: rethrow }))
  const store = keeper.queue
  const queue = new Queue(options.store?.(store) ?? store, { retryMs, leaseMs }, OWNER, clock)
  const [attempts, heard, lines]: [Attempted[], SettledWork[], LogLine[]] = [[], [], []]
  const log = collecting(lines)
  const notices = noticesOf({ route: routeNotice, newId: queue.newId, clock, log })
  const given = { queue, leaseMs, maxConnections, clock, log, notices }
  const deliverer = new Deliverer({
    ...given,
    next: {
      hostname: 'mx.postern.test',
      nextHops: options.nextHops ?? nameless(),
      timeouts: { ...defaultTimeouts(), ...options.timeouts },
      bounceClasses: new BounceClasses([{ class: 'bad-mailbox', status: ['5.1.1'] }]),
    },
    ...listening(attempts, heard),
    policy: policyOf(options),
    pace: paceOf(options),
    workers: options.workers ?? 1,
  })
  deliverer.start()
  t.after(async () => {
    await deliverer.drain(0)
    await keeper.close()
    await rm(directory, { recursive: true })
  })
  const entries = (): Promise<readonly QueueEntry[]> => store.list({}, 10_000)
  return {
    deliverer,
    store,
    attempts,
    heard,
    lines,
    async accept(route, recipients, text = TEXT) {
      const message = messageOf(queue.newId(), expireMs, route, recipients, text)
      const lease = { owner: OWNER, until: message.acceptedAt + leaseMs }
      deliverer.offer(await store.add(message, lease), message.stored)
      return message.id
    },
    async add(route, recipients, text = TEXT) {
      const message = messageOf(queue.newId(), expireMs, route, recipients, text)
      await store.add(message, null)
      deliverer.kick(route)
      return message.id
    },
    async addChanged(route, recipients, changes) {
      const acceptedAt = clock.now()
      const message = messageOf(queue.newId(), expireMs, route, recipients, TEXT)
      await store.add({ ...message, acceptedAt, expiresAt: acceptedAt + expireMs, ...changes }, null)
      deliverer.kick(route)
      return message.id
    },
    entries,
    settled: (withinMs = 20_000) => until(async () => isSettled(await entries(), deliverer), withinMs),
  }
}

function isSettled(entries: readonly QueueEntry[], { inHand }: Deliverer): boolean {
  return entries.every(({ state }) => state !== 'due') && inHand === 0
}

function policyOf({ decide }: StandOptions): DeliveryPolicy {
  return decide === undefined ? NO_POLICY : { isAsked: () => true, decide }
}

function listening(
  attempts: Attempted[],
  heard: SettledWork[],
): Pick<DelivererOptions, 'observer' | 'listener'> {
  return {
    observer: { attempted: (attempt) => attempts.push(attempt) },
    listener: { settled: (work) => heard.push(work) },
  }
}

function noticesOf(given: Pick<NoticesOptions, 'route' | 'newId' | 'clock' | 'log'>): Notices {
  return new Notices({
    hostname: 'mx.postern.test',
    postmaster: 'postmaster@mx.postern.test',
    delayNoticeMs: 4 * 3_600_000,
    newSeed: () => randomBytes(16).toString('hex'),
    ...given,
  })
}

function messageOf(
  id: string,
  expireMs: number,
  route: string,
  recipients: readonly string[],
  text: string,
): NewMessage {
  const now = Date.now()
  return {
    id,
    acceptedAt: now,
    expiresAt: now + expireMs,
    reversePath: 'from@example.test',
    stored: {
      head: Buffer.from('X-Head: 1\r\n'),
      content: { kind: 'inline', bytes: Buffer.from(text, 'latin1') },
      contentOffset: 0,
    },
    origin: { kind: 'internal', what: 'test', tags: [] },
    dsn: NO_DSN_ENVELOPE,
    recipients: recipients.map((address) => ({ address, route, hold: null, dsn: NO_DSN_RECIPIENT })),
  }
}

/** A store of which single methods are replaced. */
export function withFaults(store: QueueStore, faults: Partial<QueueStore>): QueueStore {
  return new Proxy(store, {
    get(target, name: keyof QueueStore) {
      const method = faults[name] ?? target[name]
      return (...given: never[]) => (method as (...all: never[]) => unknown).apply(target, given)
    },
  })
}

/** Asks the discard port, where nobody answers. */
function nameless(): NextHops {
  return createNextHops({
    resolver: new Resolver({ servers: [{ host: '127.0.0.1', port: 9 }] }),
    port: 25,
    family: 'both',
    listeners: [],
    ownAddresses: [],
    allowedNetworks: [],
    random: Math.random,
  })
}

function paceOf({ pace = {}, site = {} }: StandOptions): DeliveryPace {
  return {
    ...DELIVERY_PACE,
    ...pace,
    site: { ...DELIVERY_PACE.site, ...site },
  }
}

function collecting(lines: LogLine[]): Log {
  const at =
    (level: string) =>
    (event: string, fields: LogFields = {}): void => {
      lines.push({ ...fields, event, level })
    }
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  }
  return log
}

function rethrow(fault: Error): never {
  throw fault
}

/** As the settings have them. */
function defaultTimeouts(): ClientTimeouts {
  const { properties } = SETTINGS.properties.outbound.properties.timeouts
  const entries = Object.entries(properties).map(([name, { default: text }]) => [
    `${name}Ms`,
    parseDuration(text),
  ])
  return Object.fromEntries(entries) as ClientTimeouts
}
