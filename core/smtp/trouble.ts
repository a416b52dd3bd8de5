/** Trouble of our own, told from bugs: local trouble is always transient, never the client's fault. */

/** `full`: no room; `unavailable`: everything else that is not a bug. */
export type Trouble = 'full' | 'unavailable'

/**
 * What `error` is: a fault of the store (its `code` says which), an error of the operating system, or null for a bug.
 */
export function troubleOf(error: unknown): Trouble | null {
  if (!(error instanceof Error)) return null
  const { name, code, syscall } = error as { name: string; code?: unknown; syscall?: unknown }
  if (name === 'StoreFault') return code === 'full' ? 'full' : 'unavailable'
  if (typeof syscall !== 'string') return null
  return code === 'ENOSPC' || code === 'EDQUOT' ? 'full' : 'unavailable'
}
