/**
 * The border as one table: every kind of frame, in both directions, with its payload. Plain data only. What comes from
 * a plughost is not believed: the worker reads it with `parse.ts`, field by field.
 */
/** Worker to plughost. */
export const TO_HOST = {
  /** id: plugin. Payload: JSON LoadRequest. */
  load: 1,
  /**
   * id: call. Payload, a line each:
   * - hook, numbers of the plugins in the order of asking with commas between, the plugins' clock in milliseconds since
   *   1970, seed of their random numbers, and 1 when plughosts died of late, so that before each stay it is written down
   *   which call it is for, else 0; a space between;
   * - JSON of the event without its subject;
   * - name of the subject and its JSON, or nothing;
   * - JSON of the header fields, or nothing.
   */
  ask: 2,
  /** id: call. Payload: JSON `[effect,plugin,ok,value]` without white space; no value, no fourth member. */
  result: 3,
  /** id: call. The call is over for the worker; an answer would be ignored. */
  cancel: 4,
  /** id: 0. Payload: JSON PrepareRequest. Nothing is answered. */
  prepare: 5,
} as const

/** Plughost to worker. */
export const TO_WORKER = {
  /** Sent once, when the plughost can take frames. */
  ready: 64,
  /** id: plugin. Payload: JSON LoadedReport. */
  loaded: 65,
  /** id: plugin. Payload: JSON FaultReport. */
  loadFailed: 66,
  /** id: call. Payload: JSON array of PluginReportTuple, in the order asked. */
  reports: 67,
  /** id: call. Payload: JSON EffectRequest. */
  effect: 68,
  /** id: call, 0 outside one. Payload: JSON LogLine. */
  log: 69,
  /** id: how many frames of the worker's have been dealt with so far (modulo 2^32). */
  progress: 70,
  /** Calls that are over, nobody having had an opinion. id: 0. Payload: JSON QuietReport. */
  quiet: 71,
} as const

export interface LoadRequest {
  readonly name: string
  /** Shown in stack traces. */
  readonly file: string
  /** JavaScript of the plugin, of the module `postern`, and of the prelude. */
  readonly code: string
  readonly api: string
  readonly prelude: string
  /** Configuration as the administrator wrote it; checked and completed by the plugin's own schema; null: it is only looked at. */
  readonly config: unknown
  readonly memoryMb: number
  /** Longest single stay in the isolate, in milliseconds. */
  readonly sliceMs: number
}

/** Isolates to be made ahead, with nothing in them but the prelude. */
export interface PrepareRequest {
  readonly isolates: number
  readonly prelude: string
  readonly memoryMb: number
}

export interface LoadedReport {
  /** What the plugin declares, unchecked. */
  readonly manifest: unknown
  /** What its isolate holds in memory, in octets. */
  readonly heapBytes: number
  /** What loading took; it takes as long again when the plugin loses its isolate. */
  readonly wallMicros: number
}

export interface FaultReport {
  readonly kind: string
  readonly message: string
  readonly stack: string
}

/** `[plugin, kind, cpuMicros, wallMicros, body]`; kind 0 no opinion, 1 answer, 2 fault, 3 lost with its isolate, not to blame. */
export type PluginReportTuple = readonly [number, 0 | 1 | 2 | 3, number, number, unknown?]

/** `[calls, reports]`: every one of these calls has these reports, all of kind 0. */
export type QuietReport = readonly [readonly number[], readonly PluginReportTuple[]]

/** `[effect, plugin, method, arguments]` */
export type EffectRequest = readonly [number, number, string, readonly unknown[]]
