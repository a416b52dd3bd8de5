/** What a schema finds wrong with a file, in words for the person who wrote it. */
import { formatNamed } from './formats.ts'
import type { NotBuilt } from './keywords.ts'
import { MASK, maskPasswords } from './mask.ts'
import { type Finding, formatPath, type ProblemCode, quoted, type SettingPath } from './problem.ts'
import type { SchemaError } from './schema.ts'
import type { SecretPaths } from './secrets.ts'
import { SETTINGS } from './settings.ts'
import { closest, simplified } from './suggestion.ts'

type Rules = Readonly<Record<string, unknown>>

/** What is wrong, where, and how to mend it. Values that came from a secret are not repeated. */
export function findingsOf(errors: readonly SchemaError[], secrets: SecretPaths): readonly Finding[] {
  const misspelt = new Set<string>()
  for (const { keyword, path, params, schema } of errors)
    if (keyword === 'additionalProperties')
      misspelt.add(formatPath([...path, nameMeant(String(params['additionalProperty']), schema) ?? '']))
  // A name that was misspelt is not missing as well.
  const isMisspelt = ({ keyword, path, params }: SchemaError) =>
    keyword === 'required' && misspelt.has(formatPath([...path, String(params['missingProperty'])]))
  return errors.filter((error) => !isMisspelt(error)).map((error) => findingOf(error, secrets))
}

function findingOf(error: SchemaError, secrets: SecretPaths): Finding {
  const { path, keyword, params, schema } = error
  const isSecret = secrets.has(path)
  switch (keyword) {
    case 'additionalProperties':
      return unknownSetting(path, String(params['additionalProperty']), schema)
    case 'required':
      return missingSetting(path, String(params['missingProperty']), schema)
    case 'notBuilt':
      return notBuilt(error, isSecret)
    case 'format':
      return misfit(error, isSecret)
    case 'enum':
      return notAllowed(error, isSecret)
    case 'type':
      return expected('P1105', error, isSecret, whatBelongs(schema), whatToWrite(error))
    case 'atLeast':
    case 'atMost':
      return outOfRange(error, isSecret, keyword === 'atLeast' ? 'least' : 'most', schema[keyword])
    case 'minimum':
    case 'minItems':
      return outOfRange(error, isSecret, 'least', params['limit'])
    case 'maximum':
    case 'maxItems':
      return outOfRange(error, isSecret, 'most', params['limit'])
    default:
      return expected('P1107', error, isSecret, `that it ${error.message}`, whatToWrite(error))
  }
}

function unknownSetting(group: SettingPath, name: string, schema: Rules): Finding {
  const where = group.length === 0 ? '' : ` in "${formatPath(group)}"`
  const message = `Unknown setting ${quoted(name)}${where}.`
  const elsewhere = settingsByName().get(simplified(name)) ?? []
  const meant = nameMeant(name, schema) ?? (elsewhere.length === 1 ? elsewhere[0] : undefined)
  const remedy =
    meant === undefined
      ? `remove it, or use one of: ${builtNames(schema).join(', ')}`
      : `did you mean "${meant}"?`
  return { path: [...group, name], mark: 'name', code: 'P1101', message, remedy }
}

/** The name in the same group that was probably meant: one close to it, or one it has for a word. */
function nameMeant(name: string, schema: Rules): string | undefined {
  const known = builtNames(schema)
  return closest(name, known) ?? known.find((one) => name.split(/[_-]/).includes(one))
}

function missingSetting(path: SettingPath, name: string, schema: Rules): Finding {
  const message = `Setting "${name}" is missing in "${formatPath(path)}".`
  const rules = (schema['properties'] as Readonly<Record<string, Rules>> | undefined)?.[name] ?? {}
  return { path, mark: 'name', code: 'P1108', message, remedy: `add  ${name}: ${exampleOf(rules)}` }
}

function notBuilt({ path, value, schema }: SchemaError, isSecret: boolean): Finding {
  const { remedy, values, except } = schema['notBuilt'] as NotBuilt
  const isWhole = (values === undefined && except === undefined) || typeof value === 'object'
  const what = isWhole ? '' : `: ${isSecret ? MASK : found(value)}`
  const message = `Setting "${formatPath(path)}"${what} is not built yet.`
  return { path, mark: isWhole ? 'name' : 'value', code: 'P1150', message, remedy }
}

function misfit(error: SchemaError, isSecret: boolean): Finding {
  const { path, value, schema } = error
  const format = formatNamed(schema['format'])
  const why = format?.misfit(String(value)) ?? null
  if (why === null || format === undefined || isSecret)
    return expected(why?.code ?? 'P1106', error, isSecret, whatBelongs(schema), whatToWrite(error))
  const remedy = why.remedy ?? whatToWrite(error)
  if (why.sentence === undefined)
    return expected(why.code, error, isSecret, format.expected, remedy, why.reason)
  const message = `Setting "${formatPath(path)}": ${why.sentence}.`
  return { path, mark: 'value', code: why.code, message, remedy }
}

