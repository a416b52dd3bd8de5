/** Durations as people write them: a whole number and a unit, `250ms`, `60s`, `5m`, `2h`, `5d`. */

const UNITS_MS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1000, ms: 1 } as const

/** Milliseconds; null when the text is no duration. */
export function parseDuration(text: string): number | null {
  const match = /^([0-9]{1,15})(ms|s|m|h|d)$/.exec(text)
  if (match === null) return null
  const ms = Number(match[1]) * UNITS_MS[match[2] as keyof typeof UNITS_MS]
  return Number.isSafeInteger(ms) ? ms : null
}

/** The shortest text that means exactly `ms`, a whole number of milliseconds. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0s'
  for (const [unit, unitMs] of Object.entries(UNITS_MS)) if (ms % unitMs === 0) return `${ms / unitMs}${unit}`
  return `${ms}ms`
}
