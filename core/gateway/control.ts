/** What an operator can ask of this worker. */

import type { Panel } from '../../sandbox/panel.ts'
import type { PluginUsage } from '../../sandbox/usage.ts'
import type { GatewayControl, GatewayStatus, PluginStatus } from '../admin/control.ts'
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
        plughosts: sandbox.plughosts(),
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
  const { smtp, deliverer, teller, generations, queue } = parts
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
  addPluginMetrics(metrics, () => generations.current.sandbox.panel)
  return metrics
}

/** Of what each plugin did. */
function addPluginMetrics(metrics: Metrics, panel: () => Panel): void {
  const perPlugin = (name: string, help: string, count: (usage: PluginUsage) => number): void =>
    metrics.counter({
      name,
      help,
      labels: ['plugin'],
      read: () =>
        [...panel().usage].map(([plugin, usage]) => ({
          labels: { plugin },
          value: count(usage),
        })),
    })
  perPlugin('postern_plugin_cpu_seconds_total', 'CPU time used by plugins', (usage) => usage.cpuMicros / 1e6)
  perPlugin(
    'postern_plugin_quota_errors_total',
    'Tools refused to plugins beyond a quota',
    (usage) => usage.quotaErrors,
  )
  perPlugin(
    'postern_plugin_log_lines_dropped_total',
    'Log lines of plugins dropped',
    (usage) => usage.droppedLogLines,
  )
  perPlugin(
    'postern_plugin_not_asked_total',
    'Questions kept from plugins they bring down',
    (usage) => usage.notAsked,
  )
}

function callSamples({ name: plugin, calls, refusals, faults }: PluginStatus): readonly Sample[] {
  const results = { refused: refusals, failed: faults, other: calls - refusals - faults }
  return Object.entries(results).map(([result, value]) => ({ labels: { plugin, result }, value }))
}
