/** Whether the store's volume still has the room that settling needs. */
import { statfsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'

const REFRESH_MS = 1_000

interface Volume {
  /** Blocks a process without privileges may still use. */
  readonly bavail: number
  readonly bsize: number
}

export interface FreeSpaceOptions {
  readonly directory: string
  /** Octets that must stay free. */
  readonly reserveBytes: number
  /** Milliseconds of a clock that never goes back. */
  readonly monotonic: () => number
  readonly measure?: (directory: string) => Promise<Volume>
}

/** Free space of a volume, measured in the background at most once a second. */
export class FreeSpace {
  readonly #options: FreeSpaceOptions
  readonly #measure: (directory: string) => Promise<Volume>
  #freeBytes: number
  #measuredAt: number

  constructor(options: FreeSpaceOptions) {
    this.#options = options
    this.#measure = options.measure ?? statfs
    this.#freeBytes = firstMeasure(options.directory)
    this.#measuredAt = options.monotonic()
  }

  /**
   * Less than the reserve is free: MAIL is answered 452 (RFC 5321 §4.2.3). Never throws; a volume that cannot be
   * measured counts as having room, since storing will tell.
   */
  isShort(): boolean {
    const now = this.#options.monotonic()
    if (now - this.#measuredAt >= REFRESH_MS) {
      this.#measuredAt = now
      void this.#refresh()
    }
    return this.#freeBytes < this.#options.reserveBytes
  }

  /** Less than half of the reserve is free: whoever comes is sent away before he has said anything. */
  isScarce(): boolean {
    return this.isShort() && this.#freeBytes < this.#options.reserveBytes / 2
  }

  async #refresh(): Promise<void> {
    try {
      this.#freeBytes = freeBytes(await this.#measure(this.#options.directory))
    } catch {
      this.#freeBytes = Infinity
    }
  }
}

function firstMeasure(directory: string): number {
  try {
    return freeBytes(statfsSync(directory))
  } catch {
    return Infinity
  }
}

function freeBytes({ bavail, bsize }: Volume): number {
  return bavail * bsize
}
