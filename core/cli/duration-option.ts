/** Durations as options have them: `90s`, `15m`, `2h`, `3d`. */
import { InvalidArgumentError } from 'commander'

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }
/** A year. */
const MOST_MS = 365 * 86_400_000

/** Milliseconds, at most a year; for commander. */
export function durationMs(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS_MS[unit] ?? 0)
  if (ms < 1 || ms > MOST_MS)
    throw new InvalidArgumentError('It must be a duration up to 365d, as in 90s, 15m, 2h or 3d.')
  return ms
}
