/** What supervisor and worker say to each other. Structured clones: a limit may be Infinity. */
import type { ListenerConfig } from '../../config/config.ts'
import type { Problem } from '../../config/problem.ts'
import type { GATEWAY_METHODS, PluginStatus } from '../admin/control.ts'
import type { GenerationSource } from '../gateway/generation.ts'

export type ToWorker =
  | {
      readonly type: 'start'
      readonly source: GenerationSource
      readonly listeners: number
      /** Socket of the keeper's process; null: the worker is alone and has a thread for it. */
      readonly keeper: string | null
    }
  /** Carries a listening socket as handle. */
  | { readonly type: 'listener'; readonly config: ListenerConfig }
  | { readonly type: 'stop'; readonly timeoutMs: number }
  /** Answered with the problems; the other two of a reload with nothing. */
  | { readonly type: 'prepare'; readonly id: number; readonly source: GenerationSource }
  | { readonly type: 'activate' | 'discard'; readonly id: number; readonly number: number }
  | {
      readonly type: 'ask'
      readonly id: number
      readonly method: GatewayMethod
      readonly args: readonly unknown[]
    }

export type GatewayMethod = (typeof GATEWAY_METHODS)[number]

export type ToSupervisor =
  /** Loaded, so that the supervisor can send its message and the sockets. */
  | { readonly type: 'here' }
  | { readonly type: 'ready'; readonly summary: GatewaySummary }
  | { readonly type: 'failed'; readonly problems: readonly Problem[] }
  | { readonly type: 'answer'; readonly id: number; readonly result: unknown }
  | { readonly type: 'answer-failed'; readonly id: number; readonly message: string }

/** What the start tells a person. */
export interface GatewaySummary {
  readonly plugins: readonly PluginStatus[]
  /** Messages taken over from the queue. */
  readonly queued: number
  /** Protections this system does not offer. */
  readonly missingHardening: readonly string[]
}
