/** What is measured in this worker, read when somebody asks. */

import type { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import type { PluginUsage } from '../../sandbox/usage.ts'
import type { PluginStatus } from '../admin/control.ts'
import { Metrics, type Sample } from '../observe/metrics.ts'
import type { GatewayParts } from './parts.ts'
import { pluginStatuses } from './plugin-statuses.ts'

export function gatewayMetrics(parts: GatewayParts): Metrics {
  const metrics = new Metrics()
  measureMail(metrics, parts)
  measureQueue(metrics, parts)
  measureSetAside(metrics, parts)
  measurePlugins(metrics, parts)
  measureTools(metrics, parts.counters)
  return metrics
}

function measureMail(
  metrics: Metrics,
  { smtp, deliverer, teller, contents, generations }: GatewayParts,
): void {
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
  metrics.counter({
    name: 'postern_recipients_undelivered_total',
    help: 'Recipients deferred, held or given up, by what kept them from being delivered',
    labels: ['result', 'class'],
    read: () =>
      Object.entries(deliverer.classes).flatMap(([result, counts]) =>
        Array.from(counts, ([name, value]) => ({ labels: { result, class: name }, value })),
      ),
  })
  total('postern_tells_dropped_total', 'Events plugins were not told', () => teller.dropped)
  total('postern_plughost_deaths_total', 'Plughosts that died', () => generations.plughostDeaths)
  metrics.counter({
    name: 'postern_message_questions_total',
    help: 'Questions about what is inside messages, by what came of them',
    labels: ['result'],
    read: () => Object.entries(contents.counters).map(([result, value]) => ({ labels: { result }, value })),
  })
}

function measureQueue(metrics: Metrics, { queue }: GatewayParts): void {
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
}

function measureSetAside(metrics: Metrics, { queue }: GatewayParts): void {
  metrics.gauge({
    name: 'postern_queue_set_aside',
    help: 'Recipients the store has put on hold by itself since its start',
    labels: ['kind'],
    isShared: true,
    read: async () => {
      const { damaged, poisoned } = await queue.store.counts()
      return [
        { labels: { kind: 'damaged' }, value: damaged },
        { labels: { kind: 'poison' }, value: poisoned },
      ]
    },
  })
}

function measurePlugins(metrics: Metrics, { generations }: GatewayParts): void {
  metrics.counter({
    name: 'postern_plugin_calls_total',
    help: 'Calls of plugins by what came of them',
    labels: ['plugin', 'result'],
    read: () => pluginStatuses(generations.current.sandbox.panel).flatMap(callSamples),
  })
  const perPlugin = (name: string, help: string, count: (usage: PluginUsage) => number): void =>
    metrics.counter({
      name,
      help,
      labels: ['plugin'],
      read: () =>
        [...generations.current.sandbox.panel.usage].map(([plugin, usage]) => ({
          labels: { plugin },
          value: count(usage),
        })),
    })
  perPlugin('postern_plugin_cpu_seconds_total', 'CPU time used by plugins', (usage) => usage.cpuMicros / 1e6)
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

function measureTools(metrics: Metrics, counters: PluginCounters): void {
  metrics.counter({
    name: 'postern_plugin_quota_refusals_total',
    help: 'Uses of tools refused because a plugin had used as much as it may',
    labels: ['plugin', 'quota'],
    read: () => counters.quotaRefusals,
  })
  metrics.counter({
    name: 'postern_plugin_denials_total',
    help: 'Tools, answers and actions refused because a plugin lacks the permission',
    labels: ['plugin', 'permission'],
    read: () => counters.denials,
  })
  metrics.counter({
    name: 'postern_plugin_counts_total',
    help: 'What plugins count themselves',
    labels: ['plugin', 'name', 'label'],
    read: () => counters.counts,
  })
}

function callSamples({ name: plugin, calls, refusals, faults }: PluginStatus): readonly Sample[] {
  const results = { refused: refusals, failed: faults, other: calls - refusals - faults }
  return Object.entries(results).map(([result, value]) => ({ labels: { plugin, result }, value }))
}
