/**
 * What an operator can ask of a running gateway. One interface, three implementations: the gateway answers, the
 * supervisor passes on, the client asks over the control socket.
 */
import type { RecordedSession } from '../observe/decision-record.ts'
import type { AgeRow, QueueCounts, QueueEntry, QueueFilter, Suspension } from '../queue/queue-store.ts'

/** The words the answers are made of, for those who only ask. */
export type { Action } from '../mail/answer.ts'
export type { Decision, RecordedSession, Step } from '../observe/decision-record.ts'
export type {
  AgeRow,
  QueueCounts,
  QueueEntry,
  QueueFilter,
  RecipientState,
  Suspension,
} from '../queue/queue-store.ts'

export interface PluginStatus {
  readonly name: string
  readonly version: string
  readonly build: string
  /** `bundled`, or the file it was read from. */
  readonly source: string
  readonly onError: 'defer' | 'skip' | 'hold'
  readonly hooks: readonly string[]
  /** Each permission in force as a sentence, critical ones first. */
  readonly permissions: readonly string[]
  readonly calls: number
  readonly refusals: number
  readonly faults: number
  /** Mean CPU time of a call in microseconds. */
  readonly meanCpuMicros: number
}

export interface ListenerStatus {
  readonly address: string
  readonly role: string
  readonly connections: number
}

export interface PlughostStatus {
  /** `bundled`, `shared` (plugins of the user's that share one), `spare` (of none yet), or the name of the one plugin it has. */
  readonly domain: string
  /** null while it is being replaced. */
  readonly pid: number | null
  readonly plugins: readonly string[]
}

export interface WorkerStatus {
  readonly pid: number
  /** One for each trust domain, and one that is spare where there are plugins of the user's. */
  readonly plughosts: readonly PlughostStatus[]
  /** Configuration and plugins in force: 1 since the start, one more with each reload. */
  readonly generation: number
  /** Milliseconds since the worker became ready. */
  readonly uptimeMs: number
}

/** What one worker says of itself, or all of them together. */
export interface GatewayStatus {
  readonly state: 'running' | 'draining'
  /** Those that answered. */
  readonly workers: readonly WorkerStatus[]
  readonly listeners: readonly ListenerStatus[]
  readonly queue: QueueCounts
  readonly counters: {
    readonly sessions: number
    readonly accepted: number
    readonly refused: number
    readonly delivered: number
    readonly deferred: number
    readonly held: number
    readonly bounced: number
  }
  readonly plugins: readonly PluginStatus[]
}

export interface Status {
  readonly version: string
  readonly node: string
  readonly config: string
  readonly supervisorPid: number
  readonly startedAt: number
  readonly workerRestarts: number
  /** null while no worker is there: each is being replaced. */
  readonly gateway: GatewayStatus | null
}

/** What keeps something from being done: a problem of the configuration or of a plugin, as a start would tell it. */
export interface ReloadProblem {
  readonly code: string
  /** File, line and column, or what it is about. */
  readonly place: string
  readonly message: string
  readonly remedy: string
  /** The line in question, and a mark under it. */
  readonly frame?: string
}

export interface ReloadOutcome {
  /** False: nothing has changed, and `problems` says why. */
  readonly isReloaded: boolean
  /** Generation in force. */
  readonly generation: number
  readonly problems: readonly ReloadProblem[]
  readonly tookMs: number
}

export interface MessagePiece {
  readonly base64: string
  readonly isLast: boolean
}

/** The part a worker answers. */
export interface GatewayControl {
  gatewayStatus(): Promise<GatewayStatus>
  queueList(filter: QueueFilter, limit: number): Promise<readonly QueueEntry[]>
  /** Each of these answers how many recipients it changed. */
  queueRetry(filter: QueueFilter): Promise<number>
  queueHold(filter: QueueFilter, reason: string): Promise<number>
  queueRelease(filter: QueueFilter): Promise<number>
  queueDrop(filter: QueueFilter): Promise<number>
  queueBounce(filter: QueueFilter, reason: string): Promise<number>
  /** Ages of what is owed, by domain of the recipient, the most first. */
  queueAge(filter: QueueFilter): Promise<readonly AgeRow[]>
  /** Sends nothing to this destination for so many milliseconds; null: until it is resumed. */
  queueSuspend(route: string, reason: string, forMs: number | null): Promise<Suspension>
  /** False when it was not suspended. */
  queueResume(route: string): Promise<boolean>
  /** Those in force. */
  queueSuspensions(): Promise<readonly Suspension[]>
  /** A piece of a message as it would be sent, from 0; null when there is no such message. */
  queueContent(message: string, index: number): Promise<MessagePiece | null>
  /** By session id, queue id or reference; null when not known any more. */
  explain(key: string): Promise<RecordedSession | null>
  /** Every metric with its values; of no shape that anybody but core/observe knows. */
  metricValues(): Promise<unknown>
}

/** Everything the control socket offers. */
export interface Control extends Omit<GatewayControl, 'metricValues'> {
  /** Prometheus text. */
  metrics(): Promise<string>
  status(): Promise<Status>
  /** Reads configuration, plugins and tables anew: all of it is put in force, or nothing. */
  reload(): Promise<ReloadOutcome>
  /** Starts a graceful stop and answers when it has begun. */
  stop(): Promise<void>
}

/** Methods a worker answers as they were asked. */
const PASSED_ON = [
  'gatewayStatus',
  'queueList',
  'queueRetry',
  'queueHold',
  'queueRelease',
  'queueDrop',
  'queueBounce',
  'queueAge',
  'queueSuspend',
  'queueResume',
  'queueSuspensions',
  'queueContent',
  'explain',
] as const

/** Methods a worker answers, by name: what the supervisor passes on. */
export const GATEWAY_METHODS = [
  ...PASSED_ON,
  'metricValues',
] as const satisfies readonly (keyof GatewayControl)[]

export const CONTROL_METHODS = [
  ...PASSED_ON,
  'metrics',
  'status',
  'reload',
  'stop',
] as const satisfies readonly (keyof Control)[]
