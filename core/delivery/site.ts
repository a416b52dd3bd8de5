/**
 * A site: everything that leaves by one route. A few lanes carry its work, each over one channel at a time; what cannot
 * be carried at once waits here. Whatever a site suffers stays within it.
 */
import type { Clock } from '../observe/clock.ts'
import type { Log } from '../observe/log.ts'
import type { Attempts } from './attempts.ts'
import type { Channel, Opener, Opening, TlsDemand } from './channel.ts'
import { Clearance } from './clearance.ts'
import type { SitePlaces } from './connection-places.ts'
import { demandOf } from './needs.ts'
import { type Met, outcomeOf } from './outcome.ts'
import type { DeliveryPolicy } from './policy.ts'
import type { Work } from './work.ts'
import type { WorkInHand } from './work-in-hand.ts'

/** Bounds of one site. */
export interface SitePace {
  readonly maxConnections: number
  /** Before one of them has been greeted. */
  readonly firstConnections: number
  /** Deliveries that may wait, also for what is decided about them; when as many do the site takes no more. */
  readonly maxReady: number
  readonly messagesPerConnection: number
  /** How long an unused connection is kept, milliseconds. */
  readonly idleMs: number
  /** A delivery that has waited so long gets a connection of its own, milliseconds. */
  readonly growAfterMs: number
  /** Troubles of the host in a row after which the site rests. */
  readonly troublesBeforeRest: number
  /** First, second, … rest in a row, milliseconds; the last repeats. */
  readonly restsMs: readonly number[]
  /** How long the number of connections is kept to what the host let in, milliseconds. */
  readonly capMs: number
}

export const SITE_PACE: SitePace = Object.freeze({
  maxConnections: 20,
  firstConnections: 2,
  maxReady: 200,
  messagesPerConnection: 100,
  idleMs: 5_000,
  growAfterMs: 1_000,
  troublesBeforeRest: 5,
  restsMs: [60_000, 120_000, 300_000, 900_000],
  capMs: 60_000,
})

export interface SiteOptions {
  readonly route: string
  readonly open: Opener
  readonly attempts: Attempts
  readonly inHand: WorkInHand
  /** A lane begins with one of them. */
  readonly places: SitePlaces
  readonly policy: DeliveryPolicy
  readonly clock: Clock
  readonly log: Log
  readonly pace: SitePace
  /** Called when the site takes work again after it took none, and when its last lane has ended. */
  readonly onChange: () => void
}

/**
 * Connections worth having for so many waiting deliveries: few for a few, nearly all of them for a hundred. What is
 * under way when a process dies may arrive twice, so a short queue is not spread over many connections.
 */
export function wantedConnections(maxConnections: number, waiting: number): number {
  return Math.ceil(maxConnections * (1 - Math.exp(-GROWTH * waiting)))
}

/** A quarter of the connections for a dozen waiting, nine tenths for a hundred. */
const GROWTH = 0.023

/** One line of work: a message after the other over a channel that is opened when needed. */
interface Lane {
  channel: Channel | null
  /** What it was opened for. */
  demand: TlsDemand
  /** Messages carried by this channel. */
  carried: number
  work: Work | null
  /** Ends the wait of an idle lane. */
  wake: ((work: Work | null) => void) | null
}

export class Site {
  readonly #options: SiteOptions
  readonly #clearance: Clearance
  readonly #waiting: Work[] = []
  readonly #lanes = new Map<Lane, Promise<void>>()
  /** The last one waits the shortest: with little to do the others run out of time. */
  readonly #idle: Lane[] = []
  readonly #stopped = new AbortController()
  readonly #postponed = new Set<Promise<void>>()
  /** Lanes that wait for a place; what they will carry waits too. */
  #placeless = 0
  #isGreeted = false
  #wasFull = false
  #troubles = 0
  #rests = 0
  /** Monotonic. */
  #restUntil = 0
  #cap: number
  #capUntil = 0
  #growTimer: NodeJS.Timeout | null = null

  constructor(options: SiteOptions) {
    this.#options = options
    this.#cap = options.pace.maxConnections
    const { policy, attempts } = options
    const onCleared = (work: Work): void => this.#cleared(work)
    this.#clearance = new Clearance({ policy, attempts, onCleared, onLess: () => this.#hasLess() })
  }

  /** Whether it takes no work now: too much is waiting, or the host is left in peace. */
  get isClosed(): boolean {
    return this.#backlog >= this.#options.pace.maxReady || this.#isResting
  }

  /** Nothing to do and nothing to remember. */
  get isSpent(): boolean {
    return (
      this.#lanes.size === 0 &&
      this.#waiting.length === 0 &&
      this.#troubles === 0 &&
      this.#clearance.isIdle &&
      this.#postponed.size === 0
    )
  }

