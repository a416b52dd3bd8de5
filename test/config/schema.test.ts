import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Ajv } from 'ajv'
import { compileSchema } from '../../config/schema.ts'
import { SETTINGS } from '../../config/settings.ts'

const schema = {
  type: 'object',
  additionalProperties: false,
  required: ['name'],
  properties: {
    name: { type: 'string' },
    list: {
      type: 'array',
      items: { type: 'object', properties: { 'a/b~c': { type: 'integer', minimum: 3 } } },
    },
    level: { enum: ['low', 'high'], default: 'low' },
  },
} as const

test('a value that fits has nothing wrong', () => {
  assert.deepEqual(compileSchema(schema)({ name: 'x', list: [{ 'a/b~c': 3 }] }), [])
})

test('everything wrong is listed, each with its path, keyword and parameters', () => {
  const value = { list: [{}, { 'a/b~c': 2 }, 5], level: 'up', more: 1 }
  const errors = compileSchema(schema)(value).toSorted((a, b) => (a.keyword < b.keyword ? -1 : 1))
  assert.deepEqual(
    errors.map(({ path, message, keyword, params }) => ({ path, message, keyword, params })),
    [
      {
        path: [],
        message: 'must NOT have additional properties',
        keyword: 'additionalProperties',
        params: { additionalProperty: 'more' },
      },
      {
        path: ['level'],
        message: 'must be equal to one of the allowed values',
        keyword: 'enum',
        params: { allowedValues: ['low', 'high'] },
      },
      {
        path: ['list', 1, 'a/b~c'],
        message: 'must be >= 3',
        keyword: 'minimum',
        params: { comparison: '>=', limit: 3 },
      },
      {
        path: [],
        message: "must have required property 'name'",
        keyword: 'required',
        params: { missingProperty: 'name' },
      },
      { path: ['list', 2], message: 'must be object', keyword: 'type', params: { type: 'object' } },
    ],
  )
  assert.deepEqual(
    errors.map((error) => error.value),
    [value, 'up', 2, value, 5],
  )
})

test('a name made of digits is a name, a position in a list is a number', () => {
  const validate = compileSchema({
    type: 'object',
    additionalProperties: { type: 'array', items: { type: 'integer' } },
  })
  assert.deepEqual(
    validate({ '0': [1, 'x'] }).map(({ path }) => path),
    [['0', 1]],
  )
})

test('defaults are written into the value only when asked for', () => {
  const [kept, filled] = [{ name: 'x' }, { name: 'x' }]
  compileSchema(schema)(kept)
  compileSchema(schema, { applyDefaults: true })(filled)
  assert.deepEqual([kept, filled], [{ name: 'x' }, { name: 'x', level: 'low' }])
})

test('formats and keywords are those the caller brings', () => {
  const validate = compileSchema(
    { type: 'string', format: 'shout', longerThan: 2 },
    {
      formats: { shout: (text) => text === text.toUpperCase() },
      keywords: { longerThan: (setting, value) => String(value).length > Number(setting) },
    },
  )
  assert.deepEqual(validate('ABC'), [])
  assert.deepEqual(
    Object.fromEntries(validate('ab').map(({ keyword, schema: rules }) => [keyword, rules[keyword]])),
    { format: 'shout', longerThan: 2 },
  )
})

test('a schema with an unknown keyword, type or format does not compile', () => {
  for (const wrong of [
    { minimun: 1 },
    { type: 'strin' },
    { type: 'string', format: 'shout' },
    { minimum: 'x' },
  ])
    assert.throws(() => compileSchema(wrong), Error)
})

test('the schema of the configuration is a JSON Schema', () => {
  const ajv = new Ajv()
  assert.equal(ajv.validateSchema(SETTINGS), true, JSON.stringify(ajv.errors))
})

test('every group of settings refuses names it does not know, and every setting is described', () => {
  const undescribed: string[] = []
  const open: string[] = []
  const visit = (rules: Readonly<Record<string, unknown>>, path: string): void => {
    const properties = rules['properties'] as Record<string, Record<string, unknown>> | undefined
    if (properties !== undefined && rules['additionalProperties'] !== false) open.push(path)
    for (const [name, child] of Object.entries(properties ?? {})) {
      if (typeof child['description'] !== 'string') undescribed.push(`${path}.${name}`)
      visit(child, `${path}.${name}`)
    }
    for (const inner of [rules['items'], rules['additionalProperties']])
      if (inner !== null && typeof inner === 'object') visit(inner as Record<string, unknown>, `${path}[]`)
  }
  visit(SETTINGS, '')
  assert.deepEqual({ undescribed, open }, { undescribed: [], open: [] })
})
