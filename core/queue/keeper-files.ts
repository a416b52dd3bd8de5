/** Files of a local store, beside its spool. */
export const QUEUE_FILE = 'queue.db'
export const STATE_FILE = 'state.db'
