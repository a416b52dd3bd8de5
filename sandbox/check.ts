/** Checks the configured plugins as a start would: compiled, loaded into their isolates, configured. Then lets them go. */
import type { Config } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { NO_DATA } from '../core/dns/answer.ts'
import { systemClock } from '../core/observe/clock.ts'
import { silentLog } from '../core/observe/log.ts'
import type { StateStore } from '../core/state/state-store.ts'
import { WHATEVER_IT_ASKS } from './approval.ts'
import type { NameLookups } from './broker/dns.ts'
import type { ReadyPlugin } from './load.ts'
import { permissionWarnings } from './permission-use.ts'
import { openConfigured, openSandbox, type SandboxOptions } from './sandbox.ts'
import { type PluginSource, readSandboxSources } from './sources.ts'
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
  const sandbox = await openConfigured(config, unasked(config.secrets))
  if ('problems' in sandbox) return sandbox.problems
  sandbox.close()
  return []
}

/** Loads one plugin without its configuration, everything it asks for granted, and checks its types. */
export async function inspectPlugin(
  path: string,
): Promise<InspectedPlugin | { readonly problems: readonly Problem[] }> {
  const looked = await lookAtPlugin(path)
  if ('problems' in looked) return looked
  const { compiled } = looked.source
  const { identity, manifest, sentences, file } = looked.loaded
  const { compiler, problems } = checkTypes(file)
  if (problems.length > 0) return { problems }
  return {
    name: identity.name,
    version: identity.version,
    build: identity.build,
    hooks: manifest.hooks,
    permissions: sentences,
    warnings: permissionWarnings(compiled, manifest.permissions),
    compiler,
  }
}

/** A plugin's source and what it declares; none of its hooks has run. */
export async function lookAtPlugin(
  path: string,
): Promise<
  { readonly source: PluginSource; readonly loaded: ReadyPlugin } | { readonly problems: readonly Problem[] }
> {
  const plugin = {
    source: { kind: 'file', path },
    config: {},
    grant: {},
    onError: 'defer',
    process: 'own',
    place: path,
  } as const
  const { sources, problems } = readSandboxSources({
    plugins: [plugin],
    lookups: {},
    secrets: {},
    file: null,
  })
  const [read] = sources.plugins
  if (read === undefined) return { problems }
  const source: PluginSource = { ...read, approval: WHATEVER_IT_ASKS }
  const sandbox = await openSandbox({ ...sources, plugins: [source] }, unasked({}))
  if ('problems' in sandbox) return sandbox
  const [loaded] = sandbox.panel.plugins
  sandbox.close()
  if (loaded === undefined) throw new Error('a plugin that loaded is not there')
  return { source, loaded }
}

/** What a sandbox is given in which no hook will run. */
function unasked(secrets: Config['secrets']): SandboxOptions {
  return {
    state: NO_STATE,
    resolver: NO_NAMES,
    secrets,
    clock: systemClock,
    log: silentLog,
    random: Math.random,
  }
}

const nothing = async () => NO_DATA

/** Loading looks up no name. */
const NO_NAMES: NameLookups = { a: nothing, aaaa: nothing, mx: nothing, txt: nothing, ptr: nothing }

/** Loading asks for no kept value: no hook runs. */
const NO_STATE: StateStore = {
  get: () => Promise.reject(new Error('no state while checking')),
  set: () => Promise.reject(new Error('no state while checking')),
  increment: () => Promise.reject(new Error('no state while checking')),
  delete: () => Promise.reject(new Error('no state while checking')),
  close: () => Promise.resolve(),
}
