/**
 * The teller: tells plugins what has happened, behind the back of the mail. Nobody waits for it, and nothing that is
 * said in answer changes anything.
 */
import type { TellEvent } from '../mail/hook-events.ts'
import type { SessionRecord } from '../observe/decision-record.ts'
import type { Log } from '../observe/log.ts'
import type { HookRunner } from './runner.ts'

export interface TellerOptions {
  /** In force now: another one after a reload. */
  readonly hooks: () => Pick<HookRunner, 'ask' | 'hasSubscribers'>
  readonly log: Log
}

interface Told {
  readonly event: TellEvent
  readonly record: SessionRecord
}

/** Events that may wait; beyond, the oldest are dropped. */
export const MAX_PENDING = 1_000
/** Events told at once: what else plugins are asked is asked in the same process. */
const MAX_AT_ONCE = 2

export class Teller {
  readonly #options: TellerOptions
  readonly #pending: Told[] = []
  #underWay = 0
  #dropped = 0
  /** Of `#dropped`: when the log was told that none are dropped any more. */
  #droppedBefore = 0
  #isStopped = false
  #onIdle: (() => void) | null = null

  constructor(options: TellerOptions) {
    this.#options = options
  }

  /** Events nobody was told, since the start. */
  get dropped(): number {
    return this.#dropped
  }

  /** Whether anybody would be told. */
  get isHeard(): boolean {
    return !this.#isStopped && this.#options.hooks().hasSubscribers('tell')
  }

  /** Returns at once; booked in `record` when it is told. */
  tell(event: TellEvent, record: SessionRecord): void {
    if (!this.isHeard) return
    this.#pending.push({ event, record })
    if (this.#pending.length > MAX_PENDING) this.#drop()
    this.#next()
  }

  /** Takes no more, tells what waits for at most `graceMs`, and drops the rest. */
  async drain(graceMs: number): Promise<void> {
    this.#isStopped = true
    if (this.#isIdle) return
    await new Promise<void>((resolve) => {
      const late = setTimeout(resolve, graceMs)
      this.#onIdle = () => {
        clearTimeout(late)
        resolve()
      }
    })
    this.#dropped += this.#pending.splice(0).length + this.#underWay
    this.#caughtUp()
  }

  get #isIdle(): boolean {
    return this.#pending.length === 0 && this.#underWay === 0
  }

  #drop(): void {
    this.#pending.shift()
    if (this.#dropped === this.#droppedBefore)
      this.#options.log.warn('tell-overflow', { pending: this.#pending.length })
    this.#dropped += 1
  }

  #next(): void {
    while (this.#underWay < MAX_AT_ONCE) {
      const told = this.#pending.shift()
      if (told === undefined) break
      this.#underWay += 1
      void this.#tell(told)
    }
    if (!this.#isIdle) return
    this.#caughtUp()
    this.#onIdle?.()
  }

  async #tell({ event, record }: Told): Promise<void> {
    try {
      await this.#options.hooks().ask('tell', event, null, record)
    } catch (error) {
      this.#options.log.error('tell-bug', { type: event.type, reason: String(error) })
    }
    this.#underWay -= 1
    this.#next()
  }

  #caughtUp(): void {
    const dropped = this.#dropped - this.#droppedBefore
    this.#droppedBefore = this.#dropped
    if (dropped > 0) this.#options.log.warn('tell-dropped', { dropped })
  }
}
