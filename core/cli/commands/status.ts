/** `postern status`: what the gateway is made of and how it is. */
import { Command } from 'commander'
import type {
  GatewayStatus,
  PlughostStatus,
  PluginStatus,
  QueueCounts,
  Status,
  WorkerStatus,
} from '../../admin/control.ts'
import type { CommandLine } from '../command-line.ts'
import { EXIT } from '../exit-code.ts'
import type { Output } from '../output.ts'
import { counted, formatBytes, formatDuration, formatMicros, formatRelative } from '../quantity.ts'
import { formatTable } from '../table.ts'

export function statusCommand(line: CommandLine): Command {
  return new Command('status')
    .description('Show listeners, processes, queue and plugins of the running gateway.')
    .addHelpText('after', '\nExamples:\n  postern status\n  postern status --json | jq .gateway.queue')
    .action(
      line.action(async () => {
        const status = await (await line.control()).status()
        if (line.json) line.output.json(status)
        else for (const text of formatStatus(status, Date.now(), line.output)) line.output.print(text)
        return status.gateway === null ? EXIT.problem : EXIT.fine
      }),
    )
}

function formatStatus(status: Status, now: number, output: Output): readonly string[] {
  const { version, node, config, supervisorPid, startedAt, workerRestarts, gateway } = status
  const head = [
    `${output.style('bold', `postern ${version}`)}   node ${node.replace(/^v/, '')}   up ${formatDuration(now - startedAt)}`,
    '',
    `Configuration  ${config}`,
    `Supervisor     process ${supervisorPid}, ${counted(workerRestarts, 'worker restart')}`,
  ]
  if (gateway === null)
    return [...head, output.style('red', 'Worker         being replaced: no mail is taken')]
  return [
    ...head,
    ...gateway.workers.flatMap((worker) => formatWorker(worker, gateway.state, output)),
    `Queue          ${formatCounts(gateway.queue, now)}`,
    `Mail           ${formatCounters(gateway.counters)}`,
    '',
    ...formatListeners(gateway, output),
    '',
    ...formatPlugins(gateway.plugins, output.width),
  ]
}

function formatWorker(
  { pid, plughosts, uptimeMs, generation }: WorkerStatus,
  state: GatewayStatus['state'],
  output: Output,
): readonly string[] {
  return [
    `Worker         process ${pid}, ${state}, up ${formatDuration(uptimeMs)}, generation ${generation}`,
    ...plughosts.map((plughost) => formatPlughost(plughost, output)),
  ]
}

function formatPlughost({ domain, pid, plugins }: PlughostStatus, output: Output): string {
  // Nobody is worse off while there is none.
  if (plugins.length === 0 && domain === 'spare')
    return pid === null ? 'Plughost       being started, spare' : `Plughost       process ${pid}, spare`
  const names = plugins.join(', ')
  if (pid === null) return output.style('red', `Plughost       being replaced: ${names}`)
  return `Plughost       process ${pid}: ${names}`
}

function formatCounts(
  { messages, due, held, leased, damaged, bytes, nextDueAt }: QueueCounts,
  now: number,
): string {
  if (messages === 0) return 'empty'
  const broken = damaged === 0 ? '' : ` (${damaged} since the start because their message cannot be read)`
  const next = nextDueAt === null ? '' : `, next attempt ${formatRelative(Math.max(nextDueAt, now), now)}`
  return (
    `${counted(messages, 'message')} (${formatBytes(bytes)}): ` +
    `${counted(due, 'recipient')} due, ${leased} of them being delivered, ${held} held${broken}${next}`
  )
}

function formatCounters(counters: GatewayStatus['counters']): string {
  return Object.entries(counters)
    .map(([name, count]) => `${name} ${count}`)
    .join('   ')
}

function formatListeners({ listeners }: GatewayStatus, output: Output): readonly string[] {
  const rows = listeners.map(({ address, role, connections }) => [address, role, String(connections)])
  const columns = [
    { title: 'LISTENER' },
    { title: 'ROLE' },
    { title: 'CONNECTIONS', align: 'right' },
  ] as const
  return formatTable(columns, rows, output.width)
}

function formatPlugins(plugins: readonly PluginStatus[], width: number | null): readonly string[] {
  if (plugins.length === 0) return ['No plugins.']
  const rows = plugins.map((plugin) => [
    `${plugin.name} ${plugin.version}`,
    plugin.onError,
    String(plugin.calls),
    String(plugin.refusals),
    String(plugin.faults),
    formatMicros(plugin.meanCpuMicros),
  ])
  const columns = [
    { title: 'PLUGIN' },
    { title: 'ON ERROR' },
    { title: 'CALLS', align: 'right' },
    { title: 'REFUSALS', align: 'right' },
    { title: 'FAULTS', align: 'right' },
    { title: 'MEAN CPU', align: 'right' },
  ] as const
  return formatTable(columns, rows, width)
}
