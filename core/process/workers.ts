/** The workers of a gateway, as the supervisor sees them: started, asked, reloaded and stopped together. */
import { setTimeout as wait } from 'node:timers/promises'
import type { Problem } from '../../config/problem.ts'
import type { GenerationSource } from '../gateway/generation.ts'
import type { GatewayMethod } from './messages.ts'
import type { Reloadable } from './reload.ts'
import { type Started, type WorkerOptions, WorkerProcess } from './worker-process.ts'

/** How long a reload waits for a worker that is being replaced, milliseconds. */
const REPLACED_MS = 10_000
const LOOK_MS = 50

export class Workers implements Reloadable {
  readonly #all: readonly WorkerProcess[]
  /** What a worker starts with, a replaced one too. */
  #source: GenerationSource
  #isStopping = false

  constructor(first: GenerationSource, options: Omit<WorkerOptions, 'source'>) {
    this.#source = first
    const source = (): GenerationSource => this.#source
    const count = first.config.workers
    this.#all = Array.from({ length: count }, () => new WorkerProcess({ ...options, source }))
  }

  /** Whether somebody takes mail and answers. */
  get isReady(): boolean {
    return this.#ready().length > 0
  }

  get restarts(): number {
    return this.#all.reduce((sum, { restarts }) => sum + restarts, 0)
  }

  /** With a problem in one of them the others are of no use; stopping them is the caller's. */
  async start(): Promise<Started> {
    const started = await Promise.all(this.#all.map((worker) => worker.start()))
    return started.find((outcome) => 'problems' in outcome) ?? (started[0] as Started)
  }

  /** Asks one of them what each could answer. @throws Error when there is no worker, or it does not answer */
  ask(method: GatewayMethod, args: readonly unknown[]): Promise<unknown> {
    const [worker] = this.#ready()
    if (worker === undefined) return Promise.reject(new Error(REPLACED))
    return worker.ask(method, args)
  }

  /** Asks every one that is there; what those say who answer. @throws Error as `ask` does, when none of them answers */
  async askAll(method: GatewayMethod, args: readonly unknown[]): Promise<readonly unknown[]> {
    const asked = await Promise.allSettled(this.#ready().map((worker) => worker.ask(method, args)))
    const answers = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    if (answers.length > 0) return answers
    throw asked.find((one) => one.status === 'rejected')?.reason ?? new Error(REPLACED)
  }

  /** @throws Error when a worker is not there, or does not answer */
  async prepare(source: GenerationSource): Promise<readonly Problem[]> {
    await this.#allReady()
    const problems = await Promise.all(this.#all.map((worker) => worker.prepare(source)))
    return problems.find((found) => found.length > 0) ?? []
  }

  /** One that cannot is replaced: whoever starts from now on starts with this generation. */
  async activate(source: GenerationSource): Promise<void> {
    this.#source = source
    await Promise.all(
      this.#all.map((worker) =>
        worker.activate(source.number).catch(() => worker.kill('it has not what was reloaded')),
      ),
    )
  }

  async discard(number: number): Promise<void> {
    await Promise.allSettled(this.#all.map((worker) => worker.discard(number)))
  }

  /** Without the keeper they can promise nothing, and the next one takes their files for left ones. */
  async vacate(): Promise<void> {
    await Promise.all(this.#all.map((worker) => worker.kill('its keeper is gone')))
  }

  async stop(timeoutMs: number): Promise<void> {
    this.#isStopping = true
    await Promise.all(this.#all.map((worker) => worker.stop(timeoutMs)))
  }

  #ready(): readonly WorkerProcess[] {
    return this.#all.filter(({ pid }) => pid !== null)
  }

  async #allReady(): Promise<void> {
    const endsAt = performance.now() + REPLACED_MS
    while (this.#ready().length < this.#all.length) {
      if (this.#isStopping) throw new Error('the gateway is stopping')
      if (performance.now() > endsAt) throw new Error(REPLACED)
      await wait(LOOK_MS)
    }
  }
}

const REPLACED = 'a worker is being replaced, try again in a moment'
