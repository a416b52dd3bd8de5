/** What an operator can ask of this worker. */
import type { Panel } from '../../sandbox/panel.ts'
import type { GatewayControl, GatewayStatus, PluginStatus } from '../admin/control.ts'
import type { MessagePool } from '../content/pool.ts'
import type { Deliverer } from '../delivery/deliverer.ts'
import type { Teller } from '../hooks/teller.ts'
import type { Clock } from '../observe/clock.ts'
import type { DecisionRecords } from '../observe/decision-record.ts'
import { Metrics, type Sample } from '../observe/metrics.ts'
import type { Keeper } from '../queue/keeper.ts'
import type { Queue } from '../queue/queue.ts'
import type { SmtpServer } from '../smtp/server.ts'
import type { Generations } from './generations.ts'

/** Everything a running gateway consists of. */
export interface GatewayParts {
  readonly clock: Clock
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
        plughostPid: sandbox.plughostPid(),
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

export function pluginStatuses({ plugins, usage }: Panel): readonly PluginStatus[] {
  return plugins.map(({ identity, manifest, source, sentences }) => {
    const used = usage.get(identity.name)
    const calls = used?.calls ?? 0
    return {
      name: identity.name,
      version: identity.version,
      build: identity.build,
      source,
      onError: identity.onError,
      hooks: manifest.hooks,
      permissions: sentences,
      calls,
      refusals: used?.refusals ?? 0,
      faults: used?.faults ?? 0,
      meanCpuMicros: calls === 0 ? 0 : Math.round((used?.cpuMicros ?? 0) / calls),
    }
  })
}

function gatewayMetrics(parts: GatewayParts): Metrics {
  const { smtp, deliverer, teller, contents, generations, queue } = parts
  const metrics = new Metrics()
  const total = (name: string, help: string, read: () => number): void =>
    metrics.counter({ name, help, read: () => [{ value: read() }] })
  total('postern_sessions_total', 'Client sessions begun', () => smtp.counters.sessions)
  total('postern_messages_accepted_total', 'Messages accepted', () => smtp.counters.accepted)
  total('postern_refusals_total', 'Refusals said to clients', () => smtp.counters.refused)
  total('postern_recipients_delivered_total', 'Recipients delivered', () => deliverer.counters.delivered)
  total('postern_recipients_deferred_total', 'Deferrals of recipients', () => deliverer.counters.deferred)
  total(
    'postern_recipients_held_total',
    'Recipients put into hold by delivery',
    () => deliverer.counters.held,
  )
  total(
    'postern_recipients_bounced_total',
    'Recipients given up, their senders told unless they wanted no notice',
    () => deliverer.counters.bounced,
  )
  total('postern_tells_dropped_total', 'Events plugins were not told', () => teller.dropped)
  total('postern_plughost_deaths_total', 'Plughosts that died', () => generations.plughostDeaths)
  metrics.counter({
    name: 'postern_message_questions_total',
    help: 'Questions about what is inside messages, by what came of them',
    labels: ['result'],
    read: () => Object.entries(contents.counters).map(([result, value]) => ({ labels: { result }, value })),
  })
  metrics.gauge({
    name: 'postern_queue_recipients',
    help: 'Recipients in the queue',
    labels: ['state'],
    isShared: true,
    read: async () => {
      const { due, held, leased } = await queue.store.counts()
      return Object.entries({ due, held, leased }).map(([state, value]) => ({ labels: { state }, value }))
    },
  })
  metrics.counter({
    name: 'postern_plugin_calls_total',
    help: 'Calls of plugins by what came of them',
    labels: ['plugin', 'result'],
    read: () => pluginStatuses(generations.current.sandbox.panel).flatMap(callSamples),
  })
  metrics.counter({
    name: 'postern_plugin_cpu_seconds_total',
    help: 'CPU time used by plugins',
    labels: ['plugin'],
    read: () =>
      [...generations.current.sandbox.panel.usage].map(([plugin, { cpuMicros }]) => ({
        labels: { plugin },
        value: cpuMicros / 1e6,
      })),
  })
  return metrics
}

function callSamples({ name: plugin, calls, refusals, faults }: PluginStatus): readonly Sample[] {
  const results = { refused: refusals, failed: faults, other: calls - refusals - faults }
  return Object.entries(results).map(([result, value]) => ({ labels: { plugin, result }, value }))
}
