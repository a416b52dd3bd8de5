/** The rooms that commands work for, loaded when one is needed: `postern status` pays for no YAML parser. */
import type { Config } from '../../config/config.ts'
import type { LoadedConfig } from '../../config/load.ts'
import type { Problem } from '../../config/problem.ts'
import type { InspectedPlugin } from '../../sandbox/check.ts'

export interface Rooms {
  /** @param file as the person gave it: places in problems begin with it */
  loadConfig(file: string, env: NodeJS.ProcessEnv): Promise<LoadedConfig>
  /** What is wrong with the certificate the configuration names. */
  checkCertificate(config: Config): Promise<readonly Problem[]>
  /** What is wrong with the configured plugins; none of them is asked about any mail. */
  checkPlugins(config: Config): Promise<readonly Problem[]>
  /** What a plugin in a file is and asks for, whatever the configuration says. */
  inspectPlugin(path: string): Promise<InspectedPlugin | { readonly problems: readonly Problem[] }>
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
  async runSupervisor(config, configFile) {
    const { runSupervisor } = await import('../process/supervisor.ts')
    return await runSupervisor(config, configFile)
  },
}
