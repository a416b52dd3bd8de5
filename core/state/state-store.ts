/**
 * The port of shared state: small values that plugins and limits keep between sessions. Values may be lost by up to
 * the last second when the machine dies, so nothing that a promise rests on belongs here.
 *
 * Every call may be refused with a StoreFault and has then changed nothing. A key or value that is too long is a
 * RangeError: whoever asks for a plugin checks before.
 */
export interface StateStore {
  /** The value, or undefined when there is none or its time is over. */
  get(key: string, now: number): Promise<string | undefined>
  /** @param expiresAt milliseconds since 1970 */
  set(key: string, value: string, expiresAt: number): Promise<void>
  /**
   * Adds `by`, a whole number, to a counter that lives until `expiresAt`, set when it is made. Returns the new value.
   *
   * @throws StoreFault `unavailable` when the key holds something that is not a whole number
   */
  increment(key: string, by: number, now: number, expiresAt: number): Promise<number>
  delete(key: string): Promise<void>
  close(): Promise<void>
}

/** Longest key in octets. */
export const MAX_KEY_BYTES = 512
/** Longest value in octets. */
export const MAX_VALUE_BYTES = 65_536
