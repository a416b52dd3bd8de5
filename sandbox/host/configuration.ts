/**
 * A plugin's configuration against the plugin's own schema: a small part of JSON Schema, checked here in the plughost
 * because the schema is the plugin's and so not to be trusted with a worker's time.
 */

const MAX_DEPTH = 8
/** Of a list in a sentence. */
const MOST_SHOWN = 20
const KNOWN_KEYS = new Set([
  'type',
  'properties',
  'required',
  'additionalProperties',
  'items',
  'maxItems',
  'enum',
  'const',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'default',
  'description',
])
const TYPES = new Set(['object', 'array', 'string', 'integer', 'number', 'boolean'])

type Schema = Readonly<Record<string, unknown>>
type JsonObject = Readonly<Record<string, unknown>>

/** What is wrong: in the schema (the author's) or in the configuration (the administrator's), and where. */
export class ConfigurationError extends Error {
  constructor(path: string, message: string) {
    super(`${path === '' ? 'config' : `config${path}`}: ${message}`)
    this.name = 'ConfigurationError'
  }
}

/**
 * The configuration with its defaults. A plugin without a schema takes none.
 *
 * @throws ConfigurationError
 */
export function completeConfiguration(schema: unknown, given: unknown): unknown {
  if (schema === null) {
    if (isObject(given) && Object.keys(given).length > 0)
      throw new ConfigurationError('', `this plugin has no settings, found ${list(Object.keys(given))}`)
    return {}
  }
  checkSchema(schema, '', 0)
  // Nobody has written one: the plugin is looked at and not asked.
  if (given === null) return {}
  return complete(schema as Schema, given ?? {}, '')
}

/** The schema itself: only what is known here, no deeper than MAX_DEPTH. */
function checkSchema(schema: unknown, path: string, depth: number): void {
  const fail = (message: string): never => {
    throw new ConfigurationError(path, `the plugin's schema ${message}`)
  }
  if (!isObject(schema)) return fail('must be an object')
  if (depth > MAX_DEPTH) return fail(`is deeper than ${MAX_DEPTH} levels`)
  for (const key of Object.keys(schema))
    if (!KNOWN_KEYS.has(key)) fail(`uses "${key}", which is not supported`)
  if (!TYPES.has(String(schema['type']))) fail(`needs a "type": ${list([...TYPES])}`)
  if (schema['items'] !== undefined) checkSchema(schema['items'], `${path}[]`, depth + 1)
  if (schema['additionalProperties'] !== undefined)
    checkSchema(schema['additionalProperties'], `${path}.*`, depth + 1)
  if (schema['properties'] === undefined) return
  if (!isObject(schema['properties'])) return fail('needs an object in "properties"')
  for (const [key, inner] of Object.entries(schema['properties']))
    checkSchema(inner, `${path}.${key}`, depth + 1)
}

function complete(schema: Schema, value: unknown, path: string): unknown {
  checkBounds(schema, value, path)
  if (schema['type'] === 'object') return completeObject(schema, value as JsonObject, path)
  if (schema['type'] === 'array') {
    const items = schema['items'] as Schema | undefined
    return (value as readonly unknown[]).map((item, i) =>
      items ? complete(items, item, `${path}[${i}]`) : item,
    )
  }
  return value
}

function completeObject(schema: Schema, value: JsonObject, path: string): JsonObject {
  const properties = (schema['properties'] ?? {}) as Readonly<Record<string, Schema>>
  const others = schema['additionalProperties'] as Schema | undefined
  const out: [string, unknown][] = []
  for (const [key, inner] of Object.entries(value)) {
    const known = Object.hasOwn(properties, key) ? properties[key] : others
    if (known === undefined)
      throw new ConfigurationError(
        path,
        `"${key}" is not a setting; there are ${list(Object.keys(properties))}`,
      )
    out.push([key, complete(known, inner, `${path}.${key}`)])
  }
  for (const [key, inner] of Object.entries(properties)) {
    if (!Object.hasOwn(value, key) && inner['default'] !== undefined)
      out.push([key, complete(inner, inner['default'], `${path}.${key}`)])
  }
  const present = new Set(out.map(([key]) => key))
  const required = Array.isArray(schema['required']) ? schema['required'] : []
  const missing = required.filter((key) => !present.has(String(key)))
  if (missing.length > 0) throw new ConfigurationError(path, `${list(missing)} is missing`)
  return Object.fromEntries(out)
}

function checkBounds(schema: Schema, value: unknown, path: string): void {
  const fail = (message: string): never => {
    throw new ConfigurationError(path, `${message}, found ${shown(value)}`)
  }
  const type = schema['type']
  if (!hasType(type, value)) fail(`expected ${article(String(type))}`)
  if (Array.isArray(schema['enum']) && !schema['enum'].includes(value))
    fail(`expected one of ${list(schema['enum'])}`)
  if (schema['const'] !== undefined && schema['const'] !== value) fail(`expected ${shown(schema['const'])}`)
  const size =
    typeof value === 'number' ? value : typeof value === 'string' || Array.isArray(value) ? value.length : 0
  const unit = typeof value === 'number' ? '' : typeof value === 'string' ? ' characters' : ' entries'
  const least = schema['minimum'] ?? schema['minLength']
  const most = schema['maximum'] ?? schema['maxLength'] ?? schema['maxItems']
  if (typeof least === 'number' && size < least) fail(`expected at least ${least}${unit}`)
  if (typeof most === 'number' && size > most) fail(`expected at most ${most}${unit}`)
}

function hasType(type: unknown, value: unknown): boolean {
  if (type === 'array') return Array.isArray(value)
  if (type === 'object') return isObject(value)
  if (type === 'integer') return Number.isSafeInteger(value)
  if (type === 'number') return Number.isFinite(value)
  return typeof value === type
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function shown(value: unknown): string {
  const json = JSON.stringify(value) ?? String(value)
  return json.length > 60 ? `${json.slice(0, 57)}...` : json
}

function list(values: readonly unknown[]): string {
  if (values.length === 0) return 'none'
  const rest = values.length - MOST_SHOWN
  const some = values.slice(0, MOST_SHOWN).map((value) => shown(value))
  return `${some.join(', ')}${rest > 0 ? ` and ${rest} more` : ''}`
}

function article(type: string): string {
  return /^[aio]/.test(type) ? `an ${type}` : `a ${type}`
}
