/** The clock everything reads, so that tests can put another in its place. */
export interface Clock {
  /** Milliseconds since 1970 (UTC). May jump. */
  now(): number
  /** Milliseconds from an arbitrary start. Never goes back; for durations. */
  monotonic(): number
}

export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
}
