/** The rooms that commands work for, loaded when one is needed: `postern status` pays for no YAML parser. */
import type { Config, PluginConfig } from '../../config/config.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { Problem } from '../../config/problem.ts'
import type { Bench, BenchOptions } from '../../sandbox/bench.ts'
import type { InspectedPlugin } from '../../sandbox/check.ts'
import type { RecordedLoad } from '../../sandbox/recording-file.ts'
import type { Replay } from '../../sandbox/replay.ts'
import type { Reviewed } from '../../sandbox/review.ts'
import { CommandFault, EXIT } from './exit-code.ts'

export interface Rooms {
  /** @param file as the person gave it: places in problems begin with it */
  loadConfig(file: string, env: NodeJS.ProcessEnv): Promise<LoadedConfig>
  /** What is wrong with the certificate the configuration names. */
  checkCertificate(config: Config): Promise<readonly Problem[]>
  /** What is wrong with the configured plugins; none of them is asked about any mail. */
  checkPlugins(config: Config): Promise<readonly Problem[]>
  /** What a plugin in a file is and asks for, whatever the configuration says. */
  inspectPlugin(path: string): Promise<InspectedPlugin | { readonly problems: readonly Problem[] }>
  /** The same for somebody who has to decide about it, compared with what was approved before. */
  reviewPlugin(path: string, lockFile: string): Promise<Reviewed | { readonly problems: readonly Problem[] }>
  /** Writes the approval of what was reviewed into the lock. @param meant the build it has to be; null: whatever it is */
  approvePlugin(
    reviewed: Reviewed,
    lockFile: string,
    meant: string | null,
  ): Promise<{ readonly isNew: boolean } | { readonly problems: readonly Problem[] }>
  /** The file of approvals beside a configuration file, whether there is one or not. */
  lockFileOf(configFile: string): Promise<string>
  /** @throws CommandFault when a file is no recording */
  readRecording(files: readonly string[]): Promise<readonly RecordedLoad[]>
  /** @throws CommandFault when the plugin does not load */
  replay(loads: readonly RecordedLoad[], plugin: PluginConfig): Promise<Replay>
  /** @throws CommandFault when the plugin cannot be measured */
  bench(options: BenchOptions): Promise<Bench>
  /** Runs a gateway until it is stopped; the exit code of `postern start`. */
  runSupervisor(config: Config, configFile: string): Promise<number>
}

export const ROOMS: Rooms = {
  async loadConfig(file, env) {
    const { loadConfig } = await import('../../config/load.ts')
    return loadConfig(file, env)
  },
  async checkCertificate(config) {
    const { namedFileProblems } = await import('../../config/named-files.ts')
    return namedFileProblems(config, Date.now())
  },
  async checkPlugins(config) {
    const { checkPlugins } = await import('../../sandbox/check.ts')
    return await checkPlugins(config)
  },
  async inspectPlugin(path) {
    const { inspectPlugin } = await import('../../sandbox/check.ts')
    return await inspectPlugin(path)
  },
  async reviewPlugin(path, lockFile) {
    const { reviewPlugin } = await import('../../sandbox/review.ts')
    return await reviewPlugin(path, lockFile)
  },
  async approvePlugin(reviewed, lockFile, meant) {
    const { approvePlugin } = await import('../../sandbox/review.ts')
    return approvePlugin(reviewed, lockFile, Date.now(), meant)
  },
  async lockFileOf(configFile) {
    const { lockFileOf } = await import('../../config/plugin-lock.ts')
    return lockFileOf(configFile)
  },
  async readRecording(files) {
    const { readRecording, RecordingUnreadable } = await import('../../sandbox/recording-file.ts')
    return asFault(() => readRecording(files), RecordingUnreadable)
  },
  async replay(loads, plugin) {
    const { replay, ReplayImpossible } = await import('../../sandbox/replay.ts')
    return asFault(() => replay(loads, plugin), ReplayImpossible)
  },
  async bench(options) {
    const { bench, BenchImpossible } = await import('../../sandbox/bench.ts')
    return asFault(() => bench(options), BenchImpossible)
  },
  async runSupervisor(config, configFile) {
    const { runSupervisor } = await import('../process/supervisor.ts')
    return await runSupervisor(config, configFile)
  },
}

/** What a room says to a person becomes what a command ends with. */
async function asFault<T>(work: () => T | Promise<T>, known: new (message: string) => Error): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (error instanceof known) throw new CommandFault(EXIT.problem, error.message, { cause: error })
    throw error
  }
}
