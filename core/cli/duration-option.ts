/** Durations as options have them: `90s`, `15m`, `2h`, `3d`. */
import { InvalidArgumentError } from 'commander'
import { parseDuration } from '../../config/durations.ts'
import { MAX_SUSPENSION_MS } from '../admin/control-call.ts'

/** Milliseconds, at most a year; for commander. */
export function durationMs(text: string): number {
  const ms = text.endsWith('ms') ? null : parseDuration(text)
  if (ms === null || ms < 1 || ms > MAX_SUSPENSION_MS)
    throw new InvalidArgumentError('It must be a duration up to 365d, as in 90s, 15m, 2h or 3d.')
  return ms
}
