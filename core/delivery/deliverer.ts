/**
 * The deliverer of a worker: claims what is due while there is room for it, hands it to the sites, and looks again when
 * something becomes due. What was just accepted comes directly, without being read back.
 */
import type { BounceClasses } from '../mail/bounce-classes.ts'
import type { StoredContent } from '../mail/message.ts'
import type { Clock } from '../observe/clock.ts'
import type { Log } from '../observe/log.ts'
import type { Queue } from '../queue/queue.ts'
import type { Delivery } from '../queue/queue-store.ts'
import {
  type AttemptNotices,
  type AttemptObserver,
  Attempts,
  type ClassCounts,
  type DeliveryCounters,
} from './attempts.ts'
import { bounceClassOf } from './bounce-class.ts'
import type { ClientTimeouts } from './client-timeouts.ts'
import { ConnectionPlaces } from './connection-places.ts'
import { needsConnection, openerOf } from './destination-opener.ts'
import type { NextHops } from './next-hops.ts'
import type { Met } from './outcome.ts'
import { PlaintextHosts } from './plaintext-hosts.ts'
import { type DeliveryPolicy, NO_LISTENER, NO_POLICY, type OutcomeListener } from './policy.ts'
import { SITE_PACE, Site, type SitePace } from './site.ts'
import { pause, Sleep } from './sleep.ts'
import { StoreWatch, storeWaitMs } from './store-watch.ts'
import { Suspensions } from './suspensions.ts'
import { memoryBytes, type Work } from './work.ts'
import { WorkInHand } from './work-in-hand.ts'

/** Bounds and times of delivery; the defaults are DELIVERY_PACE. */
export interface DeliveryPace {
  /** Octets of message content that may wait in memory. */
  readonly maxBodyBytes: number
  /** Deliveries claimed at once. */
  readonly claimLimit: number
  /** Least time between two claims, milliseconds. */
  readonly claimPauseMs: number
  /** The queue is looked at after so many milliseconds even when nothing seems due. */
  readonly pollMs: number
  readonly site: SitePace
}

export const DELIVERY_PACE: DeliveryPace = Object.freeze({
  maxBodyBytes: 64 * 1024 * 1024,
  claimLimit: 100,
  claimPauseMs: 25,
  pollMs: 30_000,
  site: SITE_PACE,
})

/** What a reload replaces: for connections opened from then on. */
export interface NextSettings {
  /** Our name, said with EHLO and part of file names. */
  readonly hostname: string
  readonly nextHops: NextHops
  readonly timeouts: ClientTimeouts
  readonly bounceClasses: BounceClasses
}

export interface DelivererOptions {
  readonly queue: Queue
  /** How long the leases of `queue` last, milliseconds. */
  readonly leaseMs: number
  /** In force at the start. */
  readonly next: NextSettings
  readonly clock: Clock
  readonly log: Log
  readonly observer: AttemptObserver
  readonly notices: AttemptNotices
  /** Connections to other servers at once, all sites together; at least 1. */
  readonly maxConnections: number
  /** Who is asked before an attempt; nobody when left out. */
  readonly policy?: DeliveryPolicy
  /** Who hears what became of mail; nobody when left out. */
  readonly listener?: OutcomeListener
  readonly pace?: DeliveryPace
  /** Workers that share the store, this one among them; 1 unless told otherwise. They share a host's connections. */
  readonly workers?: number
}

/** While something is due that a closed site cannot take, or nobody can: this is for when nothing else says so. */
const CLOSED_SITE_POLL_MS = 1_000
/** After the running attempts were broken off. */
const LAST_SETTLEMENTS_MS = 2_000
/** While sites wait for connections, no more deliveries than these are taken into memory. */
const MAX_IN_HAND = 20_000
/** How often the store is asked what operators have suspended. */
const SUSPENSIONS_MS = 2_000
/** For folders, which use no socket. */
const NO_BOUND = new ConnectionPlaces(Infinity)

export class Deliverer {
  readonly #options: DelivererOptions
  readonly #pace: DeliveryPace
  readonly #watch: StoreWatch
  readonly #inHand: WorkInHand
  readonly #attempts: Attempts
  readonly #places: ConnectionPlaces
  readonly #plaintextHosts: PlaintextHosts
  readonly #sites = new Map<string, Site>()
  readonly #suspensions: Suspensions
  readonly #draining = new AbortController()
  #running: Promise<void> = Promise.resolve()
  #renewals: NodeJS.Timeout | null = null
  #asking: NodeJS.Timeout | null = null
  #next: NextSettings
  #isKicked = false
  #sleep: Sleep | null = null

