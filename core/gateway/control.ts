/** What an operator can ask of this worker. */
import type { GatewayControl, GatewayStatus } from '../admin/control.ts'
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
    explain: async (key) => records.find(key),
    metricValues: () => metrics.values(),
  }

  /** Changed recipients are due now. */
  function kicked(changed: number): number {
    if (changed > 0) deliverer.kick()
    return changed
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
