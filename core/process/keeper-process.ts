/** The supervisor's view of the keeper of several workers: forked before them, replaced when it dies, closed last. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'
import { RespawnDelay } from '../../sandbox/respawn-delay.ts'
import type { Log } from '../observe/log.ts'
import type { StoreFault } from '../queue/queue-store.ts'
import type { FromKeeperProcess, ToKeeperProcess } from './keeper-messages.ts'
import { unopenedStore } from './unopened-store.ts'

const ENTRY = join(import.meta.dirname, 'keeper.ts')
/** From its fork until workers may connect; opening a large store is part of it. */
const READY_MS = 120_000
/** To answer what was asked for and close the databases. */
const CLOSE_MS = 10_000

export class KeeperProcess {
  readonly #settings: Pick<Config, 'store' | 'log'>
  readonly #vacate: () => Promise<void>
  readonly #log: Log
  readonly #delay = new RespawnDelay()
  #child: ChildProcess | null = null
  #bornAt = 0
  #isReady = false
  #isClosing = false
  #respawn: NodeJS.Timeout | null = null
  /** Where workers connect to, when there is somebody. */
  #socketPath = Promise.withResolvers<string>()
  /** Waits for the first start. */
  #onStarted: ((problems: readonly Problem[]) => void) | null = null

  /** @param vacate resolves when nobody is left who worked with the keeper that died: another one sweeps the spool */
  constructor(settings: Pick<Config, 'store' | 'log'>, vacate: () => Promise<void>, log: Log) {
    this.#vacate = vacate
    this.#settings = settings
    this.#log = log
  }

  get pid(): number | null {
    return this.#child?.pid ?? null
  }

  /** The first start: a store that cannot be opened is a problem then. Later deaths are made good without asking. */
  start(): Promise<readonly Problem[]> {
    if (this.#isClosing) return Promise.resolve([])
    return new Promise((resolve) => {
      this.#onStarted = resolve
      this.#fork()
    })
  }

  /** Where workers connect to; resolves when there is a keeper. */
  socketPath(): Promise<string> {
    return this.#socketPath.promise
  }

  /** After the workers: they settle until their last moment. */
  close(): Promise<void> {
    this.#isClosing = true
    if (this.#respawn !== null) clearTimeout(this.#respawn)
    const child = this.#child
    if (child === null) return Promise.resolve()
    return new Promise((resolve) => {
      const killer = setTimeout(() => {
        this.#log.warn('keeper-killed', { pid: child.pid, reason: 'it did not close in time' })
        child.kill('SIGKILL')
      }, CLOSE_MS)
      child.once('exit', () => {
        clearTimeout(killer)
        resolve()
      })
      child.send({ type: 'close' } satisfies ToKeeperProcess, onSent)
    })
  }

  #forkAfter(delayMs: number): void {
    if (!this.#isClosing) this.#respawn = setTimeout(() => this.#fork(), delayMs)
  }

  #fork(): void {
    this.#bornAt = performance.now()
    const { store, log } = this.#settings
    try {
      this.#child = fork(ENTRY, [store.directory, log.level], {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      })
    } catch (error) {
      return this.#exited((error as Error).message)
    }
    this.#watch(this.#child)
  }

  #watch(child: ChildProcess): void {
    const tooLate = setTimeout(() => child.kill('SIGKILL'), READY_MS)
    child.on('message', (message) => {
      clearTimeout(tooLate)
      this.#hear(message as FromKeeperProcess)
    })
    child.on('exit', (code, signal) => {
      clearTimeout(tooLate)
      this.#exited(signal ?? `exit code ${code}`)
    })
    child.on('error', (error) => {
      // One that never came to life has no exit.
      if (child.pid === undefined) this.#exited(error.message)
    })
  }

  #hear(message: FromKeeperProcess): void {
    if (message.type === 'refused') return this.#refused(message)
    if (this.#onStarted === null) this.#log.info('keeper-started', { pid: this.#child?.pid })
    this.#isReady = true
    this.#socketPath.resolve(message.socketPath)
    this.#settleStart([])
  }

  /** It exits, and is replaced unless it was the first. */
  #refused(fault: Pick<StoreFault, 'code' | 'message'>): void {
    if (this.#onStarted === null) this.#log.error('keeper-refused', { reason: fault.message })
    else this.#settleStart([unopenedStore(this.#settings.store.directory, fault)])
  }

  #settleStart(problems: readonly Problem[]): void {
    const settle = this.#onStarted
    this.#onStarted = null
    this.#isClosing ||= problems.length > 0
    settle?.(problems)
  }

  #exited(reason: string): void {
    this.#child = null
    if (this.#isClosing) return this.#settleStart([])
    if (this.#onStarted !== null)
      return this.#settleStart([
        unopenedStore(this.#settings.store.directory, {
          code: 'unavailable',
          message: `the keeper ended (${reason})`,
        }),
      ])
    if (this.#isReady) this.#socketPath = Promise.withResolvers()
    this.#isReady = false
    const delayMs = this.#delay.after(performance.now() - this.#bornAt)
    this.#log.error('keeper-died', { reason, restartInMs: delayMs })
    void this.#vacate().then(() => this.#forkAfter(delayMs))
  }
}

/** A failed send is followed by the exit, which is where it is dealt with. */
function onSent(): void {}
