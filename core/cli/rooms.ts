/** The rooms that commands work for, loaded when one is needed: `postern status` pays for no YAML parser. */
import type { Config } from '../../config/config.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { Problem } from '../../config/problem.ts'
import type { InspectedPlugin } from '../../sandbox/check.ts'
import type { Reviewed } from '../../sandbox/review.ts'

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
  /** Writes the approval of what was reviewed into the lock. */
  approvePlugin(
    reviewed: Reviewed,
    lockFile: string,
  ): Promise<{ readonly isNew: boolean } | { readonly problems: readonly Problem[] }>
  /** The file of approvals beside a configuration file, whether there is one or not. */
  lockFileOf(configFile: string): Promise<string>
  /** Runs a gateway until it is stopped; the exit code of `postern start`. */
  runSupervisor(config: Config, configFile: string): Promise<number>
}

export const ROOMS: Rooms = {
  async loadConfig(file, env) {
    const { loadConfig } = await import('../../config/load.ts')
    return loadConfig(file, env)
  },
  async checkCertificate(config) {
    const { certificateProblems } = await import('../../config/certificate.ts')
    return certificateProblems(config, Date.now())
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
  async approvePlugin(reviewed, lockFile) {
    const { approvePlugin } = await import('../../sandbox/review.ts')
    return approvePlugin(reviewed, lockFile, Date.now())
  },
  async lockFileOf(configFile) {
    const { lockFileOf } = await import('../../config/plugin-lock.ts')
    return lockFileOf(configFile)
  },
  async runSupervisor(config, configFile) {
    const { runSupervisor } = await import('../process/supervisor.ts')
    return await runSupervisor(config, configFile)
  },
}
