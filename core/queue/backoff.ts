/** When to try again (RFC 5321 §4.5.4.1: a client must wait, and should wait longer after the first attempts). */

/** Whatever the configuration says, never sooner: a remote that refuses at once must not be asked in a tight loop. */
export const MIN_DELAY_MS = 100
/** Whatever the configuration says, never later. */
export const MAX_DELAY_MS = 7 * 24 * 3_600_000

/**
 * Wait before the next attempt: the step for so many attempts, a tenth more or less at random so that messages
 * deferred together do not come back together.
 *
 * @param retryMs  waits after the first, second, … attempt in milliseconds; the last repeats
 * @param attempts attempts already made; less than 1 counts as 1
 * @param random   in [0, 1); a parameter so that tests are exact
 * @returns whole milliseconds from MIN_DELAY_MS to MAX_DELAY_MS
 */
export function retryDelayMs(retryMs: readonly number[], attempts: number, random: number): number {
  const step = Math.max(1, attempts) - 1
  const baseMs = retryMs[Math.min(step, retryMs.length - 1)] ?? MAX_DELAY_MS
  const delayMs = Math.round(baseMs * (0.9 + random / 5))
  return Math.min(Math.max(delayMs, MIN_DELAY_MS), MAX_DELAY_MS)
}
