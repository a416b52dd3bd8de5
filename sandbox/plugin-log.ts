/** What plugins write to the log: 100 lines a second each, of at most 1 KiB. The rest is counted. */
import type { Log } from '../core/observe/log.ts'
import { withoutSecret } from './secret.ts'
import { type PluginUsage, usageOf } from './usage.ts'

export interface PluginLine {
  readonly level: 'info' | 'warn'
  readonly text: string
  readonly fields: Readonly<Record<string, unknown>>
}

const LINES_PER_SECOND = 100
const MAX_LINE_CHARS = 1_024
/** What a plughost may send in one second before it is believed to be out of its mind. */
const FLOOD_PER_SECOND = 20_000
const WINDOW_MS = 1_000

export class PluginLog {
  readonly #log: Log
  readonly #usage: Map<string, PluginUsage>
  /** By name: lines since when, in monotonic milliseconds. */
  readonly #windows = new Map<string, { since: number; lines: number }>()

  constructor(log: Log, usage: Map<string, PluginUsage>) {
    this.#log = log
    this.#usage = usage
  }

  /** Writes a line, or counts it. @returns false when it is one of a flood */
  write(
    plugin: string,
    call: { readonly session: string; readonly secret: string } | undefined,
    { level, text, fields }: PluginLine,
  ): boolean {
    const lines = this.#count(plugin)
    if (lines <= LINES_PER_SECOND) {
      const said = withoutSecret(
        { text: text.slice(0, MAX_LINE_CHARS), facts: whole(fields) },
        call?.secret ?? '',
      )
      this.#log[level]('plugin-said', { plugin, session: call?.session, ...said })
      return true
    }
    usageOf(this.#usage, plugin).droppedLogLines++
    if (lines === LINES_PER_SECOND + 1) this.#log.warn('plugin-log-dropped', { plugin })
    return lines <= FLOOD_PER_SECOND
  }

  #count(plugin: string): number {
    const now = performance.now()
    const window = this.#windows.get(plugin)
    if (window !== undefined && now - window.since < WINDOW_MS) return ++window.lines
    this.#windows.set(plugin, { since: now, lines: 1 })
    return 1
  }
}

/** Facts that are too large are left out as a whole, and that is said. */
function whole(fields: PluginLine['fields']): PluginLine['fields'] {
  return JSON.stringify(fields).length > MAX_LINE_CHARS ? { omitted: true } : fields
}
