/** What several workers say, made into one answer: the worker's part of the control socket. */
import type {
  Control,
  GatewayStatus,
  ListenerStatus,
  PluginStatus,
  RecordedSession,
} from '../admin/control.ts'
import { metricsText } from '../observe/metrics.ts'
import type { GatewayMethod } from './messages.ts'

/** Those who are asked. */
export interface Asked {
  ask(method: GatewayMethod, args: readonly unknown[]): Promise<unknown>
  askAll(method: GatewayMethod, args: readonly unknown[]): Promise<readonly unknown[]>
}

export type GatheredControl = Omit<Control, 'status' | 'reload' | 'stop'>

/** The store is everybody's, so one worker answers for it; the rest is added up. */
export function gatheredControl(workers: Asked): GatheredControl {
  const one = (method: GatewayMethod, ...args: readonly unknown[]) =>
    workers.ask(method, args) as Promise<never>
  return {
    gatewayStatus: async () =>
      addedUp((await workers.askAll('gatewayStatus', [])) as readonly GatewayStatus[]),
    queueList: (filter, limit) => one('queueList', filter, limit),
    queueRetry: (filter) => one('queueRetry', filter),
    queueHold: (filter, reason) => one('queueHold', filter, reason),
    queueRelease: (filter) => one('queueRelease', filter),
    queueDrop: (filter) => one('queueDrop', filter),
    queueBounce: (filter, reason) => one('queueBounce', filter, reason),
    queueAge: (filter) => one('queueAge', filter),
    queueSuspend: (route, reason, forMs) => one('queueSuspend', route, reason, forMs),
    queueResume: (route) => one('queueResume', route),
    queueSuspensions: () => one('queueSuspensions'),
    queueContent: (message, index) => one('queueContent', message, index),
    explain: async (key) => longest((await workers.askAll('explain', [key])) as readonly Known[]),
    metrics: async () => metricsText(await workers.askAll('metricValues', [])),
  }
}

type Known = RecordedSession | null

/** A session is one worker's; of a message another may know a step as well. */
function longest(known: readonly Known[]): Known {
  return known.reduce(
    (best, found) => ((found?.entries.length ?? 0) > (best?.entries.length ?? -1) ? found : best),
    null,
  )
}

function addedUp(statuses: readonly GatewayStatus[]): GatewayStatus {
  const [first, ...others] = statuses
  if (first === undefined) throw new Error('no worker has answered')
  return others.reduce(
    (sum, status) => ({
      state: sum.state === 'draining' ? sum.state : status.state,
      workers: [...sum.workers, ...status.workers],
      listeners: sum.listeners.map((listener) => withConnections(listener, status.listeners)),
      queue: status.queue,
      counters: addedCounters(sum.counters, status.counters),
      plugins: sum.plugins.map((plugin) => withCalls(plugin, status.plugins)),
    }),
    first,
  )
}

function withConnections(listener: ListenerStatus, others: readonly ListenerStatus[]): ListenerStatus {
  const other = others.find(({ address }) => address === listener.address)
  return { ...listener, connections: listener.connections + (other?.connections ?? 0) }
}

function addedCounters(
  a: GatewayStatus['counters'],
  b: GatewayStatus['counters'],
): GatewayStatus['counters'] {
  const names = Object.keys(a) as (keyof GatewayStatus['counters'])[]
  return Object.fromEntries(
    names.map((name) => [name, a[name] + b[name]]),
  ) as unknown as GatewayStatus['counters']
}

function withCalls(plugin: PluginStatus, others: readonly PluginStatus[]): PluginStatus {
  const other = others.find(({ name }) => name === plugin.name)
  if (other === undefined) return plugin
  const calls = plugin.calls + other.calls
  const micros = plugin.calls * plugin.meanCpuMicros + other.calls * other.meanCpuMicros
  return {
    ...plugin,
    calls,
    refusals: plugin.refusals + other.refusals,
    faults: plugin.faults + other.faults,
    meanCpuMicros: calls === 0 ? 0 : Math.round(micros / calls),
  }
}