function notAllowed(error: SchemaError, isSecret: boolean): Finding {
  const allowed = (error.params['allowedValues'] as readonly unknown[]).map(String)
  const offered = allowed.filter(
    (one) => !(error.schema['notBuilt'] as NotBuilt | undefined)?.values?.includes(one),
  )
  const list = offered.length === 1 ? `"${offered[0]}"` : `one of: ${offered.join(', ')}`
  const similar = typeof error.value === 'string' && !isSecret ? closest(error.value, offered) : null
  const remedy = similar === null ? whatToWrite(error) : `did you mean "${similar}"?`
  return expected('P1106', error, isSecret, list, remedy)
}

function outOfRange(error: SchemaError, isSecret: boolean, bound: 'least' | 'most', limit: unknown): Finding {
  const unit = Array.isArray(error.value) ? (limit === 1 ? ' entry' : ' entries') : ''
  const remedy = `use ${String(limit)}${unit} or ${bound === 'least' ? 'more' : 'less'}`
  return expected('P1107', error, isSecret, `at ${bound} ${String(limit)}${unit}`, remedy)
}

function expected(
  code: ProblemCode,
  { path, value }: SchemaError,
  isSecret: boolean,
  what: string,
  remedy: string,
  reason: string | null = null,
): Finding {
  const why = reason === null ? '' : ` (${reason})`
  const shown = isSecret ? MASK : found(value)
  const subject = path.length === 0 ? 'The file' : `Setting "${formatPath(path)}"`
  const message = `${subject}: found ${shown}, expected ${what}${why}.`
  return { path, mark: 'value', code, message, remedy }
}

/** A value as it is named in a sentence. */
function found(value: unknown): string {
  if (typeof value === 'string') return quoted(maskPasswords(value))
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list'
  if (value === null || value === undefined) return 'nothing'
  return typeof value === 'object' ? 'a group of settings' : `${value as number | boolean}`
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  object: 'a group of settings',
  array: 'a list',
  string: 'text',
  integer: 'a whole number',
  null: 'null',
}

function whatBelongs(schema: Rules): string {
  const types = [schema['type']].flat().map(String)
  const format = formatNamed(schema['format'])
  const others = types.filter((type) => format === undefined || type === 'array')
  return [...(format ? [format.expected] : []), ...others.map((type) => TYPE_WORDS[type] ?? type)].join(
    ' or ',
  )
}

function whatToWrite({ path, value, schema }: SchemaError): string {
  if (typeof value === 'number' && schema['format'] === 'duration') return `write the unit, as in ${value}s`
  const name = path.at(-1)
  if (name === undefined) return 'write one setting a line, as  hostname: mx.example.test'
  const example = exampleOf(schema)
  if (value === null && example === '[]') return 'write [] for none, or remove the line'
  if (value === null && example === '{}') return 'write {} for none, or remove the line'
  return typeof name === 'string' ? `write for example  ${name}: ${example}` : `write for example  ${example}`
}

/** A value that would be right, as YAML on one line. */
function exampleOf(schema: Rules): string {
  const example = (schema['examples'] as readonly unknown[] | undefined)?.[0] ?? schema['default']
  if (example === undefined || example === null) return formatNamed(schema['format'])?.example ?? 'VALUE'
  return typeof example === 'string' && !/[:[\]{}]/.test(example) ? example : JSON.stringify(example)
}

function builtNames(schema: Rules): readonly string[] {
  const properties = schema['properties'] as Readonly<Record<string, Rules>> | undefined
  const isBuilt = (rules: Rules) => {
    const rule = rules['notBuilt'] as NotBuilt | undefined
    return rule === undefined || rule.values !== undefined || rule.except !== undefined
  }
  return Object.entries(properties ?? {})
    .filter(([, rules]) => isBuilt(rules))
    .map(([name]) => name)
}

let byName: ReadonlyMap<string, readonly string[]> | null = null

/** Every setting of the file under its simplified name, for names written in the wrong group. */
function settingsByName(): ReadonlyMap<string, readonly string[]> {
  if (byName !== null) return byName
  const map = new Map<string, string[]>()
  const collect = (rules: Rules, path: SettingPath) => {
    for (const [name, child] of Object.entries(
      (rules['properties'] as Record<string, Rules> | undefined) ?? {},
    )) {
      const list = map.get(simplified(name)) ?? []
      map.set(simplified(name), [...list, formatPath([...path, name])])
      collect(child, [...path, name])
    }
  }
  collect(SETTINGS, [])
  byName = map
  return map
}
