/** What supervisor and keeper's process say to each other. Its arguments are the store's folder and the level of the log. */
import type { StoreFault } from '../queue/queue-store.ts'

/** Answers what was asked for, closes the databases and exits. */
export interface ToKeeperProcess {
  readonly type: 'close'
}

/** Said once, after the fork; a keeper that refuses exits. */
export type FromKeeperProcess =
  /** Workers may connect; leases of the predecessor are due again, and the spool is swept. */
  | { readonly type: 'ready'; readonly socketPath: string }
  | { readonly type: 'refused'; readonly code: StoreFault['code']; readonly message: string }
