/** The one door to ajv: a JSON Schema becomes a function that lists everything wrong with a value. */
import { Ajv, type ErrorObject } from 'ajv'
import type { SettingPath } from './problem.ts'

/** One thing wrong with a value. */
export interface SchemaError {
  /** The value it is about: names and positions from the top. */
  readonly path: SettingPath
  /** In English, as ajv says it: "must be integer". */
  readonly message: string
  /** The keyword that failed: `type`, `required`, `additionalProperties`, … */
  readonly keyword: string
  /** What the keyword wanted, in ajv's words: `{ missingProperty }`, `{ additionalProperty }`, `{ limit }`, … */
  readonly params: Readonly<Record<string, unknown>>
  /** What was found at `path`. */
  readonly value: unknown
  /** The part of the schema that holds the keyword. */
  readonly schema: Readonly<Record<string, unknown>>
}

/** Everything wrong with a value, in the schema's order; empty when it fits. */
export type Validate = (value: unknown) => readonly SchemaError[]

/** A keyword of our own: whether `value` may stand where the schema says `keyword: setting`. */
export type Keyword = (setting: unknown, value: unknown, schema: Readonly<Record<string, unknown>>) => boolean

export interface SchemaOptions {
  /** What `format: name` means for a text. A format that is not listed here is an error of the schema. */
  readonly formats?: Readonly<Record<string, (text: string) => boolean>>
  readonly keywords?: Readonly<Record<string, Keyword>>
  /** Writes the schema's defaults into the value that is checked. */
  readonly applyDefaults?: boolean
}

/**
 * Compiles a schema (JSON Schema draft 07). Only for schemas written by us: code is generated from it.
 *
 * @throws Error when the schema cannot be compiled: an unknown keyword, type or format
 */
export function compileSchema(schema: object, options: SchemaOptions = {}): Validate {
  const { formats = {}, keywords = {}, applyDefaults = false } = options
  const ajv = new Ajv({
    allErrors: true,
    verbose: true,
    strict: true,
    allowUnionTypes: true,
    ownProperties: true,
    useDefaults: applyDefaults,
    logger: false,
    // A test does this once for all of them; at every start it would cost more than all the rest.
    validateSchema: false,
    meta: false,
  })
  for (const [name, validate] of Object.entries(formats)) ajv.addFormat(name, { type: 'string', validate })
  for (const [keyword, holds] of Object.entries(keywords))
    ajv.addKeyword({
      keyword,
      validate: (setting: unknown, value: unknown, parent: unknown) => {
        return holds(setting, value, parent as Readonly<Record<string, unknown>>)
      },
    })
  const validate = ajv.compile(schema)
  return (value) => (validate(value) ? [] : (validate.errors ?? []).map((error) => schemaError(error, value)))
}

function schemaError(error: ErrorObject, root: unknown): SchemaError {
  return {
    path: toPath(error.instancePath, root),
    message: error.message ?? 'is not allowed',
    keyword: error.keyword,
    params: error.params,
    value: error.data,
    schema: error.parentSchema ?? {},
  }
}

/** A JSON pointer (RFC 6901) as a path; only the value tells a list's position from a name made of digits. */
function toPath(pointer: string, root: unknown): SettingPath {
  const path: (string | number)[] = []
  let value = root
  for (const token of pointer.split('/').slice(1)) {
    const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
    path.push(Array.isArray(value) ? Number(name) : name)
    value = (value as Record<string, unknown> | undefined)?.[name]
  }
  return path
}
