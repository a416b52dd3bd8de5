/**
 * Watches a process from outside while it owes answers: how long it is silent, and how much memory it has. A process
 * that was given no CPU is starved, not stuck, and gets more time.
 */
import { readFileSync } from 'node:fs'

export interface WatchLimits {
  /** Memory it may have at this moment, in octets. */
  rssCapBytes(): number
  /** Silence allowed at this moment, in milliseconds. */
  silenceMs(): number
}

const TICK_MS = 25
/** Even a starved process is given up after this silence. */
const HOPELESS_MS = 5_000
const PAGE_BYTES = 4_096
/** A process that used less of the time than this share was not the one that took it. */
const STARVED_SHARE = 0.5

export class ProcessWatch {
  readonly #pid: number
  readonly #limits: WatchLimits
  readonly #condemn: (cause: 'timeout' | 'memory', detail: string) => void
  #timer: NodeJS.Timeout | null = null
  /** When it last spoke, or began to owe; milliseconds of performance.now(). */
  #heardAt = 0
  /** When this watch last ran; a late look was held up by ourselves. */
  #lookedAt = 0
  /** First look at its CPU time in the present silence. */
  #suspicion: { readonly at: number; readonly cpuMs: number } | null = null

  constructor(
    pid: number,
    limits: WatchLimits,
    condemn: (cause: 'timeout' | 'memory', detail: string) => void,
  ) {
    this.#pid = pid
    this.#limits = limits
    this.#condemn = condemn
  }

  get isOwed(): boolean {
    return this.#timer !== null
  }

  /** It was given something to do. */
  owes(): void {
    if (this.#timer !== null) return
    this.#heardAt = performance.now()
    this.#lookedAt = this.#heardAt
    this.#suspicion = null
    this.#timer = setInterval(() => this.#look(), TICK_MS)
    this.#timer.unref()
  }

  heard(): void {
    this.#heardAt = performance.now()
    this.#suspicion = null
  }

  owesNothing(): void {
    this.stop()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #look(): void {
    const rssBytes = residentBytes(this.#pid)
    if (rssBytes > this.#limits.rssCapBytes())
      return this.#condemn('memory', `used ${Math.round(rssBytes / 1048576)} MiB of memory`)
    const now = performance.now()
    // While our own loop stood still nothing could be read: that time is no silence of the process.
    const lateMs = now - this.#lookedAt - TICK_MS
    this.#lookedAt = now
    if (lateMs > TICK_MS) this.#heardAt = Math.min(now, this.#heardAt + lateMs)
    const silentMs = now - this.#heardAt
    if (silentMs < TICK_MS) return
    this.#suspicion ??= { at: now, cpuMs: cpuMs(this.#pid) }
    if (silentMs < this.#limits.silenceMs()) return
    if (silentMs < HOPELESS_MS + this.#limits.silenceMs() && this.#isStarved(this.#suspicion, now)) return
    this.#condemn('timeout', `no answer for ${Math.round(silentMs)} ms`)
  }

  #isStarved(since: { readonly at: number; readonly cpuMs: number }, now: number): boolean {
    const usedMs = cpuMs(this.#pid) - since.cpuMs
    // However long that took it: it has had all the time that was its own.
    if (usedMs >= this.#limits.silenceMs()) return false
    return usedMs < (now - since.at) * STARVED_SHARE
  }
}

/** CPU time of the main thread in milliseconds; Infinity where the system does not tell, so that nobody is spared. */
function cpuMs(pid: number): number {
  const used = readFirstNumber(`/proc/${pid}/schedstat`, 0)
  return used === null ? Number.POSITIVE_INFINITY : used / 1e6
}

function residentBytes(pid: number): number {
  return (readFirstNumber(`/proc/${pid}/statm`, 1) ?? 0) * PAGE_BYTES
}

function readFirstNumber(path: string, field: number): number | null {
  try {
    return Number(readFileSync(path, 'latin1').split(' ')[field])
  } catch {
    return null
  }
}
