/** What a plugin has for itself in its isolate. */

/** Memory, in MiB. */
export const MEMORY_MB = 32
/** Longest single stay, in milliseconds. */
export const SLICE_MS = 100
