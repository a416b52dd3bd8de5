/** `postern plugin replay`: plays recorded activations through a plugin and shows every decision that differs. */
import { resolve } from 'node:path'
import { Command } from 'commander'
import type { PluginConfig } from '../../../config/config.ts'
import type { Said } from '../../../sandbox/activation.ts'
import type { EffectName } from '../../../sandbox/recorded-effects.ts'
import type { RecordedLoad } from '../../../sandbox/recording-file.ts'
import type { Replay, ReplayDifference } from '../../../sandbox/replay.ts'
import type { CommandLine } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { counted } from '../quantity.ts'
import { visible } from '../visible-text.ts'

interface ReplayOptions {
  readonly plugin?: string
}

export function pluginReplayCommand(line: CommandLine): Command {
  return new Command('replay')
    .description('Play recorded activations through a plugin; end with 1 when a decision differs.')
    .argument('<file...>', 'recordings of one plugin, as record.activations has them written')
    .option('--plugin <path>', 'another version of the plugin (default: the one in the configuration)')
    .addHelpText(
      'after',
      '\nExample:\n  postern plugin replay var/activations/greylist.jsonl --plugin ./greylist.ts',
    )
    .action(line.action(async (files: string[], options: ReplayOptions) => await play(line, files, options)))
}

async function play(
  line: CommandLine,
  files: readonly string[],
  { plugin }: ReplayOptions,
): Promise<ExitCode> {
  const loads = await line.rooms.readRecording(files.map((file) => resolve(file)))
  const names = new Set(loads.map((load) => load.plugin.name))
  if (names.size > 1)
    throw new CommandFault(EXIT.usage, `Recordings of one plugin at a time, not of ${[...names].join(', ')}.`)
  const entry = await entryFor(line, loads, plugin === undefined ? null : resolve(plugin))
  const replay = await line.rooms.replay(loads, entry)
  if (line.json) line.output.json(replay)
  else for (const text of format(replay)) line.output.print(text)
  return replay.differences.length > 0 ? EXIT.problem : EXIT.fine
}

/** The plugin with the settings the configuration has for it. */
async function entryFor(
  line: CommandLine,
  loads: readonly RecordedLoad[],
  path: string | null,
): Promise<PluginConfig> {
  const { plugins } = await line.config()
  const recorded = loads.at(-1)?.plugin
  if (recorded === undefined) throw new CommandFault(EXIT.problem, 'There is nothing in this recording.')
  const configured = plugins.find(({ source }) =>
    source.kind === 'bundled'
      ? recorded.source === 'bundled' && source.name === recorded.name
      : recorded.source !== 'bundled' && isSameFile(source.path, recorded.source),
  )
  if (path === null && configured === undefined)
    throw new CommandFault(
      EXIT.problem,
      `The configuration has no plugin from ${recorded.source}.\nFix: name it with --plugin PATH, or the configuration with --config FILE`,
    )
  const source = path === null ? configured?.source : ({ kind: 'file', path } as const)
  return {
    source: source ?? { kind: 'file', path: '' },
    config: configured?.config ?? {},
    // It is only asked what it would do, so what is critical is granted unless the configuration says how much.
    grant: { 'relay.grant': true, 'route.set': ['*'], credentials: true, ...configured?.grant },
    onError: configured?.onError ?? 'defer',
    process: configured?.process ?? 'own',
    place: configured?.place ?? path ?? '',
  }
}

/** A folder names its index.ts. */
function isSameFile(configured: string, recorded: string): boolean {
  return recorded === configured || recorded === resolve(configured, 'index.ts')
}

function format({ recorded, plugin, played, same, left, differences }: Replay): readonly string[] {
  const changed = differences.flatMap(formatDifference)
  const leftOut = Object.entries(left).map(([why, count]) => `${count} not played: ${why}`)
  return [
    ...changed,
    `Recorded: ${visible(recorded.name)} ${visible(recorded.version)}   ${recorded.build}`,
    `Played:   ${visible(plugin.name)} ${visible(plugin.version)}   ${plugin.build}`,
    `${counted(played, 'activation')} played: ${same} the same, ${differences.length} different`,
    ...leftOut,
  ]
}

function formatDifference(one: ReplayDifference): readonly string[] {
  const { t, hook, session, about, recorded, replayed, askedFor, notAskedFor } = one
  return [
    `${hook}   ${visible(session)}   ${new Date(t).toISOString()}   ${visible(about)}`,
    `  recorded  ${formatSaid(recorded)}`,
    `  now       ${formatSaid(replayed)}`,
    ...askedFor.map((effect) => `  now asks for   ${formatEffect(effect)}, which was not recorded`),
    ...notAskedFor.map((effect) => `  no longer asks for   ${formatEffect(effect)}`),
    '',
  ]
}

/** In one line; facts and actions as they are. */
function formatSaid(said: Said): string {
  if ('fault' in said) return visible(`fault ${said.fault.kind}: ${said.fault.message}`)
  const { refusal, note, actions } = said
  const parts = actions.map((action) => JSON.stringify(action))
  if (note !== null) parts.unshift(`pass${codeOf(note.code)} ${note.text}${factsOf(note.facts)}`)
  if (refusal !== null) {
    const { kind, status, code, text, facts } = refusal
    parts.unshift(`${kind} ${status}${codeOf(code)} ${text}${factsOf(facts)}`)
  }
  return parts.length === 0 ? 'no opinion' : visible(parts.join('   '))
}

function codeOf(code: string): string {
  return code === '' ? '' : ` ${code}`
}

function factsOf(facts: Readonly<Record<string, unknown>>): string {
  return Object.keys(facts).length === 0 ? '' : `  ${JSON.stringify(facts)}`
}

function formatEffect({ method, args }: EffectName): string {
  return visible(
    `${method}(${args.map((arg) => JSON.stringify(arg) ?? 'undefined').join(', ')})`.slice(0, 200),
  )
}
