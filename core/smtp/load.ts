/** Whether this process has more to do than it can: its event loop late, or its memory used up. */

/** How often it is looked. */
const INTERVAL_MS = 500
/** So late, twice in a row, the loop is overloaded; until it is on time once. */
const LATE_MS = 500
const ON_TIME_MS = 100

/** `plugins` and `store`: they do not keep up. `space`: on the volume of the store. */
export type Lack = 'memory' | 'time' | 'plugins' | 'store' | 'space'

/** The port: what there is too little of; null when there is enough. */
export interface Load {
  overload(): Lack | null
}

/** Several as one: what the first of them lacks that lacks anything. */
export function joinedLoad(loads: readonly Load[]): Load {
  const overload = (): Lack | null => {
    for (const load of loads) {
      const lacks = load.overload()
      if (lacks !== null) return lacks
    }
    return null
  }
  return { overload }
}

export interface ProcessLoadOptions {
  readonly monotonic: () => number
  /** Octets this process has in memory. */
  readonly memoryBytes: () => number
  /** Octets beyond which nobody is let in; Infinity without a limit. */
  readonly maxMemoryBytes: () => number
}

export class ProcessLoad implements Load {
  readonly #options: ProcessLoadOptions
  #timer: NodeJS.Timeout | null = null
  #expectedAt = 0
  #late = 0
  #isLate = false
  #isFull = false

  constructor(options: ProcessLoadOptions) {
    this.#options = options
  }

  start(): void {
    this.#expectedAt = this.#options.monotonic() + INTERVAL_MS
    this.#timer = setInterval(() => this.look(), INTERVAL_MS).unref()
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  overload(): Lack | null {
    if (this.#isFull) return 'memory'
    return this.#isLate ? 'time' : null
  }

  /** To be called each 500 ms; how late that is says how late the loop is. */
  look(): void {
    const { monotonic, memoryBytes, maxMemoryBytes } = this.#options
    const now = monotonic()
    const lateMs = now - this.#expectedAt
    this.#expectedAt = now + INTERVAL_MS
    this.#late = lateMs >= LATE_MS ? this.#late + 1 : 0
    if (this.#late >= 2) this.#isLate = true
    else if (lateMs < ON_TIME_MS) this.#isLate = false
    this.#isFull = memoryBytes() > maxMemoryBytes()
  }
}
