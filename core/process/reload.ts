/**
 * Reload in two phases: everything is read and checked here, then every worker opens it beside what is in force. Only
 * when all of them could is it put in force; otherwise nothing has changed.
 */
import { isDeepStrictEqual } from 'node:util'
import type { Config, ListenerConfig } from '../../config/config.ts'
import { loadConfig } from '../../config/load.ts'
import { namedFileProblems } from '../../config/named-files.ts'
import type { Problem } from '../../config/problem.ts'
import { readSandboxSources } from '../../sandbox/sources.ts'
import type { ReloadOutcome } from '../admin/control.ts'
import type { GenerationSource } from '../gateway/generation.ts'
import type { Log } from '../observe/log.ts'

/** Those who open and activate. */
export interface Reloadable {
  /** Opens a generation in every worker beside the one in force. @returns what kept one of them from it */
  prepare(source: GenerationSource): Promise<readonly Problem[]>
  /** Puts the prepared generation in force everywhere; workers that start from now on start with it. */
  activate(source: GenerationSource): Promise<void>
  /** Lets the prepared generation go. */
  discard(number: number): Promise<void>
}

/** Settings that a process has only once. */
const FIXED: Readonly<Record<string, (config: Config) => unknown>> = {
  store: ({ store }) => store,
  admin: ({ admin }) => admin,
  record: ({ record }) => record,
  log: ({ log }) => log,
  workers: ({ workers }) => workers,
  'queue.lease': ({ queue }) => queue.leaseMs,
  'outbound.connections': ({ outbound }) => outbound.connections,
}

const STOPPING: Problem = Object.freeze({
  code: 'P3031',
  place: 'gateway',
  message: 'The reload was given up: the gateway is stopping.',
  remedy: 'the next start reads the files as they are',
})

export class Reloading {
  readonly #configFile: string
  readonly #listeners: readonly ListenerConfig[]
  readonly #workers: Reloadable
  readonly #log: Log
  #current: GenerationSource
  /** Reloads come one after the other. */
  #last: Promise<unknown> = Promise.resolve()
  /** The one that has not begun: whoever asks meanwhile means the same. */
  #waiting: Promise<ReloadOutcome> | null = null
  /** Generations opened so far: a number is not given twice. */
  #number: number
  #isStopping = false

  /** @param listeners as they were bound: a port left open in the file has a number there */
  constructor(
    configFile: string,
    started: GenerationSource,
    listeners: readonly ListenerConfig[],
    workers: Reloadable,
    log: Log,
  ) {
    this.#configFile = configFile
    this.#listeners = listeners
    this.#current = started
    this.#number = started.number
    this.#workers = workers
    this.#log = log
  }

  /** In force. */
  get config(): Config {
    return this.#current.config
  }

  /** From now on nothing is reloaded: the gateway is stopping. */
  stop(): void {
    this.#isStopping = true
  }

  /** Reads configuration, plugins and tables anew and puts them in force, or says what is wrong. Never rejects. */
  reload(reason: string): Promise<ReloadOutcome> {
    this.#waiting ??= this.#last.then(() => {
      this.#waiting = null
      return this.#reload(reason)
    })
    this.#last = this.#waiting
    return this.#waiting
  }

  async #reload(reason: string): Promise<ReloadOutcome> {
    const startedAt = performance.now()
    const problems = this.#isStopping ? [STOPPING] : await this.#tried()
    const tookMs = Math.round(performance.now() - startedAt)
    const { number: generation } = this.#current
    // Asked for too late, or what broke it off is the stop.
    if (this.#isStopping) return { isReloaded: false, generation, problems: [STOPPING], tookMs }
    if (problems.length === 0) this.#log.info('reloaded', { reason, generation, tookMs })
    for (const { code, place, message, remedy } of problems)
      this.#log.error('reload-failed', { reason, generation, code, place, message, remedy })
    return { isReloaded: problems.length === 0, generation, problems, tookMs }
  }

  async #tried(): Promise<readonly Problem[]> {
    try {
      const read = this.#read()
      if ('problems' in read) return read.problems
      const problems = await this.#prepared(read)
      if (problems.length > 0) return problems
      const before = this.#current.sources.lockFile
      if (before !== null && read.sources.lockFile === null)
        this.#log.warn('plugin-lock-gone', { file: before })
      this.#current = read
      await this.#workers.activate(read)
      return []
    } catch (error) {
      const message = `The reload failed: ${(error as Error).message}.`
      const remedy =
        'try again; when it stays, the log has more, and a restart applies the same configuration'
      return [{ code: 'P3031', place: this.#configFile, message, remedy }]
    }
  }

  /** What some have prepared is let go when not all of them could. */
  async #prepared(source: GenerationSource): Promise<readonly Problem[]> {
    let problems: readonly Problem[] | null = null
    try {
      problems = await this.#workers.prepare(source)
      return problems
    } finally {
      if (problems?.length !== 0) await this.#workers.discard(source.number)
    }
  }

  /** What the files say now, if a start would take it. */
  #read(): GenerationSource | { readonly problems: readonly Problem[] } {
    const loaded = loadConfig(this.#configFile, process.env)
    if (!loaded.ok) return loaded
    const { config } = loaded
    const { sources, problems: unreadable } = readSandboxSources(config)
    const problems = [
      ...this.#changedForGood(config).map((name) => needsRestart(name, this.#configFile)),
      ...namedFileProblems(config, Date.now()),
      ...unreadable,
    ]
    return problems.length > 0 ? { problems } : { number: ++this.#number, config, sources }
  }

  /** Settings that differ from what runs, and need another start. */
  #changedForGood(config: Config): readonly string[] {
    const { listeners } = config
    const isListening = [this.#current.config.listeners, this.#listeners].some((known) =>
      isDeepStrictEqual(known, listeners),
    )
    const changed = Object.keys(FIXED).filter(
      (name) => !isDeepStrictEqual(FIXED[name]?.(config), FIXED[name]?.(this.#current.config)),
    )
    return isListening ? changed : ['listeners', ...changed]
  }
}

function needsRestart(name: string, file: string): Problem {
  const message = `"${name}" is not what the running gateway has, and a reload cannot change it.`
  const remedy = 'stop and start the gateway to apply it, or put the old value back; nothing was changed'
  return { code: 'P3030', place: file, message, remedy }
}
