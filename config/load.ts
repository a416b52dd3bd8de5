/** The configuration file, from its path to a Config, or everything that is wrong with it. */
import { availableParallelism, hostname } from 'node:os'
import { dirname, resolve } from 'node:path'
import type { Config } from './config.ts'
import { findConflicts } from './conflicts.ts'
import { readDocument } from './document.ts'
import { type Settings, toConfig } from './effective.ts'
import { FORMAT_TESTS } from './formats.ts'
import { KEYWORDS } from './keywords.ts'
import { findingsOf } from './mismatch.ts'
import type { Finding, Problem } from './problem.ts'
import { compileSchema, type Validate } from './schema.ts'
import { expandSecrets, type SecretPaths } from './secrets.ts'
import { SETTINGS } from './settings.ts'
import { Source } from './source.ts'
import { readAtMost } from './text-file.ts'

export type LoadedConfig =
  | {
      readonly ok: true
      readonly config: Config
      /** Which settings hold a secret, for show.ts. */
      readonly secrets: SecretPaths
    }
  /** In the order of the file, at least one. */
  | { readonly ok: false; readonly problems: readonly Problem[] }

const MAX_FILE_BYTES = 1024 * 1024

/**
 * Reads and checks a configuration file. Never throws for what is in the file.
 *
 * @param file as the person gave it: places in problems begin with it
 * @param env  where `${env:NAME}` is looked up
 */
export function loadConfig(file: string, env: NodeJS.ProcessEnv): LoadedConfig {
  const read = readAtMost(file, MAX_FILE_BYTES)
  if ('text' in read) return parseConfig(read.text, file, env)
  const message = `The configuration file ${read.reason}.`
  const remedy = 'name another one with --config FILE'
  return { ok: false, problems: [{ code: 'P1100', place: file, message, remedy }] }
}

/**
 * The same for a text.
 *
 * @param file       the file the text stands for; relative paths start at its folder
 * @param systemName the machine's name, from which the default of `hostname` is made
 */
export function parseConfig(
  text: string,
  file: string,
  env: NodeJS.ProcessEnv,
  systemName: string = hostname(),
): LoadedConfig {
  const source = new Source(file, text)
  const document = readDocument(source)
  if (document === null) return { ok: false, problems: source.problems() }
  const { places } = document
  const folder = dirname(resolve(file))
  // An empty file is a file that sets nothing.
  const { data, secrets, findings } = expandSecrets(document.data ?? {}, folder, env)
  for (const finding of [...findings, ...check(data, secrets, folder, findings)]) {
    const { path, mark, code, message, remedy } = finding
    source.report(mark === 'name' ? places.name(path) : places.value(path), code, message, remedy)
  }
  const problems = source.problems()
  if (problems.length > 0) return { ok: false, problems }
  const placeOf = (path: Finding['path']) => source.place(places.value(path)[0])
  const processors = availableParallelism()
  const config = toConfig(data as Settings, { file: resolve(file), folder, systemName, processors, placeOf })
  return { ok: true, config, secrets }
}

let validate: Validate | null = null

/** What the schema and the settings taken together forbid. Defaults are written into `data`. */
function check(
  data: unknown,
  secrets: SecretPaths,
  folder: string,
  unresolved: readonly Finding[],
): readonly Finding[] {
  validate ??= compileSchema(SETTINGS, { formats: FORMAT_TESTS, keywords: KEYWORDS, applyDefaults: true })
  const all = [...findingsOf(validate(data), secrets), ...findConflicts(data, folder)]
  // A value whose secret is missing is not wrong in a second way.
  const missing = new Set(unresolved.map(({ path }) => JSON.stringify(path)))
  return all.filter(({ path }) => !missing.has(JSON.stringify(path)))
}
