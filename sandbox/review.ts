/** A plugin as somebody sees it who has to decide about it: what it is, what it may do, and what has changed. */
import type { ApprovedPlugin, PluginLock } from '../config/plugin-lock.ts'
import { readPluginLock, writePluginLock } from '../config/plugin-lock.ts'
import type { Problem } from '../config/problem.ts'
import type { BundledPackage } from './bundle.ts'
import { lookAtPlugin } from './check.ts'
import type { ReadyPlugin } from './load.ts'
import { type Asked, beyond, parsePermissions, permissionSentences } from './permissions.ts'
import type { PluginSource } from './sources.ts'

export interface Reviewed {
  readonly name: string
  readonly version: string
  readonly file: string
  /** `sha256:` and 64 hexadecimal digits. */
  readonly build: string
  /** Of all that runs. */
  readonly sizeBytes: number
  /** npm packages in it, by name; empty: it is the author's alone. */
  readonly packages: readonly BundledPackage[]
  readonly hooks: readonly string[]
  readonly permissions: Asked
  /** Each permission as a sentence, critical ones first. */
  readonly sentences: readonly string[]
  readonly settings: readonly ReviewedSetting[]
  readonly approved: ApprovedBefore | null
}

export interface ReviewedSetting {
  readonly name: string
  readonly type: string
  readonly isRequired: boolean
  /** undefined when it has none. */
  readonly default?: unknown
  readonly description: string
}

/** What was approved before, against what there is now. */
export interface ApprovedBefore {
  readonly build: string
  readonly at: string
  readonly isSameBuild: boolean
  /** Sentences about what it asks for now and was not approved, and the other way round. */
  readonly added: readonly string[]
  readonly removed: readonly string[]
}

/** @param lockFile where an earlier approval would stand */
export async function reviewPlugin(
  path: string,
  lockFile: string,
): Promise<Reviewed | { readonly problems: readonly Problem[] }> {
  const lock = readPluginLock(lockFile)
  if (lock !== null && 'code' in lock) return { problems: [lock] }
  const looked = await lookAtPlugin(path)
  return 'problems' in looked ? looked : reviewed(looked.source, looked.loaded, lock)
}

/**
 * Approves a plugin as it was reviewed.
 *
 * @param meant the build somebody has looked at; null: whatever it is
 * @returns the lock; `isNew` when there was none
 * @throws Error of the file system
 */
export function approvePlugin(
  { name, file, build, hooks, permissions }: Reviewed,
  lockFile: string,
  now: number,
  meant: string | null = null,
): { readonly isNew: boolean } | { readonly problems: readonly Problem[] } {
  if (meant !== null && meant !== build) return { problems: [anotherBuild(file, build, meant)] }
  const lock = readPluginLock(lockFile)
  if (lock !== null && 'code' in lock) return { problems: [lock] }
  const others = lock?.plugins.filter(({ path }) => path !== file) ?? []
  const approvedAt = new Date(now).toISOString()
  const entry: ApprovedPlugin = { name, path: file, build, hooks, permissions, approvedAt }
  writePluginLock({ file: lockFile, plugins: [...others, entry] })
  return { isNew: lock === null }
}

function anotherBuild(file: string, build: string, meant: string): Problem {
  const message = `The plugin is not the one that was looked at: its build is ${build}, not ${meant}.`
  return { code: 'P2012', place: file, message, remedy: 'look at it again with "postern plugin review"' }
}

function reviewed({ compiled }: PluginSource, loaded: ReadyPlugin, lock: PluginLock | null): Reviewed {
  const { identity, manifest, sentences } = loaded
  const before = lock?.plugins.find(({ path }) => path === compiled.file)
  return {
    name: identity.name,
    version: identity.version,
    file: compiled.file,
    build: compiled.digest,
    sizeBytes: Buffer.byteLength(compiled.bundle?.code ?? compiled.text),
    packages: compiled.bundle?.packages ?? [],
    hooks: manifest.hooks,
    permissions: manifest.permissions,
    sentences,
    settings: settingsOf(manifest.config),
    approved: before === undefined ? null : approvedBefore(before, manifest.permissions, compiled.digest),
  }
}

function approvedBefore(
  { build, approvedAt, permissions }: ApprovedPlugin,
  asked: Asked,
  digest: string,
): ApprovedBefore {
  const parsed = parsePermissions(permissions)
  const approved = typeof parsed === 'string' ? {} : parsed
  return {
    build,
    at: approvedAt,
    isSameBuild: build === digest,
    added: permissionSentences(beyond(asked, approved)),
    removed: permissionSentences(beyond(approved, asked)),
  }
}

/** The schema has the form: the plughost has checked it. */
function settingsOf(schema: unknown): readonly ReviewedSetting[] {
  const { properties = {}, required = [] } = (schema ?? {}) as {
    readonly properties?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
    readonly required?: readonly string[]
  }
  return Object.entries(properties).map(([name, { type, description = '', ...rules }]) => ({
    name,
    type: String(type),
    isRequired: required.includes(name),
    ...('default' in rules ? { default: rules['default'] } : {}),
    description: String(description),
  }))
}
