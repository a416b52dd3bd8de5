/** The supervisor's view of its worker: forked, given its sockets, asked, replaced when it dies. */
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { Problem } from '../../config/problem.ts'
import { RespawnDelay } from '../../sandbox/respawn-delay.ts'
import type { GenerationSource } from '../gateway/generation.ts'
import type { Log } from '../observe/log.ts'
import type { BoundListener } from './listener.ts'
import type { GatewayMethod, GatewaySummary, ToSupervisor, ToWorker } from './messages.ts'

export type Started = { readonly summary: GatewaySummary } | { readonly problems: readonly Problem[] }

const ENTRY = join(import.meta.dirname, 'worker.ts')
const ASK_TIMEOUT_MS = 10_000
/** Of plugins that load; shorter than an operator waits for an answer. */
const PREPARE_TIMEOUT_MS = 25_000
/**
 * Room for what a few hundred sessions make and forget. Without it V8 begins with 1 MiB, and moves what lives for one
 * round trip of a plugin to the old generation.
 */
const YOUNG_GENERATION = ['--min-semi-space-size=16']
/** From its fork until it takes mail; opening a large store is part of it. */
const READY_MS = 120_000

interface Asked {
  resolve(result: unknown): void
  reject(error: Error): void
  readonly timer: NodeJS.Timeout
}

/** A stop came before the start was over. */
const STOPPED: Started = Object.freeze({ problems: Object.freeze([]) })

export interface WorkerOptions {
  /** What it starts with, and starts with again when it dies. */
  readonly source: () => GenerationSource
  /** Where it finds the keeper, as soon as there is one; null: it is alone and has its own. */
  readonly keeper: () => Promise<string | null>
  readonly listeners: readonly BoundListener[]
  readonly log: Log
}

export class WorkerProcess {
  readonly #source: WorkerOptions['source']
  readonly #keeper: WorkerOptions['keeper']
  readonly #listeners: readonly BoundListener[]
  readonly #log: Log
  readonly #delay = new RespawnDelay()
  readonly #asked = new Map<number, Asked>()
  #child: ChildProcess | null = null
  #ready = false
  #bornAt = 0
  #restarts = 0
  #nextAsk = 0
  #stopping = false
  #respawn: NodeJS.Timeout | null = null
  #onStarted: ((started: Started) => void) | null = null
  #onGone: (() => void) | null = null

  constructor({ source, keeper, listeners, log }: WorkerOptions) {
    this.#source = source
    this.#keeper = keeper
    this.#listeners = listeners
    this.#log = log
  }

  get pid(): number | null {
    return this.#ready ? (this.#child?.pid ?? null) : null
  }

  get restarts(): number {
    return this.#restarts
  }

