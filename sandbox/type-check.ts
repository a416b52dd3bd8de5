/**
 * Types of a plugin, by the compiler its author has, or the one beside the gateway. Without any the types are not
 * looked at: a gateway runs plugins without them.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import type { Problem } from '../config/problem.ts'
import { problemAt } from './source-problem.ts'

/** What a plugin is checked with when its folder has no tsconfig.json. `postern` is found wherever the plugin is. */
const OPTIONS = {
  target: 'esnext',
  lib: ['esnext'],
  module: 'preserve',
  moduleResolution: 'bundler',
  types: [],
  noEmit: true,
  strict: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  skipLibCheck: true,
  paths: { postern: [join(import.meta.dirname, 'api', 'index.ts')] },
} as const
const MAX_MS = 120_000
const MISTAKE = /^(.+?)\((\d+),(\d+)\): error (TS\d+): (.*)$/

export interface TypeCheck {
  /** Path of the compiler; null: there is none. */
  readonly compiler: string | null
  readonly problems: readonly Problem[]
}

/** @param file the plugin, absolute */
export function checkTypes(file: string): TypeCheck {
  const compiler = compilerFor(file)
  if (compiler === null) return { compiler, problems: [] }
  const folder = dirname(file)
  const config = join(folder, 'tsconfig.json')
  if (existsSync(config)) return { compiler, problems: compile(compiler, config, folder) }
  const own = mkdtempSync(join(tmpdir(), 'postern-types-'))
  try {
    const made = join(own, 'tsconfig.json')
    writeFileSync(made, JSON.stringify({ compilerOptions: OPTIONS, files: [file] }))
    return { compiler, problems: compile(compiler, made, own) }
  } finally {
    rmSync(own, { recursive: true })
  }
}

/** @throws Error when the compiler itself does not work */
function compile(compiler: string, config: string, folder: string): readonly Problem[] {
  const args = [compiler, '--pretty', 'false', '--noEmit', '-p', config]
  const { status, stdout, stderr, error } = spawnSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    timeout: MAX_MS,
  })
  const problems = (stdout ?? '').split('\n').flatMap((line) => mistakeIn(line, folder))
  if (status !== 0 && problems.length === 0)
    throw new Error(`${compiler} failed: ${error?.message ?? `${stdout}${stderr}`.slice(0, 500)}`)
  return problems
}

function compilerFor(file: string): string | null {
  for (const from of [file, import.meta.filename])
    try {
      const manifest = createRequire(from).resolve('typescript/package.json')
      return join(dirname(manifest), 'bin', 'tsc')
    } catch {
      // Not there: the next one.
    }
  return null
}

/** Lines that go on with the one before are left out: they begin with spaces. */
function mistakeIn(text: string, folder: string): readonly Problem[] {
  const [, name, line, column, code, message] = MISTAKE.exec(text) ?? []
  if (name === undefined) return []
  const file = resolve(folder, name)
  const source = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const remedy = 'mend the type: the gateway would run it, and fail where it matters'
  return [problemAt('P1011', file, source, Number(line), Number(column), `${message} (${code})`, remedy)]
}
