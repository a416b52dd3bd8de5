/**
 * A plugin's source: found, read, its types stripped. Stripping keeps every line and column, so a stack trace shows the
 * author's own. A plugin that imports more than `postern` is bundled with what it imports. Nothing of it runs here.
 */
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createRequire, stripTypeScriptTypes } from 'node:module'
import { join } from 'node:path'
import type { PluginConfig } from '../config/config.ts'
import type { Problem } from '../config/problem.ts'
import { closest } from '../config/suggestion.ts'
import type { Bundle, bundlePlugin } from './bundle.ts'
import { problemAt, problemWith, shownPath } from './source-problem.ts'

export interface CompiledPlugin {
  /** `bundled`, or the file as the administrator would write it. */
  readonly source: string
  readonly file: string
  /** TypeScript as written, for code frames. */
  readonly text: string
  readonly code: string
  /** `sha256:` and 64 hexadecimal digits of the source, or of the bundle. */
  readonly digest: string
  /** `sha256:` and 12 of them. */
  readonly build: string
  /** What else is in its code; null: it is one file. */
  readonly bundle: Bundle | null
}

/** Octets of the largest plugin. */
const MAX_SOURCE_BYTES = 1024 * 1024
/** Imports something that runs and is not `postern`; in a comment or a text too, which only costs a bundle. */
const OTHER_IMPORT =
  /^\s*(?:import|export)\b(?!\s+type\b)[^'"`;]*?\bfrom\s*(['"])(?!postern\1)|^\s*import\s*(['"])|\bimport\s*\(\s*['"]|\brequire\s*\(\s*['"]/m
const BUNDLED = join(import.meta.dirname, '..', 'plugins')

/** Compiles the plugin an entry of the configuration names. */
export function compilePlugin({ source, place }: PluginConfig): CompiledPlugin | Problem {
  const file = source.kind === 'bundled' ? bundledFile(source.name) : userFile(source.path)
  if (file === null)
    return source.kind === 'bundled' ? notInstalled(source.name, place) : notFound(source.path, place)
  const text = readSource(file)
  if (typeof text !== 'string') return text
  const stripped = OTHER_IMPORT.test(text) ? null : withoutTypes(text, file)
  if (stripped !== null && typeof stripped !== 'string') return stripped
  const bundle = stripped === null ? bundler().bundlePlugin(file, text) : null
  if (bundle !== null && 'message' in bundle) return bundle
  const code = bundle?.code ?? (stripped as string)
  if (Buffer.byteLength(code) > MAX_SOURCE_BYTES) return tooLarge(file)
  // A lock is about what runs: of a bundle all of it, of one file what somebody can read.
  const digest = `sha256:${createHash('sha256')
    .update(bundle?.code ?? text)
    .digest('hex')}`
  const build = digest.slice(0, 'sha256:'.length + 12)
  return {
    source: source.kind === 'bundled' ? 'bundled' : shownPath(file),
    file,
    text,
    code,
    digest,
    build,
    bundle,
  }
}

/** It is loaded when a plugin needs it, and most need none. */
function bundler(): { readonly bundlePlugin: typeof bundlePlugin } {
  return createRequire(import.meta.url)('./bundle.ts') as { readonly bundlePlugin: typeof bundlePlugin }
}

function tooLarge(file: string): Problem {
  const remedy = 'put its data into a lookup table, or use a smaller package'
  return problemWith('P1004', file, 'The plugin is larger than 1 MiB with what it imports.', remedy)
}

function readSource(file: string): string | Problem {
  try {
    // Looked at first: a file of gigabytes is not to be read for that.
    if (statSync(file).size > MAX_SOURCE_BYTES) return tooLarge(file)
    return readFileSync(file, 'utf8')
  } catch (error) {
    const message = `The plugin cannot be read: ${(error as Error).message.split(',')[0]}.`
    return problemWith('P1002', file, message, 'make the file readable for the user the gateway runs as')
  }
}

/** JavaScript of a TypeScript text, or what cannot be stripped and where. */
export function withoutTypes(text: string, file: string): string | Problem {
  try {
    return quietly(() => stripTypeScriptTypes(text, { mode: 'strip', sourceUrl: file }))
  } catch (error) {
    return syntaxProblem(error as Error & { code?: string }, file, text)
  }
}

function bundledFile(name: string): string | null {
  const file = join(BUNDLED, name, 'index.ts')
  return /^[a-z][a-z0-9-]*$/.test(name) && existsSync(file) ? file : null
}

/** The file itself, or the index.ts of a folder. */
function userFile(path: string): string | null {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat?.isFile()) return path
  const inside = join(path, 'index.ts')
  return stat?.isDirectory() && existsSync(inside) ? inside : null
}

/** Names of the plugins that come with the gateway. */
export function bundledNames(): readonly string[] {
  const entries = readdirSync(BUNDLED, { withFileTypes: true })
  return entries.filter((entry) => bundledFile(entry.name) !== null).map((entry) => entry.name)
}

function notInstalled(name: string, place: string): Problem {
  const names = bundledNames()
  const meant = closest(name, names)
  const remedy =
    meant === null
      ? `plugins that come with the gateway are ${names.join(', ')}; for one of your own write "path: ./plugins/${name}.ts"`
      : `did you mean "${meant}"? For a plugin of your own write "path: ./plugins/${name}.ts"`
  return { code: 'P1001', place, message: `There is no plugin called "${name}".`, remedy }
}

function notFound(path: string, place: string): Problem {
  const message = `The plugin ${path} cannot be found.`
  return { code: 'P1002', place, message, remedy: 'name an existing .ts file, or a folder with an index.ts' }
}

function syntaxProblem(error: Error & { code?: string }, file: string, text: string): Problem {
  // The first lines of the stack are `file:line`, the line itself, and a mark under the place.
  const lines = (error.stack ?? '').split('\n')
  const line = Number(/:(\d+)$/.exec(lines[0] ?? '')?.[1] ?? 1)
  const column = (lines.find((candidate) => /^\s*\^+\s*$/.test(candidate))?.indexOf('^') ?? 0) + 1
  const unsupported = error.code === 'ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX'
  const what = unsupported
    ? `${error.message.replace(/ is not supported in strip-only mode.*/s, '')} cannot be used in a plugin.`
    : `Syntax error: ${error.message.split('\n')[0]?.slice(0, 120)}.`
  const remedy = unsupported
    ? 'use erasable TypeScript only: an object "as const" for an enum, plain fields for parameter properties'
    : 'correct the line; an editor with TypeScript shows the same'
  return problemAt('P1005', file, text, line, column, what, remedy)
}

/** Stripping is stable enough for us and announces itself as experimental at its first use. */
function quietly<T>(work: () => T): T {
  const emitWarning = Reflect.get(process, 'emitWarning') as typeof process.emitWarning
  process.emitWarning = () => {}
  try {
    return work()
  } finally {
    process.emitWarning = emitWarning
  }
}
