/**
 * Everything the sandbox reads from files, read once: plugins with their types stripped, lookup tables, and what the
 * gateway itself puts into every isolate. Plain data, so that every worker of a generation runs the same, whatever
 * happens to the files meanwhile. Nothing of a plugin runs here.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, PluginConfig } from '../config/config.ts'
import { lockFileOf, type PluginLock, readPluginLock } from '../config/plugin-lock.ts'
import type { Problem } from '../config/problem.ts'
import { type Approval, approvalOf } from './approval.ts'
import { type LookupTables, readLookupTables } from './broker/lookup.ts'
import { type CompiledPlugin, compilePlugin, withoutTypes } from './compile.ts'

/** The part of the configuration that is about plugins. */
export interface SandboxConfig extends Pick<Config, 'plugins' | 'lookups' | 'secrets'> {
  /** The configuration file, beside which postern.lock may lie; null: no file, no lock. */
  readonly file: string | null
}

export interface PluginSource {
  readonly entry: PluginConfig
  readonly compiled: CompiledPlugin
  readonly approval: Approval
}

/** What stands around a plugin in its isolate. */
export interface BorderSources {
  readonly api: string
  readonly prelude: string
}

export interface SandboxSources {
  readonly border: BorderSources
  /** In the order of asking. */
  readonly plugins: readonly PluginSource[]
  readonly tables: LookupTables
  /** The lock that was read; null: there was none. */
  readonly lockFile: string | null
}

/** Reads what the configuration names. What cannot be used is left out, and all problems are told, not only the first. */
export function readSandboxSources(config: SandboxConfig): {
  readonly sources: SandboxSources
  readonly problems: readonly Problem[]
} {
  const { tables, problems: unreadable } = readLookupTables(config.lookups)
  const problems = [...unreadable]
  const plugins: PluginSource[] = []
  const lock = config.file === null ? null : readPluginLock(lockFileOf(config.file))
  if (lock !== null && 'code' in lock) problems.push(lock)
  for (const entry of config.plugins) {
    const source = pluginSource(entry, lock !== null && 'plugins' in lock ? lock : null)
    if ('message' in source) problems.push(source)
    else plugins.push(source)
  }
  const lockFile = lock !== null && 'plugins' in lock ? lock.file : null
  return { sources: { border: borderSources(), plugins, tables, lockFile }, problems }
}

/** What comes with the gateway needs no approval. */
function pluginSource(entry: PluginConfig, lock: PluginLock | null): PluginSource | Problem {
  const compiled = compilePlugin(entry)
  if ('message' in compiled) return compiled
  if (lock === null || entry.source.kind === 'bundled') return { entry, compiled, approval: null }
  const approval = approvalOf(lock, compiled, entry.place)
  return 'message' in approval ? approval : { entry, compiled, approval }
}

function borderSources(): BorderSources {
  const apiFile = join(import.meta.dirname, 'api', 'index.ts')
  const api = withoutTypes(readFileSync(apiFile, 'utf8'), apiFile)
  if (typeof api !== 'string') throw new Error(api.message)
  return { api, prelude: readFileSync(join(import.meta.dirname, 'host', 'prelude.js'), 'utf8') }
}
