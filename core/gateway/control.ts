/** What an operator can ask of this worker. */
import type { GatewayControl, GatewayStatus } from '../admin/control.ts'
import { messagePiece } from './message-piece.ts'
import { gatewayMetrics } from './metrics.ts'
import type { GatewayParts } from './parts.ts'
import { pluginStatuses } from './plugin-statuses.ts'

export function createGatewayControl(parts: GatewayParts): GatewayControl {
  const { queue, clock, generations, records, deliverer } = parts
  const { store } = queue
  const metrics = gatewayMetrics(parts)
  return {
    gatewayStatus: () => gatewayStatus(parts),
    queueList: (filter, limit) => store.list(filter, limit),
    queueRetry: async (filter) => kicked(await store.retryNow(filter, clock.now())),
    queueHold: (filter, reason) => store.hold(filter, reason),
    queueRelease: async (filter) =>
      kicked(await store.unhold(filter, clock.now(), generations.current.config.queue.expireMs)),
    queueDrop: (filter) => store.drop(filter),
    queueBounce: async (filter, reason) => kicked(await store.bounce(filter, reason, clock.now())),
    queueAge: (filter) => store.ages(filter, clock.now()),
    ...suspending(parts),
    queueContent: (message, index) => messagePiece(store, message, index),
    explain: async (key) => records.find(key),
    metricValues: () => metrics.values(),
  }

  /** Changed recipients are due now. */
  function kicked(changed: number): number {
    if (changed > 0) deliverer.kick()
    return changed
  }
}

type Suspending = Pick<GatewayControl, 'queueSuspend' | 'queueResume' | 'queueSuspensions'>

/** Other workers hear of it when they ask the store again. */
function suspending({ queue: { store }, clock, deliverer }: GatewayParts): Suspending {
  return {
    queueSuspend: async (route, reason, forMs) => {
      const since = clock.now()
      const suspension = { route, reason, since, until: forMs === null ? null : since + forMs }
      await store.suspend(suspension)
      await deliverer.heedSuspensions()
      return suspension
    },
    queueResume: async (route) => {
      const wasSuspended = await store.resume(route)
      await deliverer.heedSuspensions()
      return wasSuspended
    },
    queueSuspensions: async () => {
      const now = clock.now()
      return (await store.suspensions()).filter(({ until }) => until === null || until > now)
    },
  }
}

async function gatewayStatus(parts: GatewayParts): Promise<GatewayStatus> {
  const { clock, queue, smtp, deliverer, generations, startedAt, isDraining } = parts
  const { number, sandbox } = generations.current
  return {
    state: isDraining ? 'draining' : 'running',
    workers: [
      {
        pid: process.pid,
        plughosts: generations.plughosts,
        generation: number,
        uptimeMs: Math.round(clock.monotonic() - startedAt),
      },
    ],
    listeners: smtp.listeners(),
    queue: await queue.store.counts(),
    counters: { ...smtp.counters, ...deliverer.counters },
    plugins: pluginStatuses(sandbox.panel),
  }
}
