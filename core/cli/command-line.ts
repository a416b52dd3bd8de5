/** What every command works with: the options common to all, the configuration, the gateway, and the output. */
import { existsSync } from 'node:fs'
import { isAbsolute, join, relative, resolve } from 'node:path'
import type { Config } from '../../config/config.ts'
import type { LoadedConfig } from '../../config/load.ts'
import { formatProblem, type Problem } from '../../config/problem.ts'
import type { Control } from '../admin/control.ts'
import { controlClient } from '../admin/control-client.ts'
import { CommandFault, EXIT, type ExitCode } from './exit-code.ts'
import type { Output } from './output.ts'
import { packageRoot } from './package-root.ts'
import type { Rooms } from './rooms.ts'

/** Options every command takes. */
export interface CommonOptions {
  readonly config?: string
  readonly socket?: string
  readonly json?: boolean
}

export class CommandLine {
  readonly output: Output
  readonly rooms: Rooms
  readonly env: NodeJS.ProcessEnv
  exitCode: ExitCode = EXIT.fine
  #options: CommonOptions = {}
  #config: Config | null = null

  constructor(output: Output, rooms: Rooms, env: NodeJS.ProcessEnv) {
    this.output = output
    this.rooms = rooms
    this.env = env
  }

  /** Takes over the options common to all commands, once they are parsed. */
  begin(options: CommonOptions): void {
    this.#options = options
  }

  get json(): boolean {
    return this.#options.json === true
  }

  /** Whether the person has named a configuration file. */
  get namesConfig(): boolean {
    return this.#options.config !== undefined
  }

  /** Makes an action of a function that answers an exit code. */
  action<A extends unknown[]>(command: (...args: A) => Promise<ExitCode>): (...args: A) => Promise<void> {
    return async (...args) => {
      this.exitCode = await command(...args)
    }
  }

  /**
   * The configuration file, as the person named it or as it comes with the package.
   *
   * @throws CommandFault when none was named and the package has none
   */
  configFile(): string {
    if (this.#options.config !== undefined) return this.#options.config
    const shipped = join(packageRoot(), 'config', 'postern.yaml')
    if (existsSync(shipped)) return shortest(shipped)
    throw new CommandFault(
      EXIT.usage,
      `Which configuration? There is none at ${shipped}.\nFix: name one with --config FILE`,
    )
  }

  /** Reads a configuration file; what is wrong with it is a value. */
  async loadConfig(file: string): Promise<LoadedConfig> {
    return await this.rooms.loadConfig(file, this.env)
  }

  /** The configuration, read once. @throws CommandFault with every problem it has */
  async config(): Promise<Config> {
    if (this.#config !== null) return this.#config
    const loaded = await this.loadConfig(this.configFile())
    if (loaded.ok) {
      this.#config = loaded.config
      return loaded.config
    }
    throw new CommandFault(EXIT.problem, formatProblems(loaded.problems))
  }

  /** The gateway, asked over the socket named or configured. Whether anybody answers shows at the first call. */
  async control(): Promise<Control> {
    return controlClient(await this.#socketPath())
  }

  async #socketPath(): Promise<string> {
    if (this.#options.socket !== undefined) return resolve(this.#options.socket)
    try {
      return (await this.config()).admin.socket
    } catch (error) {
      if (!(error instanceof CommandFault)) throw error
      const remedy = 'Or name the control socket of the running gateway with --socket PATH.'
      throw new CommandFault(error.exitCode, `${error.message}\n${remedy}`, { cause: error })
    }
  }
}

/** Problems as they are printed, an empty line between two. */
export function formatProblems(problems: readonly Problem[]): string {
  return problems.map(formatProblem).join('\n\n')
}

/** The path from here, unless it leads up and down again. */
function shortest(file: string): string {
  const fromHere = relative(process.cwd(), file)
  return fromHere.startsWith('..') || isAbsolute(fromHere) ? file : fromHere
}
