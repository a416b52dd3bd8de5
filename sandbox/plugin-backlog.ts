/** What waits for plugins: whether more mail would only wait behind it. */

export interface PluginBacklog {
  /** Calls under way. */
  readonly calls: number
  /** How long there has been no plughost to take them, milliseconds; 0 while there is one. */
  readonly absentMs: number
}

export const NO_PLUGIN_BACKLOG: PluginBacklog = Object.freeze({ calls: 0, absentMs: 0 })

/** The worst of several, each in its own respect. */
export function worstBacklog(backlogs: readonly PluginBacklog[]): PluginBacklog {
  return backlogs.reduce(
    (worst, { calls, absentMs }) => ({
      calls: Math.max(worst.calls, calls),
      absentMs: Math.max(worst.absentMs, absentMs),
    }),
    NO_PLUGIN_BACKLOG,
  )
}
