export type StoreFaultCode = 'full' | 'damaged' | 'unavailable'

/**
 * Local trouble of a store: always a 4yz reply, never a 5yz. The operation that throws it has changed nothing.
 *
 * `full`: no room on the volume or in the database; `damaged`: what is stored cannot be read or is not what was stored;
 * `unavailable`: everything else.
 */
export class StoreFault extends Error {
  readonly code: StoreFaultCode
  constructor(code: StoreFaultCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'StoreFault'
    this.code = code
  }
}

const SQLITE_FULL = 13
/** A page that makes no sense, and a file that is no database. */
const DAMAGES: ReadonlySet<unknown> = new Set([11, 26])

/** What an error of `node:sqlite` or of the file system means to the store. */
export function storeFault(error: unknown): StoreFault {
  if (error instanceof StoreFault) return error
  const { code, errcode, message } = error as { code?: unknown; errcode?: unknown; message?: unknown }
  const isFull = errcode === SQLITE_FULL || code === 'ENOSPC' || code === 'EDQUOT'
  // The lower octet is the kind of the error, what is above tells more of it.
  const isBroken = typeof errcode === 'number' && DAMAGES.has(errcode & 0xff)
  // A number beyond those of JavaScript is none of ours.
  const isDamaged = isBroken || code === 'ERR_OUT_OF_RANGE'
  return new StoreFault(isFull ? 'full' : isDamaged ? 'damaged' : 'unavailable', String(message ?? error), {
    cause: error,
  })
}
