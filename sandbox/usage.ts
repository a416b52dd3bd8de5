/** What plugins did so far: counted by the worker, for status and metrics. */
export interface PluginUsage {
  calls: number
  refusals: number
  faults: number
  cpuMicros: number
  /** Log lines beyond what it may write in a second. */
  droppedLogLines: number
  /** Questions it was not asked, because their like had brought it down, or its breaker was open. */
  notAsked: number
}

/** The entry of a plugin; a new one begins at zero. */
export function usageOf(usage: Map<string, PluginUsage>, plugin: string): PluginUsage {
  const known = usage.get(plugin)
  if (known !== undefined) return known
  const fresh = {
    calls: 0,
    refusals: 0,
    faults: 0,
    cpuMicros: 0,
    droppedLogLines: 0,
    notAsked: 0,
  }
  usage.set(plugin, fresh)
  return fresh
}
