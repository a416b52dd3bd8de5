/** `postern plugin`: which plugins are asked, in which order, what they may do; and the commands for their authors. */
import { Command } from 'commander'
import type { PluginConfig } from '../../../config/config.ts'
import type { PluginStatus } from '../../admin/control.ts'
import { ControlUnreachable } from '../../admin/control-client.ts'
import type { CommandLine } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { counted, formatMicros } from '../quantity.ts'
import { visible } from '../visible-text.ts'
import { pluginBenchCommand } from './plugin-bench.ts'
import { pluginCheckCommand } from './plugin-check.ts'
import { pluginNewCommand } from './plugin-new.ts'
import { pluginReplayCommand } from './plugin-replay.ts'
import { pluginApproveCommand, pluginReviewCommand } from './plugin-review.ts'
import { pluginTestCommand } from './plugin-test.ts'

/** A plugin as far as it is known: without a gateway only what the configuration says of it. */
export type ListedPlugin = { readonly [key in keyof PluginStatus]: PluginStatus[key] | null } & {
  readonly name: string
  readonly source: string
  readonly onError: PluginStatus['onError']
}

export function pluginCommand(line: CommandLine): Command {
  const command = new Command('plugin')
    .description('Look at the plugins, and write new ones.')
    .addHelpText('after', '\nExample:\n  postern plugin list')
  command
    .command('list')
    .description('List the plugins in the order they are asked, with what they may do.')
    .addHelpText('after', '\nExample:\n  postern plugin list')
    .action(line.action(async () => await list(line)))
  const children = [
    pluginNewCommand,
    pluginCheckCommand,
    pluginTestCommand,
    pluginReplayCommand,
    pluginBenchCommand,
    pluginReviewCommand,
    pluginApproveCommand,
  ]
  for (const child of children) command.addCommand(child(line))
  return command
}

async function list(line: CommandLine): Promise<ExitCode> {
  const running = await runningPlugins(line)
  const plugins = running ?? (await line.config()).plugins.map(configured)
  if (line.json) {
    line.output.json({ running: running !== null, plugins })
    return EXIT.fine
  }
  if (running === null)
    line.output.print('The gateway is not running: this is what the configuration says.\n')
  if (plugins.length === 0) line.output.print('No plugins: every recipient is refused.')
  const width = Math.max(...plugins.map((plugin) => title(plugin).length))
  for (const [i, plugin] of plugins.entries())
    for (const text of formatPlugin(plugin, i + 1, width)) line.output.print(text)
  return EXIT.fine
}

/** null when no gateway runs, or its worker is being replaced. */
async function runningPlugins(line: CommandLine): Promise<readonly PluginStatus[] | null> {
  try {
    return (await (await line.control()).status()).gateway?.plugins ?? null
  } catch (error) {
    if (error instanceof ControlUnreachable && error.reason === 'absent') return null
    throw error
  }
}

function configured({ source, onError }: PluginConfig): ListedPlugin {
  const isBundled = source.kind === 'bundled'
  return {
    name: isBundled ? source.name : source.path,
    version: null,
    build: null,
    source: isBundled ? 'bundled' : source.path,
    onError,
    hooks: null,
    permissions: null,
    calls: null,
    refusals: null,
    faults: null,
    meanCpuMicros: null,
  }
}

function title({ name, version }: ListedPlugin): string {
  return visible(version === null ? name : `${name} ${version}`)
}

function formatPlugin(plugin: ListedPlugin, number: number, width: number): readonly string[] {
  const { name, source, hooks, onError, permissions } = plugin
  const indent = ' '.repeat(5)
  const parts = [
    `${String(number).padStart(3)}  ${title(plugin).padEnd(width)}`,
    ...(source === name ? [] : [visible(source)]),
    ...(hooks === null ? [] : [`hooks: ${hooks.join(', ')}`]),
    `on error: ${onError}`,
  ]
  return [
    parts.join('   '),
    ...(permissions ?? []).map((sentence) => `${indent}${visible(sentence)}`),
    ...(plugin.calls === null ? [] : [indent + formatCounters(plugin)]),
  ]
}

function formatCounters({ calls, refusals, faults, meanCpuMicros }: ListedPlugin): string {
  const counts = [
    counted(calls ?? 0, 'call'),
    counted(refusals ?? 0, 'refusal'),
    counted(faults ?? 0, 'fault'),
  ]
  return `${counts.join(', ')}, ${formatMicros(meanCpuMicros ?? 0)} CPU a call`
}