  /** The first start; later deaths are made good without asking anybody. */
  start(): Promise<Started> {
    if (this.#stopping) return Promise.resolve(STOPPED)
    return new Promise((resolve) => {
      this.#onStarted = resolve
      this.#fork()
    })
  }

  /** Asks the worker for one of the gateway's methods. @throws Error when there is no worker, or it does not answer */
  ask(method: GatewayMethod, args: readonly unknown[]): Promise<unknown> {
    return this.#request(method, ASK_TIMEOUT_MS, (id) => ({ type: 'ask', id, method, args }))
  }

  /** Opens a generation beside the one in force. @throws Error as `ask` does */
  async prepare(source: GenerationSource): Promise<readonly Problem[]> {
    const problems = await this.#request('prepare', PREPARE_TIMEOUT_MS, (id) => ({
      type: 'prepare',
      id,
      source,
    }))
    return problems as readonly Problem[]
  }

  /** @throws Error as `ask` does */
  async activate(number: number): Promise<void> {
    await this.#request('activate', ASK_TIMEOUT_MS, (id) => ({ type: 'activate', id, number }))
  }

  /** @throws Error as `ask` does */
  async discard(number: number): Promise<void> {
    await this.#request('discard', ASK_TIMEOUT_MS, (id) => ({ type: 'discard', id, number }))
  }

  /** Ends it at once; it is replaced. Resolves when it is gone. */
  kill(reason: string): Promise<void> {
    const child = this.#child
    if (child === null) return Promise.resolve()
    this.#log.warn('worker-killed', { pid: child.pid, reason })
    return new Promise((resolve) => {
      child.once('exit', () => resolve())
      child.kill('SIGKILL')
    })
  }

  #request(what: string, timeoutMs: number, message: (id: number) => ToWorker): Promise<unknown> {
    if (!this.#ready) return Promise.reject(new Error('the worker is being replaced, try again in a moment'))
    return new Promise((resolve, reject) => {
      const id = ++this.#nextAsk
      const timer = setTimeout(
        () => this.#fail(id, new Error(`the worker did not answer ${what}`)),
        timeoutMs,
      )
      this.#asked.set(id, { resolve, reject, timer })
      this.#send(message(id))
    })
  }

  /** Lets it finish what it has in hand; after `timeoutMs`, and a second's grace, it is killed. */
  stop(timeoutMs: number): Promise<void> {
    this.#stopping = true
    if (this.#respawn !== null) clearTimeout(this.#respawn)
    const child = this.#child
    if (child === null) return Promise.resolve()
    return new Promise((resolve) => {
      const killer = setTimeout(() => {
        this.#log.warn('worker-killed', { pid: child.pid, reason: 'it did not stop in time' })
        child.kill('SIGKILL')
      }, timeoutMs + 1_000)
      this.#onGone = () => {
        clearTimeout(killer)
        resolve()
      }
      this.#send({ type: 'stop', timeoutMs })
    })
  }

  #fork(): void {
    this.#bornAt = performance.now()
    try {
      this.#child = this.#forked()
    } catch (error) {
      this.#exited((error as Error).message)
    }
  }

  /** @throws when the system gives no process */
  #forked(): ChildProcess {
    const child = fork(ENTRY, [], {
      execArgv: [...process.execArgv, ...YOUNG_GENERATION],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    const tooLate = setTimeout(() => this.#neverReady(child), READY_MS)
    child.on('message', (message) => {
      if ((message as ToSupervisor).type === 'ready') clearTimeout(tooLate)
      this.#hear(message as ToSupervisor)
    })
    child.on('exit', (code, signal) => {
      clearTimeout(tooLate)
      this.#exited(signal ?? `exit code ${code}`)
    })
    child.on('error', (error) => {
      this.#log.warn('worker-unreachable', { reason: error.message })
      // One that never came to life has no exit. Otherwise it just died, and its exit tells the rest.
      if (child.pid !== undefined) return
      clearTimeout(tooLate)
      this.#exited(error.message)
    })
    return child
  }

  /** Something it waits for got lost on the way. */
  #neverReady(child: ChildProcess): void {
    this.#log.warn('worker-killed', { pid: child.pid, reason: 'it did not become ready in time' })
    child.kill('SIGKILL')
  }

  #hear(message: ToSupervisor): void {
    switch (message.type) {
      case 'here':
        return void this.#equip()
      case 'ready':
        this.#ready = true
        if (this.#restarts > 0) this.#log.info('worker-started', { pid: this.#child?.pid })
        return this.#settleStart({ summary: message.summary })
      case 'failed':
        this.#logUnlessAsked(message.problems)
        return this.#settleStart({ problems: message.problems })
      case 'answer':
        return this.#settle(message.id, (asked) => asked.resolve(message.result))
      case 'answer-failed':
        return this.#fail(message.id, new Error(message.message))
    }
  }

  /** Whoever waits for the first start prints them. */
  #logUnlessAsked(problems: readonly Problem[]): void {
    if (this.#onStarted !== null) return
    for (const { code, place, message: reason, remedy } of problems)
      this.#log.error('worker-failed', { code, place, reason, remedy })
  }

  async #equip(): Promise<void> {
    const child = this.#child
    const keeper = await this.#keeper()
    // It may have died while there was no keeper.
    if (this.#child !== child) return
    this.#send({ type: 'start', source: this.#source(), listeners: this.#listeners.length, keeper })
    for (const { config, handle } of this.#listeners)
      this.#child?.send({ type: 'listener', config }, handle, onSent)
  }

  #exited(reason: string): void {
    const wasReady = this.#ready
    this.#child = null
    this.#ready = false
    for (const id of this.#asked.keys()) this.#fail(id, new Error('the worker died'))
    if (this.#stopping) {
      this.#settleStart(STOPPED)
      return this.#onGone?.()
    }
    if (!wasReady && this.#onStarted !== null) {
      const message = `The worker ended before it was ready (${reason}).`
      const remedy = 'the lines above say why; POSTERN_DEBUG=1 shows more'
      return this.#settleStart({ problems: [{ code: 'P3010', place: 'worker', message, remedy }] })
    }
    this.#restarts++
    const delayMs = this.#delay.after(performance.now() - this.#bornAt)
    this.#log.error('worker-died', { reason, restartInMs: delayMs })
    this.#respawn = setTimeout(() => this.#fork(), delayMs)
  }

  #settleStart(started: Started): void {
    const settle = this.#onStarted
    this.#onStarted = null
    settle?.(started)
  }

  #settle(id: number, settle: (asked: Asked) => void): void {
    const asked = this.#asked.get(id)
    if (asked === undefined) return
    this.#asked.delete(id)
    clearTimeout(asked.timer)
    settle(asked)
  }

  #fail(id: number, error: Error): void {
    this.#settle(id, (asked) => asked.reject(error))
  }

  #send(message: ToWorker): void {
    this.#child?.send(message, onSent)
  }
}

/** A failed send is followed by the worker's exit, which is where it is dealt with. */
function onSent(): void {}
