/**
 * What others act on, such as fail2ban: one line for each thing a client did that nobody does by accident, in a file of
 * its own. The form has a version and is read by config/fail2ban/postern.conf.
 */
import { appendFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import type { Clock } from './clock.ts'
import type { Log } from './log.ts'

export interface SecurityEvent {
  /** `scan`: it looks for weaknesses. `flood`: it asks for more than anybody may have. */
  readonly event: 'auth-fail' | 'relay-denied' | 'scan' | 'flood'
  /** Canonical. */
  readonly address: string
  /** Role of the listener. */
  readonly listener: string
  /** Code of the refusal, or how the protocol was broken. */
  readonly reason: string
  readonly session: string
}

/** Lines that may wait for the disk; beyond, the newest are dropped. */
const MAX_WAITING = 10_000

/** Appends to a file that is opened each time, so that it can be rotated at any moment. */
export class SecurityLog {
  readonly #file: string
  readonly #clock: Pick<Clock, 'now'>
  readonly #log: Log
  readonly #host = hostname().replace(/[^\w.-]/g, '-') || 'localhost'
  #waiting: string[] = []
  #writing: Promise<void> | null = null
  #isFailing = false

  constructor(file: string, clock: Pick<Clock, 'now'>, log: Log) {
    this.#file = file
    this.#clock = clock
    this.#log = log
  }

  tell(event: SecurityEvent): void {
    if (this.#waiting.length >= MAX_WAITING) return
    const time = new Date(this.#clock.now()).toISOString()
    this.#waiting.push(`${time} ${this.#host} postern[${process.pid}]: ${securityLine(event)}\n`)
    this.#writing ??= this.#write()
  }

  /** Resolves when nothing waits any more. */
  async flushed(): Promise<void> {
    while (this.#writing !== null) await this.#writing
  }

  async #write(): Promise<void> {
    // A turn later, so that what comes together is written together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const lines = this.#waiting.splice(0).join('')
      try {
        await appendFile(this.#file, lines, { mode: 0o640 })
        this.#isFailing = false
      } catch (error) {
        if (!this.#isFailing) this.#log.error('security-log-failed', { reason: String(error) })
        this.#isFailing = true
      }
    }
    this.#writing = null
  }
}

/** What stands behind the name of the program. No value has a space, a control character or an equals sign. */
export function securityLine({ event, address, listener, reason, session }: SecurityEvent): string {
  const value = (text: string): string => text.replace(/[^\w.:-]/g, '_')
  return `sec v=1 event=${event} ip=${value(address)} listener=${value(listener)} reason=${value(reason)} session=${value(session)}`
}
