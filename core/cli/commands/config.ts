/** `postern config check` and `postern config show`: the configuration without a gateway. */
import { Command } from 'commander'
import type { Config } from '../../../config/config.ts'
import type { Problem } from '../../../config/problem.ts'
import { type CommandLine, formatProblems } from '../command-line.ts'
import { CommandFault, EXIT, type ExitCode } from '../exit-code.ts'
import { counted } from '../quantity.ts'
import type { Rooms } from '../rooms.ts'

export function configCommand(line: CommandLine): Command {
  const command = new Command('config')
    .description('Check or show the configuration.')
    .addHelpText('after', '\nExample:\n  postern config check')
  command
    .command('check')
    .description('Check a configuration file and the plugins it names, the way a start does.')
    .argument('[file]', 'configuration file (default: the one of --config)')
    .addHelpText('after', '\nExample:\n  postern config check /etc/postern/postern.yaml')
    .action(line.action(async (file: string | undefined) => await check(line, file ?? line.configFile())))
  command
    .command('show')
    .description('Show the configuration in force, defaults written out, secrets masked.')
    .addHelpText('after', '\nExample:\n  postern config show --config /etc/postern/postern.yaml')
    .action(line.action(async () => await show(line)))
  return command
}

async function check(line: CommandLine, file: string): Promise<ExitCode> {
  const loaded = await line.loadConfig(file)
  const problems = loaded.ok ? await checkParts(line.rooms, loaded.config) : loaded.problems
  if (line.json) line.output.json({ file, ok: problems.length === 0, problems })
  else if (problems.length > 0) line.output.print(`${formatProblems(problems)}\n\n${verdict(file, problems)}`)
  else if (loaded.ok) line.output.print(`${file} is fine: ${contents(loaded.config)}.`)
  return problems.length === 0 ? EXIT.fine : EXIT.problem
}

async function checkParts(rooms: Rooms, config: Config): Promise<readonly Problem[]> {
  return [...(await rooms.checkCertificate(config)), ...(await rooms.checkPlugins(config))]
}

function verdict(file: string, problems: readonly Problem[]): string {
  return `${file} has ${counted(problems.length, 'problem')}.`
}

function contents({ listeners, domains, plugins }: Config): string {
  const counts: readonly (readonly [number, string])[] = [
    [listeners.length, 'listener'],
    [Object.keys(domains).length, 'domain'],
    [plugins.length, 'plugin'],
  ]
  return counts.map(([count, noun]) => counted(count, noun)).join(', ')
}

async function show(line: CommandLine): Promise<ExitCode> {
  const loaded = await line.loadConfig(line.configFile())
  if (!loaded.ok) throw new CommandFault(EXIT.problem, formatProblems(loaded.problems))
  const { formatConfig, maskedConfig } = await import('../../../config/show.ts')
  if (line.json) line.output.json(maskedConfig(loaded))
  else line.output.print(formatConfig(loaded).trimEnd())
  return EXIT.fine
}