  /** Takes work, also beyond its bounds: who hands it over has asked `isClosed`. */
  take(work: Work): void {
    if (work.delivery.bounce !== undefined) return this.#giveUp(work, work.delivery.bounce)
    if (this.#isResting || !this.#options.policy.isAsked()) return this.#cleared(work)
    this.#clearance.ask(work)
    this.#wasFull ||= this.isClosed
  }

  /** What is asked about or waits, without an attempt. */
  giveBack(): readonly Work[] {
    return [...this.#clearance.stop(), ...this.#waiting.splice(0)]
  }

  /** Ends what is idle, being opened, asked about or waiting; returns the latter two. Messages being carried go on. */
  stop(): readonly Work[] {
    this.#stopped.abort()
    if (this.#growTimer !== null) clearTimeout(this.#growTimer)
    for (const lane of this.#idle.slice()) lane.wake?.(null)
    return this.giveBack()
  }

  /** Breaks off what is being carried; its work goes back untouched. */
  abandon(): void {
    for (const lane of this.#lanes.keys()) {
      if (lane.work !== null) lane.work.isAbandoned = true
      lane.channel?.abort('the gateway stops')
    }
  }

  /** Resolves when nothing runs any more; for after `stop`. */
  async ended(): Promise<void> {
    await Promise.all([...this.#lanes.values(), ...this.#postponed, this.#clearance.ended()])
  }

  get #isResting(): boolean {
    return this.#options.clock.monotonic() < this.#restUntil
  }

  get #backlog(): number {
    return this.#waiting.length + this.#clearance.size
  }

  #cleared(work: Work): void {
    if (this.#isResting) this.#postpone(work, 'the host is left in peace after repeated trouble')
    else this.#place(work, 'last')
  }

  #place(work: Work, where: 'first' | 'last'): void {
    const lane = this.#idle.at(-1)
    if (lane?.wake) {
      lane.wake(work)
      return
    }
    if (where === 'first') this.#waiting.unshift(work)
    else this.#waiting.push(work)
    if (this.#backlog >= this.#options.pace.maxReady) this.#wasFull = true
    this.#grow(0)
  }

  /** Opens lanes for what waits: the more the longer the queue, with a short one after a while `extra` more. */
  #grow(extra: 0 | 1): void {
    if (this.#stopped.signal.aborted) return
    const extraUntil = this.#lanes.size + extra
    const hasMore = (): boolean => this.#waiting.length > this.#placeless
    while (hasMore() && this.#lanes.size < this.#allowedLanes(extraUntil)) this.#openLane()
    if (this.#waiting.length === 0 || this.#growTimer !== null) return
    this.#growTimer = setTimeout(() => {
      this.#growTimer = null
      this.#grow(1)
    }, this.#options.pace.growAfterMs)
    this.#growTimer.unref()
  }

  #allowedLanes(extraUntil: number): number {
    const { firstConnections, maxConnections } = this.#options.pace
    if (!this.#isGreeted) return Math.min(firstConnections, this.#cap)
    if (this.#options.clock.monotonic() > this.#capUntil) this.#cap = maxConnections
    const wanted = wantedConnections(maxConnections, this.#waiting.length)
    return Math.min(this.#cap, Math.max(firstConnections, wanted, extraUntil))
  }

  #openLane(): void {
    const lane: Lane = { channel: null, demand: 'none', carried: 0, work: null, wake: null }
    // Entered first: the lane takes its work before the call returns.
    this.#lanes.set(lane, Promise.resolve())
    this.#lanes.set(lane, this.#options.places.take() ? this.#run(lane) : this.#runLater(lane))
  }

  /** When there is a place for it. */
  async #runLater(lane: Lane): Promise<void> {
    this.#placeless += 1
    const hasPlace = await this.#options.places.wait(this.#stopped.signal)
    this.#placeless -= 1
    if (hasPlace) return await this.#run(lane)
    this.#lanes.delete(lane)
  }

  async #run(lane: Lane): Promise<void> {
    for (let work = this.#nextWaiting(); work !== null; work = await this.#next(lane)) {
      lane.work = work
      const goesOn = await this.#serve(lane, work)
      lane.work = null
      if (!goesOn) break
    }
    lane.channel?.quit()
    this.#options.places.give()
    this.#lanes.delete(lane)
    this.#grow(0)
    if (this.#lanes.size === 0) this.#options.onChange()
  }

  /** Carries one work to its end; false when this lane should not go on. */
  async #serve(lane: Lane, work: Work): Promise<boolean> {
    try {
      while (await this.#options.inHand.isReady(work)) {
        const channel = await this.#channel(lane, work)
        if (channel === null) return false
        lane.carried += 1
        const end = await this.#options.attempts.make(work, channel)
        if (end !== 'gone') return this.#booked(end === 'host-trouble')
        lane.channel = null
      }
      return true
    } catch (error) {
      lane.channel?.abort('an error of our own')
      await this.#options.attempts.broken(work, error)
      return false
    }
  }

  /** The lane's channel, a fresh one when needed. Null when there is none to be had: the work is provided for then. */
  async #channel(lane: Lane, work: Work): Promise<Channel | null> {
    const { pace, clock, open } = this.#options
    const { reversePath, origin } = work.delivery
    const demand = demandOf(reversePath, origin.needs ?? [])
    const isLeft = lane.carried < pace.messagesPerConnection && lane.demand === demand
    if (lane.channel?.isUsable && isLeft) return lane.channel
    lane.channel?.quit()
    lane.channel = null
    const startedAt = clock.monotonic()
    const opening = await open(this.#stopped.signal, demand)
    if (!opening.ok) {
      await this.#notOpened(work, opening, startedAt, demand)
      return null
    }
    lane.channel = opening.channel
    lane.demand = demand
    lane.carried = 0
    this.#isGreeted = true
    this.#grow(0)
    return opening.channel
  }

  async #notOpened(
    work: Work,
    { remote, met }: Opening & { ok: false },
    startedAt: number,
    demand: TlsDemand,
  ): Promise<void> {
    const { attempts, inHand, clock, pace } = this.#options
    if (this.#stopped.signal.aborted) return inHand.release([work])
    const open = [...this.#lanes.keys()].filter(({ channel }) => channel?.isUsable).length
    // What is open for other mail says nothing about a way for this one.
    if (open > 0 && demand !== 'required') {
      // The host is there but lets no more of us in: that is no attempt, one of the others will carry it.
      this.#cap = open
      this.#capUntil = clock.monotonic() + pace.capMs
      return this.#place(work, 'first')
    }
    // A domain that takes no mail is no host that needs a rest; nor is one that only lacks what this mail demands.
    if (demand !== 'required' && outcomeOf(met).result !== 'failed') this.#troubled(met)
    await attempts.unreachable(work, remote, met, startedAt, this.#restEnd())
  }

  /** Books how a transaction went; whether the lane goes on. */
  #booked(isHostTrouble: boolean): boolean {
    if (isHostTrouble) {
      this.#troubled(null)
    } else {
      this.#troubles = 0
      this.#rests = 0
    }
    return !this.#isResting
  }

  /** With the last of too many troubles in a row the site rests, and gives back what waits. */
  #troubled(met: Met | null): void {
    const { pace, clock, log, route, onChange } = this.#options
    this.#troubles += 1
    if (this.#troubles < pace.troublesBeforeRest || this.#isResting) return
    const restMs = pace.restsMs[Math.min(this.#rests, pace.restsMs.length - 1)] ?? 0
    this.#rests += 1
    this.#restUntil = clock.monotonic() + restMs
    this.#isGreeted = false
    const reason = met === null ? 'repeated trouble' : outcomeOf(met).detail
    log.warn('site-rests', { route, restMs, troubles: this.#troubles, reason })
    setTimeout(onChange, restMs).unref()
    for (const work of this.#waiting.splice(0))
      this.#postpone(work, `not tried after others failed: ${reason}`)
    this.#wasFull = false
  }

  /** By an operator's word: nobody is asked, the sender is told. */
  #giveUp(work: Work, reason: string): void {
    const met: Met = { kind: 'unsendable', status: '5.0.0', text: `given up by an operator: ${reason}` }
    this.#writeDown(work, this.#options.attempts.ruled(work, { kind: 'bounce', met }))
  }

  #postpone(work: Work, reason: string): void {
    const met: Met = { kind: 'trouble', phase: 'connect', text: reason }
    this.#writeDown(work, this.#options.attempts.postpone(work, met, this.#restEnd()))
  }

  #writeDown(work: Work, written: Promise<void>): void {
    const { attempts } = this.#options
    const postponed: Promise<void> = written
      .catch((error: unknown) => attempts.broken(work, error))
      .finally(() => this.#postponed.delete(postponed))
    this.#postponed.add(postponed)
  }

  /** Milliseconds since 1970. */
  #restEnd(): number {
    const { clock } = this.#options
    return clock.now() + Math.max(0, Math.ceil(this.#restUntil - clock.monotonic()))
  }

  #nextWaiting(): Work | null {
    const work = this.#waiting.shift() ?? null
    this.#hasLess()
    return work
  }

  #hasLess(): void {
    if (!this.#wasFull || this.#backlog > this.#options.pace.maxReady / 2) return
    this.#wasFull = false
    this.#options.onChange()
  }

  /** The next work of a lane: what waits, or what comes while the channel may stay idle. */
  async #next(lane: Lane): Promise<Work | null> {
    const { pace, places } = this.#options
    // With more to do the site waits for a place like the others.
    if (places.isWanted && lane.carried >= pace.messagesPerConnection) return null
    const waiting = this.#nextWaiting()
    if (waiting !== null || this.#stopped.signal.aborted || !lane.channel?.isUsable) return waiting
    if (places.isWanted) return null
    return new Promise((resolve) => {
      const giveUp = (): void => lane.wake?.(null)
      const late = setTimeout(giveUp, pace.idleMs)
      const used = places.idle(giveUp)
      lane.wake = (work) => {
        clearTimeout(late)
        used()
        lane.wake = null
        this.#idle.splice(this.#idle.indexOf(lane), 1)
        resolve(work)
      }
      this.#idle.push(lane)
    })
  }
}
