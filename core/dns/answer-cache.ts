/** Answers kept for as long as they hold. What was used last stays longest; nothing is served when its time is over. */
import type { Clock } from '../observe/clock.ts'
import type { Answer } from './answer.ts'

export interface AnswerCacheOptions {
  readonly maxEntries: number
  /** Octets of all answers together, roughly: one TXT record may have 64 KB. */
  readonly maxBytes: number
  readonly clock: Clock
}

interface Entry {
  readonly answer: Answer<unknown>
  readonly bytes: number
  /** Monotonic, milliseconds. */
  readonly expiresAt: number
}

const ENTRY_BYTES = 200

export class AnswerCache {
  readonly #options: AnswerCacheOptions
  /** The least recently used first. */
  readonly #entries = new Map<string, Entry>()
  #bytes = 0

  constructor(options: AnswerCacheOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#entries.size
  }

  /** With the time that is left to it. */
  get(key: string): Answer<unknown> | null {
    const entry = this.#entries.get(key)
    if (entry === undefined) return null
    const leftMs = entry.expiresAt - this.#options.clock.monotonic()
    if (leftMs <= 0) {
      this.#drop(key, entry)
      return null
    }
    this.#entries.delete(key)
    this.#entries.set(key, entry)
    const { answer } = entry
    return answer.kind === 'found' ? { ...answer, ttlSeconds: Math.ceil(leftMs / 1_000) } : answer
  }

  set(key: string, answer: Answer<unknown>, forSeconds: number): void {
    const { maxEntries, maxBytes, clock } = this.#options
    const old = this.#entries.get(key)
    if (old !== undefined) this.#drop(key, old)
    const entry = { answer, bytes: bytesOf(key, answer), expiresAt: clock.monotonic() + forSeconds * 1_000 }
    this.#entries.set(key, entry)
    this.#bytes += entry.bytes
    for (const [oldest, dropped] of this.#entries) {
      if (this.#entries.size <= maxEntries && this.#bytes <= maxBytes) break
      this.#drop(oldest, dropped)
    }
  }

  clear(): void {
    this.#entries.clear()
    this.#bytes = 0
  }

  #drop(key: string, entry: Entry): void {
    this.#entries.delete(key)
    this.#bytes -= entry.bytes
  }
}

function bytesOf(key: string, answer: Answer<unknown>): number {
  let bytes = ENTRY_BYTES + 2 * key.length
  if (answer.kind !== 'found') return bytes
  for (const record of answer.records) {
    bytes += ENTRY_BYTES
    if (typeof record === 'string') bytes += record.length
    else for (const value of Object.values(record as object)) bytes += lengthOf(value)
  }
  return bytes
}

function lengthOf(value: unknown): number {
  if (typeof value === 'string') return value.length
  return value instanceof Uint8Array ? value.byteLength : 8
}
