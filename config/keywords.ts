/** The keywords of settings.ts beside those of JSON Schema. */
import { isDeepStrictEqual } from 'node:util'
import { parseDuration } from './durations.ts'
import type { Keyword } from './schema.ts'
import { parseSize } from './sizes.ts'

/** Values that will work one day: those listed, all but those excepted, or all. */
export interface NotBuilt {
  readonly values?: readonly unknown[]
  readonly except?: readonly unknown[]
  readonly remedy: string
}

export const KEYWORDS: Readonly<Record<string, Keyword>> = {
  notBuilt: (setting, value) => {
    const { values, except } = setting as NotBuilt
    const isIn = (list: readonly unknown[]) => list.some((one) => isDeepStrictEqual(one, value))
    return values === undefined ? isIn(except ?? []) : !isIn(values)
  },
  atLeast: (limit, value, { format }) => compare(value, limit, format) >= 0,
  atMost: (limit, value, { format }) => compare(value, limit, format) <= 0,
}

/** Below, at or above 0; 0 when there is nothing to compare because the format does not fit either. */
function compare(value: unknown, limit: unknown, format: unknown): number {
  const measure = (one: unknown) => {
    if (format === 'duration') return typeof one === 'string' ? parseDuration(one) : null
    return typeof one === 'string' || typeof one === 'number' ? parseSize(one) : null
  }
  const [a, b] = [measure(value), measure(limit)]
  return a === null || b === null ? 0 : a - b
}
