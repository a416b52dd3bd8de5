/** Times in `--json` output: people's clocks differ, so machines get ISO 8601 in UTC. */

/** Members that hold milliseconds since 1970, wherever they stand in what the gateway answers. */
const TIME_KEYS: ReadonlySet<string> = new Set([
  'at',
  'startedAt',
  'acceptedAt',
  'expiresAt',
  'dueAt',
  'nextDueAt',
  'since',
  'until',
])
/** Members that belong to plugins and to steps: a fact called `at` is whatever its author meant. */
const FOREIGN_KEYS: ReadonlySet<string> = new Set(['facts', 'detail'])

/** A copy of `value` with times as ISO texts. */
export function withIsoTimes(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withIsoTimes)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, member]) => {
      if (FOREIGN_KEYS.has(key)) return [key, member]
      if (TIME_KEYS.has(key) && typeof member === 'number') return [key, isoTime(member)]
      return [key, withIsoTimes(member)]
    }),
  )
}

/** null when no calendar has the moment: "never" is Infinity in places. */
function isoTime(at: number): string | null {
  const date = new Date(at)
  return Number.isNaN(date.getTime()) ? null : date.toISOString()
}
