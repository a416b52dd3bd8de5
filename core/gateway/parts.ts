/** The parts of a running gateway. */
import type { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import type { MessagePool } from '../content/pool.ts'
import type { Deliverer } from '../delivery/deliverer.ts'
import type { Teller } from '../hooks/teller.ts'
import type { Clock } from '../observe/clock.ts'
import type { DecisionRecords } from '../observe/decision-record.ts'
import type { Keeper } from '../queue/keeper.ts'
import type { Queue } from '../queue/queue.ts'
import type { SmtpServer } from '../smtp/server.ts'
import type { Generations } from './generations.ts'

/** Everything a running gateway consists of. */
export interface GatewayParts {
  readonly clock: Clock
  readonly counters: PluginCounters
  readonly keeper: Keeper
  readonly queue: Queue
  readonly generations: Generations
  readonly records: DecisionRecords
  readonly deliverer: Deliverer
  readonly teller: Teller
  readonly smtp: SmtpServer
  readonly contents: MessagePool
  readonly startedAt: number
  isDraining: boolean
}
