/** The workers of a gateway, as the supervisor sees them: started, asked, reloaded and stopped together. */
import type { Problem } from '../../config/problem.ts'
import type { GenerationSource } from '../gateway/generation.ts'
import type { Log } from '../observe/log.ts'
import type { BoundListener } from './listener.ts'
import type { GatewayMethod } from './messages.ts'
import type { Reloadable } from './reload.ts'
import { type Started, WorkerProcess } from './worker-process.ts'

export class Workers implements Reloadable {
  readonly #worker: WorkerProcess
  /** What a worker starts with, a replaced one too. */
  #source: GenerationSource

  constructor(source: GenerationSource, listeners: readonly BoundListener[], log: Log) {
    this.#source = source
    this.#worker = new WorkerProcess(() => this.#source, listeners, log)
  }

  /** Whether somebody takes mail and answers. */
  get isReady(): boolean {
    return this.#worker.pid !== null
  }

  get restarts(): number {
    return this.#worker.restarts
  }

  start(): Promise<Started> {
    return this.#worker.start()
  }

  /** @throws Error when there is no worker, or it does not answer */
  ask(method: GatewayMethod, args: readonly unknown[]): Promise<unknown> {
    return this.#worker.ask(method, args)
  }

  async prepare(source: GenerationSource): Promise<readonly Problem[]> {
    return this.#worker.prepare(source)
  }

  async activate(source: GenerationSource): Promise<void> {
    this.#source = source
    await this.#worker.activate(source.number)
  }

  async discard(number: number): Promise<void> {
    await this.#worker.discard(number)
  }

  stop(timeoutMs: number): Promise<void> {
    return this.#worker.stop(timeoutMs)
  }
}
