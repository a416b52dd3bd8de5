/** `postern plugin bench`: what each hook of a plugin costs, with the JIT compiler and without it. */
import { resolve } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import type { Config, PluginConfig } from '../../../config/config.ts'
import type { Bench, BenchedHook, BenchRun } from '../../../sandbox/bench.ts'
import { HOOK_NAMES, type HookName } from '../../mail/hook-events.ts'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { counted, formatBytes } from '../quantity.ts'
import { type Column, formatTable } from '../table.ts'
import { visible } from '../visible-text.ts'

interface BenchCommandOptions {
  readonly hook?: readonly HookName[]
  readonly count: number
  readonly log?: readonly string[]
}

const DEFAULT_CALLS = 1_000
const MOST_CALLS = 100_000

export function pluginBenchCommand(line: CommandLine): Command {
  return new Command('bench')
    .description('Measure what each hook of a plugin costs, in microseconds of processor time.')
    .argument('<path>', 'a .ts file, or a folder with an index.ts')
    .option('--hook <names...>', 'these hooks only', takeHook)
    .option('--count <number>', 'calls of each hook that count', takeCount, DEFAULT_CALLS)
    .option('--log <files...>', 'ask about recorded activations of it instead of made-up mail')
    .addHelpText(
      'after',
      '\nExample:\n  postern plugin bench ./plugins/no-robots --hook rcpt\n\n' +
        'Settings are those the configuration named with --config has for it; without one, its defaults.',
    )
    .action(
      line.action(async (path: string, options: BenchCommandOptions) => await measure(line, path, options)),
    )
}

function takeHook(text: string, taken: readonly HookName[] = []): readonly HookName[] {
  const hook = HOOK_NAMES.find((name) => name === text)
  if (hook === undefined) throw new InvalidArgumentError(`Hooks are ${HOOK_NAMES.join(', ')}.`)
  return [...taken, hook]
}

function takeCount(text: string): number {
  const count = Number(text)
  if (!/^\d+$/.test(text) || count < 1 || count > MOST_CALLS)
    throw new InvalidArgumentError(`It must be a whole number from 1 to ${MOST_CALLS}.`)
  return count
}

async function measure(line: CommandLine, path: string, options: BenchCommandOptions): Promise<ExitCode> {
  const file = resolve(path)
  const { plugin, lookups } = await settingsFor(line, file)
  const { hook: hooks = null, count, log } = options
  const recording = log === undefined ? null : await line.rooms.readRecording(log.map((one) => resolve(one)))
  const names = new Set(recording?.map(({ plugin: { name } }) => name))
  if (names.size > 1)
    throw new CommandFault(EXIT.usage, `Recordings of one plugin at a time, not of ${[...names].join(', ')}.`)
  const progress = (made: number, all: number) =>
    line.output.progress(`Measuring, ${Math.min(100, Math.round((100 * made) / all))} % …`)
  const measured = await line.rooms.bench({ plugin, lookups, hooks, count, recording, progress })
  line.output.progress('')
  if (line.json) line.output.json(measured)
  else report(line, measured)
  return measured.runs.some(hasFault) ? EXIT.problem : EXIT.fine
}

/** What the configuration says of the plugin, if somebody named one and it knows the plugin. */
async function settingsFor(
  line: CommandLine,
  path: string,
): Promise<{ readonly plugin: PluginConfig; readonly lookups: Config['lookups'] }> {
  const config = line.namesConfig ? await line.config() : null
  const configured = config?.plugins.find(
    ({ source }) => source.kind === 'file' && [path, resolve(path, 'index.ts')].includes(source.path),
  )
  const plugin: PluginConfig = {
    source: { kind: 'file', path },
    config: configured?.config ?? {},
    // Nothing it says becomes of any mail.
    grant: { 'relay.grant': true, 'route.set': ['*'], credentials: true, ...configured?.grant },
    onError: 'defer',
    process: 'own',
    place: configured?.place ?? path,
  }
  return { plugin, lookups: config?.lookups ?? {} }
}

const COLUMNS: readonly Column[] = [
  { title: 'HOOK' },
  { title: 'JIT' },
  { title: 'CALLS', align: 'right' },
  { title: 'MEDIAN µs', align: 'right' },
  { title: 'P99 µs', align: 'right' },
  { title: 'MOST µs', align: 'right' },
  { title: 'FAULTS', align: 'right' },
]

function report({ output }: CommandLine, { plugin, runs }: Bench): void {
  output.print(`${visible(plugin.name)} ${visible(plugin.version)}   ${plugin.build}`)
  for (const { jit, loadMicros, heapBytes } of runs)
    output.print(
      `${jit ? 'with JIT:   ' : 'without JIT:'} loaded in ${(loadMicros / 1_000).toFixed(1)} ms, holds ${formatBytes(heapBytes)}`,
    )
  output.print()
  const hooks = runs[0]?.hooks.map(({ hook }) => hook) ?? []
  const rows = hooks.flatMap((hook) => runs.flatMap((run) => rowsOf(run, hook)))
  for (const text of formatTable(COLUMNS, rows, output.width)) output.print(text)
  for (const { jit, hooks: measured } of runs)
    for (const hook of measured) if (hook.firstFault !== null) output.complain(faultOf(hook, jit))
}

function rowsOf({ jit, hooks }: BenchRun, name: HookName): readonly (readonly string[])[] {
  return hooks
    .filter(({ hook }) => hook === name)
    .map(({ hook, calls, medianMicros, p99Micros, mostMicros, faults }) => [
      hook,
      jit ? 'yes' : 'no',
      ...[calls, medianMicros, p99Micros, mostMicros, faults].map(String),
    ])
}

function faultOf({ hook, faults, firstFault }: BenchedHook, jit: boolean): string {
  const { kind = '', message = '', place = '', frame = [] } = firstFault ?? {}
  const where = place === '' ? '' : `${place}  `
  const what = `${where}${hook} failed in ${counted(faults, 'call')} ${jit ? 'with' : 'without'} JIT, first by ${kind}: ${message}`
  return [visible(what), ...frame.map(visible)].join('\n')
}

function hasFault({ hooks }: BenchRun): boolean {
  return hooks.some(({ faults }) => faults > 0)
}
