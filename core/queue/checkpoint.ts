/**
 * Checkpoints of one database, made over a connection of their own so that commits do not wait for them: what the
 * write-ahead log holds goes to its place in the database.
 */
import { DatabaseSync } from 'node:sqlite'

/** Pages in the log from which on they are written to their places at once: 32 MB. */
const PASSIVE_PAGES = 4_000
/** Pages from which on commits are held up until the log is empty, or under load it would grow for ever: 64 MB. */
const RESTART_PAGES = 8_000
/** Fewer pages wait this long. */
const PASSIVE_AFTER_MS = 3_000
/** Without a commit for so long the database is idle. */
const IDLE_MS = 5_000
/** A log file larger than this is cut off when idle: 32 MB. */
const TRUNCATE_PAGES = 4_000
/** Free pages kept for use again; what is beyond is given back to the file system when idle: 32 MB. */
const KEPT_FREE_PAGES = 4_000
/** Free pages given back at a time: a few milliseconds, in which commits wait. */
const VACUUM_PAGES = 256
/** Longest wait for a commit or a reader to end. */
const BUSY_TIMEOUT_MS = 5_000

type Mode = 'NOOP' | 'PASSIVE' | 'RESTART' | 'TRUNCATE'

interface LogState {
  readonly pages: number
  /** Pages not yet written to their places. */
  readonly outstanding: number
}

export class Checkpoint {
  readonly #database: DatabaseSync
  #dataVersion = -1
  #lastWriteAt = 0
  #lastCheckpointAt = 0

  constructor(file: string) {
    this.#database = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS })
    this.#database.exec(
      'PRAGMA fullfsync = 1; PRAGMA checkpoint_fullfsync = 1; PRAGMA wal_autocheckpoint = 0',
    )
    // Pages a vacuum moves must not be less durable than the commits between them.
    this.#database.exec('PRAGMA synchronous = FULL')
  }

  /** Does what is due. To be called a few times a second. @param now milliseconds of a clock that never goes back */
  step(now: number): void {
    const dataVersion = this.#number('PRAGMA data_version')
    if (dataVersion !== this.#dataVersion) this.#lastWriteAt = now
    this.#dataVersion = dataVersion
    const isIdle = now - this.#lastWriteAt >= IDLE_MS
    const before = this.#checkpoint('NOOP')
    const isLate = now - this.#lastCheckpointAt >= PASSIVE_AFTER_MS
    const isDue = before.outstanding >= PASSIVE_PAGES || (before.outstanding > 0 && isLate)
    if (isDue) this.#checkpoint('PASSIVE')
    if (isDue || before.outstanding === 0) this.#lastCheckpointAt = now
    if (before.pages >= RESTART_PAGES) this.#checkpoint('RESTART')
    else if (isIdle && before.pages >= TRUNCATE_PAGES) this.#checkpoint('TRUNCATE')
    if (isIdle && this.#number('PRAGMA freelist_count') > KEPT_FREE_PAGES) {
      this.#database.exec(`PRAGMA incremental_vacuum(${VACUUM_PAGES})`)
    }
  }

  close(): void {
    this.#database.close()
  }

  #checkpoint(mode: Mode): LogState {
    const row = this.#database.prepare(`PRAGMA wal_checkpoint(${mode})`).get()
    // -1 where there is no log yet.
    const pages = Math.max(0, Number(row?.['log']))
    return { pages, outstanding: pages - Math.max(0, Number(row?.['checkpointed'])) }
  }

  #number(pragma: string): number {
    const row = this.#database.prepare(pragma).get() ?? {}
    return Number(Object.values(row)[0])
  }
}
