/** Where collections of test material are: a copy in the fixtures, and all of it in the folder POSTERN_CORPORA. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

export const CORPORA = process.env['POSTERN_CORPORA']

const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures')

/** A file of the fixtures, as text. */
export function fixture(path: string): string {
  return readFileSync(join(FIXTURES, path), 'utf8')
}

/** A file of JSON of the fixtures; who asks knows its shape. */
export function fixtureJson<Shape>(path: string): Shape {
  return JSON.parse(fixture(path)) as Shape
}

export function isFixture(path: string): boolean {
  return existsSync(join(FIXTURES, path))
}
