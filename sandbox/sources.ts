/**
 * Everything the sandbox reads from files, read once: plugins with their types stripped, lookup tables, and what the
 * gateway itself puts into every isolate. Plain data, so that every worker of a generation runs the same, whatever
 * happens to the files meanwhile. Nothing of a plugin runs here.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Config, PluginConfig } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { type LookupTables, readLookupTables } from './broker/lookup.ts'
import { type CompiledPlugin, compilePlugin, withoutTypes } from './compile.ts'

/** The part of the configuration that is about plugins. */
export type SandboxConfig = Pick<Config, 'plugins' | 'lookups' | 'secrets'>

export interface PluginSource {
  readonly entry: PluginConfig
  readonly compiled: CompiledPlugin
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
}

/** Reads what the configuration names. What cannot be used is left out, and all problems are told, not only the first. */
export function readSandboxSources(config: SandboxConfig): {
  readonly sources: SandboxSources
  readonly problems: readonly Problem[]
} {
  const { tables, problems: unreadable } = readLookupTables(config.lookups)
  const problems = [...unreadable]
  const plugins: PluginSource[] = []
  for (const entry of config.plugins) {
    const compiled = compilePlugin(entry)
    if ('code' in compiled && !('message' in compiled)) plugins.push({ entry, compiled })
    else problems.push(compiled as Problem)
  }
  return { sources: { border: borderSources(), plugins, tables }, problems }
}

function borderSources(): BorderSources {
  const apiFile = join(import.meta.dirname, 'api', 'index.ts')
  const api = withoutTypes(readFileSync(apiFile, 'utf8'), apiFile)
  if (typeof api !== 'string') throw new Error(api.message)
  return { api, prelude: readFileSync(join(import.meta.dirname, 'host', 'prelude.js'), 'utf8') }
}
