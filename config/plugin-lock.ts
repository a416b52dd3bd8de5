/**
 * postern.lock: the plugins somebody has looked at and approved, beside the configuration. With it a plugin of the
 * user's runs exactly as it was approved, or not at all.
 */
import { lstatSync, renameSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import type * as Yaml from 'yaml'
import type { Problem } from './problem.ts'
import { readAtMost } from './text-file.ts'

export interface ApprovedPlugin {
  readonly name: string
  /** Of the file, absolute. */
  readonly path: string
  /** `sha256:` and 64 hexadecimal digits of the source. */
  readonly build: string
  /** As the plugin asked for them; the sandbox reads them. */
  readonly permissions: Readonly<Record<string, unknown>>
  /** Names of its hooks; null: it was approved when they were not written down. */
  readonly hooks: readonly string[] | null
  /** ISO 8601. */
  readonly approvedAt: string
}

export interface PluginLock {
  readonly file: string
  readonly plugins: readonly ApprovedPlugin[]
}

const VERSION = 1
const MAX_LOCK_BYTES = 1024 * 1024
const BUILD = /^sha256:[0-9a-f]{64}$/
const HEAD = `# Written by "postern plugin approve": the plugins that may run, and what each may do.\n`

/** Loaded where a lock is read or written: most have none, and the tests of plugins want to begin at once. */
function yaml(): typeof Yaml {
  return createRequire(import.meta.url)('yaml') as typeof Yaml
}

/** The lock that belongs to a configuration file, whether there is one or not. */
export function lockFileOf(configFile: string): string {
  return join(dirname(resolve(configFile)), 'postern.lock')
}

/** null: there is none, so nothing has to be approved. */
export function readPluginLock(file: string): PluginLock | Problem | null {
  if (!isThere(file)) return null
  const read = readAtMost(file, MAX_LOCK_BYTES)
  if ('reason' in read) return unreadable(file, `The file ${read.reason}.`)
  try {
    const { version, plugins } = yaml().parse(read.text, { maxAliasCount: 0 }) as Record<string, unknown>
    if (version !== VERSION) return unreadable(file, `Its "version" is not ${VERSION}.`)
    if (!Array.isArray(plugins)) return unreadable(file, 'It has no list of "plugins".')
    return { file, plugins: plugins.map((entry, index) => approvedPlugin(entry, index, dirname(file))) }
  } catch (error) {
    return unreadable(file, `${(error as Error).message.split('\n')[0]}.`)
  }
}

/** What is there and leads nowhere is no lock either, but somebody meant one. */
function isThere(file: string): boolean {
  try {
    lstatSync(file)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

/** Writes the lock as a whole; a crash leaves the old one. @throws Error of the file system */
export function writePluginLock({ file, plugins }: PluginLock): void {
  const shown = plugins.map(({ path, hooks, ...entry }) => ({
    ...entry,
    ...(hooks === null ? {} : { hooks }),
    path: relative(dirname(file), path),
  }))
  const text = HEAD + yaml().stringify({ version: VERSION, plugins: shown }, { lineWidth: 110 })
  writeFileSync(`${file}.new`, text)
  renameSync(`${file}.new`, file)
}

/** @throws Error with what is wrong */
function approvedPlugin(entry: unknown, index: number, folder: string): ApprovedPlugin {
  const {
    name,
    path,
    build,
    permissions,
    hooks = null,
    approvedAt,
  } = (entry ?? {}) as Record<string, unknown>
  const isPlain = typeof permissions === 'object' && permissions !== null && !Array.isArray(permissions)
  if (typeof name !== 'string' || typeof path !== 'string' || !isPlain || typeof approvedAt !== 'string')
    throw new Error(`Entry ${index + 1} needs name, path, build, permissions and approvedAt`)
  if (typeof build !== 'string' || !BUILD.test(build))
    throw new Error(`The build of "${name}" is not "sha256:" and 64 hexadecimal digits`)
  if (hooks !== null && !isTexts(hooks)) throw new Error(`The hooks of "${name}" are no list of names`)
  return {
    name,
    path: resolve(folder, path),
    build,
    permissions: permissions as Record<string, unknown>,
    hooks,
    approvedAt,
  }
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

function unreadable(file: string, what: string): Problem {
  return {
    code: 'P2010',
    place: file,
    message: `The lock of the plugins cannot be used. ${what}`,
    remedy: 'restore it, or remove it and approve the plugins again with "postern plugin approve"',
  }
}
