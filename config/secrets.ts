/** Secrets: `${env:NAME}` and `${file:PATH}` in values, read once at load; `$${` is a plain `${`. */
import { resolve } from 'node:path'
import { MASK } from './mask.ts'
import { type Finding, quoted, type SettingPath } from './problem.ts'
import { readAtMost } from './text-file.ts'

const MAX_SECRET_BYTES = 64 * 1024
const FORMS = '${env:NAME} or ${file:PATH}; a plain "${" is written "$${"'

/** Paths of the values that hold a secret. */
export class SecretPaths {
  readonly #paths = new Set<string>()

  add(path: SettingPath): void {
    this.#paths.add(keyOf(path))
  }

  has(path: SettingPath): boolean {
    return this.#paths.has(keyOf(path))
  }
}

/** Names of domains are written in small letters once loaded. */
function keyOf(path: SettingPath): string {
  const key = JSON.stringify(path)
  return path[0] === 'domains' ? key.toLowerCase() : key
}

export interface Expanded {
  readonly data: unknown
  readonly secrets: SecretPaths
  readonly findings: readonly Finding[]
}

/**
 * A copy of `data` with every reference replaced. Relative files start at `folder`. In a destination that names a user
 * a secret stands for itself, whatever its characters: it is percent-encoded.
 */
export function expandSecrets(data: unknown, folder: string, env: NodeJS.ProcessEnv): Expanded {
  const secrets = new SecretPaths()
  const findings: Finding[] = []
  const text = (value: string, path: SettingPath) =>
    value.replace(/\$\$\{|\$\{[^}]*\}?/g, (reference: string, offset: number) => {
      if (reference === '$${') return '${'
      const read = resolveReference(reference, folder, env)
      secrets.add(path)
      if ('value' in read)
        return isInUserinfo(value, path, offset) ? encodeURIComponent(read.value) : read.value
      findings.push({ path, mark: 'value', ...read })
      return ''
    })
  return { data: mapTexts(data, [], text), secrets, findings }
}

/** Whether a reference stands where a destination has user and password. */
function isInUserinfo(value: string, [group]: SettingPath, offset: number): boolean {
  if (group !== 'domains' && group !== 'outbound') return false
  return /^smtps?:\/\//i.test(value) && offset < value.lastIndexOf('@')
}

/** A copy of `data` in which every value that held a secret shows MASK. */
export function maskSecrets(data: unknown, secrets: SecretPaths): unknown {
  return mapLeaves(data, [], (value, path) => (secrets.has(path) ? MASK : value))
}

type Reference = { readonly value: string } | Pick<Finding, 'code' | 'message' | 'remedy'>

function resolveReference(reference: string, folder: string, env: NodeJS.ProcessEnv): Reference {
  const variable = /^\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}$/.exec(reference)?.[1]
  if (variable !== undefined) return fromEnvironment(variable, env)
  const path = /^\$\{file:([^~}][^}]*)\}$/.exec(reference)?.[1]
  if (path !== undefined) return fromFile(resolve(folder, path))
  const message = `${quoted(reference)} is not a reference to a secret.`
  return { code: 'P1110', message, remedy: `write ${FORMS}` }
}

function fromEnvironment(name: string, env: NodeJS.ProcessEnv): Reference {
  // process.env inherits from Object, so `constructor` would be found without this.
  const value = Object.hasOwn(env, name) ? env[name] : undefined
  if (value !== undefined) return { value }
  const remedy = `set it where the gateway is started, or read a file with \${file:PATH}`
  return { code: 'P1111', message: `The environment variable ${name} is not set.`, remedy }
}

function fromFile(path: string): Reference {
  const read = readAtMost(path, MAX_SECRET_BYTES)
  if ('text' in read) return { value: read.text.replace(/\r?\n$/, '') }
  const remedy = 'create the file, readable for the user the gateway runs as'
  return { code: 'P1112', message: `The secret's file ${path} ${read.reason}.`, remedy }
}

function mapTexts(
  data: unknown,
  path: SettingPath,
  change: (text: string, path: SettingPath) => string,
): unknown {
  return mapLeaves(data, path, (value, at) => (typeof value === 'string' ? change(value, at) : value))
}

function mapLeaves(
  data: unknown,
  path: SettingPath,
  change: (value: unknown, path: SettingPath) => unknown,
): unknown {
  if (Array.isArray(data)) return data.map((item, i) => mapLeaves(item, [...path, i], change))
  if (data === null || typeof data !== 'object') return change(data, path)
  const copy: Record<string, unknown> = Object.create(null)
  for (const [name, value] of Object.entries(data)) copy[name] = mapLeaves(value, [...path, name], change)
  return copy
}
