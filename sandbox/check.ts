/** Checks the configured plugins as a start would: compiled, loaded into their isolates, configured. Then lets them go. */
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { systemClock } from '../core/observe/clock.ts'
import { silentLog } from '../core/observe/log.ts'
import type { StateStore } from '../core/state/state-store.ts'
import { openSandbox } from './sandbox.ts'

/** What a start would complain about; empty when it would not. */
export async function checkPlugins(config: Config): Promise<readonly Problem[]> {
  const sandbox = await openSandbox(config, {
    state: NO_STATE,
    clock: systemClock,
    log: silentLog,
    random: Math.random,
  })
  if ('problems' in sandbox) return sandbox.problems
  sandbox.close()
  return []
}

/** Loading asks for no kept value: no hook runs. */
const NO_STATE: StateStore = {
  get: () => Promise.reject(new Error('no state while checking')),
  set: () => Promise.reject(new Error('no state while checking')),
  increment: () => Promise.reject(new Error('no state while checking')),
  delete: () => Promise.reject(new Error('no state while checking')),
  close: () => Promise.resolve(),
}