  constructor(options: DelivererOptions) {
    const { queue, clock, log, leaseMs, observer, notices, listener = NO_LISTENER } = options
    this.#options = options
    this.#next = options.next
    this.#pace = options.pace ?? DELIVERY_PACE
    this.#places = new ConnectionPlaces(options.maxConnections)
    this.#watch = new StoreWatch(log)
    this.#suspensions = new Suspensions(queue.store, clock)
    this.#plaintextHosts = new PlaintextHosts(clock)
    this.#inHand = new WorkInHand({ queue, clock, leaseMs, watch: this.#watch })
    const onDeferred = (dueAt: number): void => this.#becomesDue(dueAt)
    const inHand = this.#inHand
    const classOf = (met: Met): string => bounceClassOf(met, this.#next.bounceClasses)
    const told = { log, observer, listener, notices, onDeferred }
    this.#attempts = new Attempts({ queue, clock, inHand, classOf, ...told })
  }

  /** Recipients delivered, deferred and held since the start. */
  get counters(): Readonly<DeliveryCounters> {
    return this.#attempts.counters
  }

  get classes(): Readonly<ClassCounts> {
    return this.#attempts.classes
  }

  /** Deliveries claimed and not given back. */
  get inHand(): number {
    return this.#inHand.size
  }

  use(next: NextSettings): void {
    this.#next = next
  }

  start(): void {
    this.#renewals = setInterval(() => void this.#inHand.renewLeases(), this.#options.leaseMs / 6)
    this.#asking = setInterval(() => void this.heedSuspensions(), SUSPENSIONS_MS)
    this.#running = this.heedSuspensions().then(() => this.#run())
  }

  /** Asks the store what operators have suspended: what waits for that goes back, what is under way goes on. */
  async heedSuspensions(): Promise<void> {
    try {
      if (!(await this.#suspensions.refresh())) return
    } catch (error) {
      this.#watch.failed('suspensions', error)
      return
    }
    this.#watch.worked('suspensions')
    const waiting = this.#suspensions.routes.flatMap((route) => [
      ...(this.#sites.get(route)?.giveBack() ?? []),
    ])
    await this.#inHand.release(waiting)
    this.kick()
  }

  /** Whether mail of this route and size may be accepted with a lease, to be handed over by `offer`. */
  hasRoomFor(route: string, sizeBytes: number): boolean {
    if (this.#draining.signal.aborted || this.#sites.get(route)?.isClosed) return false
    if (this.#suspensions.has(route)) return false
    return this.#inHand.bodyBytes + sizeBytes <= this.#pace.maxBodyBytes
  }

  /** Takes deliveries leased at acceptance. What there is no room for goes back to the queue. */
  offer(deliveries: readonly Delivery[], stored: StoredContent): void {
    const refused: Work[] = []
    for (const delivery of deliveries) {
      const hasRoom = this.hasRoomFor(delivery.route, memoryBytes(stored))
      const work = this.#inHand.take(delivery, hasRoom ? stored : null)
      if (hasRoom) this.#site(delivery.route).take(work)
      else refused.push(work)
    }
    if (refused.length > 0) void this.#giveBack(refused)
  }

  /** Something may have become due: by this route, or anywhere. */
  kick(route: string | null = null): void {
    // A closed site speaks up by itself.
    if (route !== null && this.#sites.get(route)?.isClosed) return
    this.#isKicked = true
    this.#sleep?.end()
  }

  /**
   * Claims nothing more, gives back what waits, and lets running attempts come to their end; after `graceMs` they are
   * broken off and given back. Nothing is in hand when it resolves.
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining.abort()
    this.#sleep?.end()
    const sites = [...this.#sites.values()]
    const waiting = sites.flatMap((site) => [...site.stop()])
    const released = this.#inHand.release(waiting)
    const ended = Promise.all([this.#running, released, ...sites.map((site) => site.ended())])
    if (!(await isInTime(ended, graceMs))) {
      for (const site of sites) site.abandon()
      this.#inHand.stop()
      const isAllEnded = await isInTime(ended, LAST_SETTLEMENTS_MS)
      this.#options.log.warn('delivery-broken-off', { graceMs, isAllEnded })
    }
    if (this.#renewals !== null) clearInterval(this.#renewals)
    if (this.#asking !== null) clearInterval(this.#asking)
  }

  async #run(): Promise<void> {
    const { signal } = this.#draining
    let failures = 0
    while (!signal.aborted) {
      try {
        const waitMs = await this.#claim()
        this.#watch.worked('claim')
        failures = 0
        await pause(this.#pace.claimPauseMs, signal)
        await this.#sleepFor(waitMs - this.#pace.claimPauseMs)
      } catch (error) {
        this.#watch.failed('claim', error)
        failures += 1
        await pause(storeWaitMs(failures), signal)
      }
    }
  }

  /** Claims once; returns how long there is nothing more to claim, milliseconds. */
  async #claim(): Promise<number> {
    const { queue, clock } = this.#options
    this.#isKicked = false
    // When the clock was put forward our own leases look over, and what is in hand would be claimed a second time.
    await this.#inHand.renewLeases()
    if (this.#places.isWanted && this.#inHand.size >= MAX_IN_HAND) return CLOSED_SITE_POLL_MS
    for (const [route, site] of this.#sites) if (site.isSpent) this.#sites.delete(route)
    const resting = [...this.#sites].flatMap(([route, site]) => (site.isClosed ? [route] : []))
    const closed = [...new Set([...resting, ...this.#suspensions.routes])]
    const deliveries = await queue.claim(this.#pace.claimLimit, closed)
    const works = deliveries.map((delivery) => this.#inHand.take(delivery, null))
    if (this.#draining.signal.aborted) {
      await this.#inHand.release(works)
      return 0
    }
    for (const work of works) this.#site(work.delivery.route).take(work)
    if (works.length === this.#pace.claimLimit || this.#isKicked) return 0
    const { nextDueAt } = await queue.store.counts()
    if (nextDueAt === null) return this.#pace.pollMs
    const waitMs = nextDueAt - clock.now()
    if (waitMs <= 0 && closed.length > 0) return CLOSED_SITE_POLL_MS
    return Math.min(Math.max(waitMs, 0), this.#pace.pollMs)
  }

  /** Sleeps unless something became due meanwhile. */
  async #sleepFor(ms: number): Promise<void> {
    if (this.#isKicked || this.#draining.signal.aborted || ms <= 0) return
    this.#sleep = new Sleep(ms, this.#options.clock)
    await this.#sleep.ended
    this.#sleep = null
  }

  /** Something was put off until then, perhaps for less time than the sleep was meant to last. */
  #becomesDue(dueAt: number): void {
    if (this.#sleep === null) this.#isKicked = true
    else this.#sleep.endWithin(dueAt - this.#options.clock.now())
  }

  async #giveBack(works: readonly Work[]): Promise<void> {
    await this.#inHand.release(works)
    for (const { delivery } of works) this.kick(delivery.route)
  }

  #site(route: string): Site {
    const known = this.#sites.get(route)
    if (known !== undefined) return known
    const { clock, log, policy = NO_POLICY } = this.#options
    const pace = sharedPace(this.#pace.site, this.#options.workers ?? 1)
    const lasting = { clock, log, plaintextHosts: this.#plaintextHosts }
    const site = new Site({
      route,
      open: (signal, demand) => openerOf(route, { ...lasting, ...this.#next })(signal, demand),
      attempts: this.#attempts,
      inHand: this.#inHand,
      places: needsConnection(route) ? this.#places.ofSite() : NO_BOUND.ofSite(),
      policy,
      clock,
      log,
      pace,
      onChange: () => this.kick(),
    })
    this.#sites.set(route, site)
    return site
  }
}

/** What one of several workers may do: all of them together hardly exceed the bound. */
export function sharedPace(pace: SitePace, workers: number): SitePace {
  return { ...pace, maxConnections: Math.ceil(pace.maxConnections / workers) }
}

async function isInTime(done: Promise<unknown>, ms: number): Promise<boolean> {
  const late = new AbortController()
  const isDone = await Promise.race([done.then(() => true), pause(ms, late.signal).then(() => false)])
  late.abort()
  return isDone
}
