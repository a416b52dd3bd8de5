/** Checks the configured plugins as a start would: compiled, loaded into their isolates, configured. Then lets them go. */
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { systemClock } from '../core/observe/clock.ts'
import { silentLog } from '../core/observe/log.ts'
import type { StateStore } from '../core/state/state-store.ts'
import { compilePlugin } from './compile.ts'
import { permissionWarnings } from './permission-use.ts'
import { openConfigured } from './sandbox.ts'
import type { SandboxConfig } from './sources.ts'
import { checkTypes } from './type-check.ts'

/** What a plugin says of itself. */
export interface InspectedPlugin {
  readonly name: string
  readonly version: string
  readonly build: string
  readonly hooks: readonly string[]
  /** Each permission it asks for as a sentence, critical ones first. */
  readonly permissions: readonly string[]
  /** What a gateway would not complain about, and an author should know. */
  readonly warnings: readonly Problem[]
  /** Path of the compiler its types were checked with; null: they were not. */
  readonly compiler: string | null
}

/** What a start would complain about; empty when it would not. */
export async function checkPlugins(config: Config): Promise<readonly Problem[]> {
  const sandbox = await openUnasked(config)
  if ('problems' in sandbox) return sandbox.problems
  sandbox.close()
  return []
}

/** Loads one plugin without its configuration, everything it asks for granted, and checks its types. */
export async function inspectPlugin(
  path: string,
): Promise<InspectedPlugin | { readonly problems: readonly Problem[] }> {
  const grant = { 'relay.grant': true, 'route.set': ['*'], credentials: true }
  const source = { kind: 'file', path } as const
  const plugin = { source, config: {}, grant, onError: 'defer', process: 'own', place: path } as const
  const sandbox = await openUnasked({ plugins: [plugin], lookups: {} })
  if ('problems' in sandbox) return sandbox
  const [loaded] = sandbox.panel.plugins
  sandbox.close()
  if (loaded === undefined) throw new Error('a plugin that loaded is not there')
  const { identity, manifest, sentences } = loaded
  const compiled = compilePlugin(plugin)
  const { compiler, problems } = checkTypes(loaded.file)
  if (problems.length > 0) return { problems }
  return {
    name: identity.name,
    version: identity.version,
    build: identity.build,
    hooks: manifest.hooks,
    permissions: sentences,
    warnings: 'message' in compiled ? [] : permissionWarnings(compiled, manifest.permissions),
    compiler,
  }
}

/** A sandbox for looking at: no hook will run in it. */
function openUnasked(config: SandboxConfig): ReturnType<typeof openConfigured> {
  return openConfigured(config, { state: NO_STATE, clock: systemClock, log: silentLog, random: Math.random })
}

/** Loading asks for no kept value: no hook runs. */
const NO_STATE: StateStore = {
  get: () => Promise.reject(new Error('no state while checking')),
  set: () => Promise.reject(new Error('no state while checking')),
  increment: () => Promise.reject(new Error('no state while checking')),
  delete: () => Promise.reject(new Error('no state while checking')),
  close: () => Promise.resolve(),
}
