/**
 * Plugins of several files, and plugins with npm packages: made into one module by esbuild, the only file that knows it.
 * It reads files of the plugin's folder and of packages, and runs nothing of them.
 */
import { readFileSync, realpathSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { dirname, join, resolve, sep } from 'node:path'
import { type BuildFailure, type BuildResult, buildSync, type Message, type Metafile } from 'esbuild'
import type { Problem } from '../config/problem.ts'
import { problemAt, problemIn, problemWith } from './source-problem.ts'

/** A plugin with all it imports, as plain data. */
export interface Bundle {
  readonly code: string
  /** From `code` to the files it came from (ECMA-426), as JSON, their texts included. */
  readonly map: string
  /** What paths in the map are relative to. */
  readonly folder: string
  /** The author's own files, absolute. */
  readonly files: readonly string[]
  /** By name. */
  readonly packages: readonly BundledPackage[]
}

export interface BundledPackage {
  readonly name: string
  /** '' when it does not say. */
  readonly version: string
  /** Octets of the bundle that are the package's. */
  readonly bytes: number
}

const OUTPUT = 'plugin.js'
const PACKAGES = 'node_modules'
/** The last package in a path; a scope belongs to the name. */
const PACKAGE = /^(.*(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+))(?:\/|$)/

/** @param text of the file, for places in it */
export function bundlePlugin(file: string, text: string): Bundle | Problem {
  const entry = realpathSync(file)
  const folder = dirname(entry)
  try {
    return bundleOf(build(entry, folder), folder)
  } catch (error) {
    if (error instanceof Outside) return outside(error, file, text)
    const [first] = (error as Partial<BuildFailure>).errors ?? []
    if (first !== undefined) return buildProblem(first, file, folder)
    const message = `The plugin cannot be bundled: ${(error as Error).message.split('\n')[0]}.`
    return problemWith(
      'P1012',
      file,
      message,
      'install the gateway again with its dependencies, esbuild is one',
    )
  }
}

function build(entry: string, folder: string): Built {
  return buildSync({
    absWorkingDir: folder,
    entryPoints: [entry],
    outfile: join(folder, OUTPUT),
    bundle: true,
    write: false,
    metafile: true,
    sourcemap: 'external',
    format: 'esm',
    // What an isolate is: no module of Node.js resolves.
    platform: 'neutral',
    target: 'esnext',
    mainFields: ['module', 'main'],
    conditions: ['import', 'default'],
    define: { 'process.env.NODE_ENV': '"production"' },
    external: ['postern'],
    charset: 'utf8',
    legalComments: 'none',
    logLevel: 'silent',
    // The same plugin is the same bundle, whatever lies around it.
    tsconfigRaw: '{}',
  })
}

type Built = BuildResult<{ write: false; metafile: true }>

/** A file that is neither in the plugin's folder nor in a package. */
class Outside extends Error {
  readonly importer: string
  readonly specifier: string

  constructor(importer: string, specifier: string) {
    super(specifier)
    this.importer = importer
    this.specifier = specifier
  }
}

/** @throws Outside */
function bundleOf({ outputFiles, metafile }: Built, folder: string): Bundle {
  const inputs = Object.keys(metafile.inputs)
  const own = inputs.filter((input) => !PACKAGE.test(input) && !input.includes(':'))
  const foreign = own.find((input) => input.startsWith('..'))
  if (foreign !== undefined) throw importOf(foreign, metafile, folder)
  const textOf = (name: string) => outputFiles.find(({ path }) => path.endsWith(name))?.text ?? ''
  return {
    code: textOf(OUTPUT),
    map: textOf(`${OUTPUT}.map`),
    folder,
    files: own.map((input) => resolve(folder, input)),
    packages: packagesOf(metafile, folder),
  }
}

function importOf(foreign: string, { inputs }: Metafile, folder: string): Outside {
  for (const [importer, { imports }] of Object.entries(inputs)) {
    const found = imports.find(({ path }) => path === foreign)
    if (found !== undefined) return new Outside(resolve(folder, importer), found.original ?? foreign)
  }
  return new Outside('', foreign)
}

function packagesOf({ outputs }: Metafile, folder: string): readonly BundledPackage[] {
  const bytes = new Map<string, number>()
  for (const [input, { bytesInOutput }] of Object.entries(outputs[OUTPUT]?.inputs ?? {})) {
    const root = PACKAGE.exec(input)?.[1]
    if (root !== undefined) bytes.set(root, (bytes.get(root) ?? 0) + bytesInOutput)
  }
  const packages = [...bytes].map(([root, size]) => ({
    name: packageOf(root) ?? root,
    version: versionOf(resolve(folder, root)),
    bytes: size,
  }))
  return packages.toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

function packageOf(path: string): string | null {
  return PACKAGE.exec(path.replaceAll(sep, '/'))?.[2] ?? null
}

function versionOf(root: string): string {
  try {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version?: unknown }
    return typeof version === 'string' ? version.slice(0, 100) : ''
  } catch {
    return ''
  }
}

function outside({ importer, specifier }: Outside, file: string, text: string): Problem {
  const from = importer === '' ? file : importer
  const source = from === file ? { file, text } : { file: from, text: readFileSync(from, 'utf8') }
  const message = `Plugins cannot import "${specifier}": it is not in the folder of the plugin.`
  const remedy = `put it into the folder of the plugin, or make it a package in its ${PACKAGES}`
  return problemIn('P1006', source, quoted(specifier), message, remedy)
}

/** A mistake as esbuild tells it: an import that leads nowhere, or a text that is no program. */
function buildProblem({ text, location }: Message, file: string, folder: string): Problem {
  if (location === null) return problemWith('P1012', file, `The plugin cannot be bundled: ${text}.`, MEND)
  const at = resolve(folder, location.file)
  const shown = at === realpathSync(file) ? file : at
  const source = readFileSync(at, 'utf8')
  const specifier = /^Could not resolve "(.*)"$/.exec(text)?.[1]
  const column = columnOf(location)
  if (specifier === undefined)
    return problemAt('P1005', shown, source, location.line, column, `Syntax error: ${text}.`, MEND)
  const wanted = packageOf(at) === null ? '' : `, which the package "${packageOf(at)}" wants`
  const isOfNode = isBuiltin(specifier)
  const message = isOfNode
    ? `Plugins cannot import "${specifier}"${wanted}.`
    : `Plugins cannot import "${specifier}"${wanted}: it is not there.`
  return problemAt('P1006', shown, source, location.line, column, message, isOfNode ? NO_NODE : INSTALL)
}

const MEND = 'correct the line; an editor with TypeScript shows the same'
const NO_NODE =
  'a plugin imports only "postern", files beside it and packages that need no Node.js: tables come by lookup, kept values by kv, servers by http'
const INSTALL = 'correct the path, with its ending, or install the package beside the plugin'

/** esbuild counts octets of UTF-8 from 0, people count characters from 1. */
function columnOf({ lineText, column }: { readonly lineText: string; readonly column: number }): number {
  return Buffer.from(lineText).subarray(0, column).toString().length + 1
}

function quoted(specifier: string): RegExp {
  return new RegExp(`['"]${specifier.replace(/\W/g, '\\$&')}['"]`)
}
