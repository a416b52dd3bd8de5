/** The command line: which commands there are, and what becomes of whatever they throw. */
import { Command, CommanderError } from 'commander'
import { ControlRefused, ControlUnreachable } from '../admin/control-client.ts'
import { CommandLine, type CommonOptions } from './command-line.ts'
import { CommandFault, EXIT, type ExitCode } from './exit-code.ts'
import { Output } from './output.ts'
import { packageVersion } from './package-root.ts'
import { ROOMS, type Rooms } from './rooms.ts'

/** What a run reads and writes, so that tests can put others in their place. */
export interface Surroundings {
  readonly output: Output
  readonly rooms: Rooms
  readonly env: NodeJS.ProcessEnv
}

/** Every command, loaded when it is named: each file costs a few milliseconds before the first answer. */
const COMMANDS: Readonly<Record<string, () => Promise<(line: CommandLine) => Command>>> = {
  start: async () => (await import('./commands/start.ts')).startCommand,
  stop: async () => (await import('./commands/stop.ts')).stopCommand,
  reload: async () => (await import('./commands/reload.ts')).reloadCommand,
  status: async () => (await import('./commands/status.ts')).statusCommand,
  send: async () => (await import('./commands/send.ts')).sendCommand,
  queue: async () => (await import('./commands/queue.ts')).queueCommand,
  explain: async () => (await import('./commands/explain.ts')).explainCommand,
  user: async () => (await import('./commands/user.ts')).userCommand,
  backup: async () => (await import('./commands/backup.ts')).backupCommand,
  salvage: async () => (await import('./commands/salvage.ts')).salvageCommand,
  config: async () => (await import('./commands/config.ts')).configCommand,
  plugin: async () => (await import('./commands/plugin.ts')).pluginCommand,
}

/**
 * Runs one command. Never rejects.
 *
 * @param args the arguments behind the program's name
 * @returns the exit code: 0 fine, 1 problem found, 2 usage, 3 gateway not reachable
 */
export async function run(
  args: readonly string[],
  surroundings: Partial<Surroundings> = {},
): Promise<ExitCode> {
  const output = surroundings.output ?? new Output(process.stdout, process.stderr)
  const line = new CommandLine(output, surroundings.rooms ?? ROOMS, surroundings.env ?? process.env)
  try {
    const program = await createProgram(line, args)
    await program.parseAsync(args, { from: 'user' })
    return line.exitCode
  } catch (error) {
    return complainOf(error, line)
  }
}

async function createProgram(line: CommandLine, args: readonly string[]): Promise<Command> {
  const program = new Command('postern')
    .description('A programmable mail gateway.')
    .version(`postern ${packageVersion()}`, '--version', 'print the version')
    .option('--config <file>', 'configuration file (default: config/postern.yaml of the package)')
    .option('--socket <path>', 'control socket of the gateway (default: from the configuration)')
    .option('--json', 'print the result as JSON')
    .helpOption('--help', 'print this help')
    .addHelpText('after', '\nExample:\n  postern start        then, in another terminal:\n  postern send')
    .addHelpText('after', '\nExit codes: 0 fine, 1 problem found, 2 usage, 3 gateway not reachable.')
    .hook('preAction', (command) => line.begin(command.opts<CommonOptions>()))
  for (const load of commandsFor(args)) program.addCommand((await load())(line))
  prepare(program, line)
  return program
}

/** Loaders of the commands that may be meant: those whose names appear, or all of them for the help and for hints. */
function commandsFor(args: readonly string[]): readonly (() => Promise<(line: CommandLine) => Command>)[] {
  const named = Object.keys(COMMANDS).filter((name) => args.includes(name))
  return Object.entries(COMMANDS).flatMap(([name, load]) =>
    named.length === 0 || named.includes(name) ? [load] : [],
  )
}

/** Settings that commander does not hand down to commands that were made before they were added. */
function prepare(command: Command, line: CommandLine): void {
  command.exitOverride()
  command.helpCommand(false)
  command.helpOption('--help', 'print this help')
  command.configureHelp({ showGlobalOptions: true })
  command.configureOutput({
    writeOut: (text) => line.output.print(text.trimEnd()),
    writeErr: (text) => line.output.complain(text.trimEnd()),
    outputError: (text, write) =>
      write(text.replace(/^error: (.)/, (_, first: string) => first.toUpperCase())),
  })
  if (command.commands.length === 0 && command.parent !== null)
    command.showHelpAfterError(`Usage and examples: ${commandPath(command)} --help`)
  for (const child of command.commands) prepare(child, line)
}

function commandPath(command: Command): string {
  return command.parent === null ? command.name() : `${commandPath(command.parent)} ${command.name()}`
}

function complainOf(error: unknown, line: CommandLine): ExitCode {
  // Help, version and mistakes in the usage: commander has printed what there is to say.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage
  const { exitCode, message } = describe(error)
  line.output.progress('')
  line.output.complain(message)
  if (line.env['POSTERN_DEBUG'] === '1' && error instanceof Error) line.output.complain(error.stack ?? '')
  if (line.json) line.output.json({ error: { message, exitCode } })
  return exitCode
}

function describe(error: unknown): { readonly exitCode: ExitCode; readonly message: string } {
  if (error instanceof CommandFault) return error
  if (error instanceof ControlUnreachable) return { exitCode: EXIT.unreachable, message: error.message }
  if (error instanceof ControlRefused)
    return { exitCode: EXIT.problem, message: `The gateway could not do this: ${error.message}` }
  const what = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  return {
    exitCode: EXIT.problem,
    message: `Postern met something it did not expect: ${what}\nPOSTERN_DEBUG=1 in the environment shows where.`,
  }
}
