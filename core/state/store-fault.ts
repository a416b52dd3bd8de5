/**
 * Local trouble of a store: always a 4yz reply, never a 5yz. The operation that throws it has changed nothing.
 *
 * `full`: no room on the volume or in the database; `unavailable`: everything else.
 */
export class StoreFault extends Error {
  readonly code: 'full' | 'unavailable'
  constructor(code: 'full' | 'unavailable', message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreFault'
    this.code = code
  }
}

const SQLITE_FULL = 13

/** What an error of `node:sqlite` or of the file system means to the store. */
export function storeFault(error: unknown): StoreFault {
  if (error instanceof StoreFault) return error
  const { code, errcode, message } = error as { code?: unknown; errcode?: unknown; message?: unknown }
  const isFull = errcode === SQLITE_FULL || code === 'ENOSPC' || code === 'EDQUOT'
  return new StoreFault(isFull ? 'full' : 'unavailable', String(message ?? error), { cause: error })
}
