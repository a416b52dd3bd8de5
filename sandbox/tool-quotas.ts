/** How much of its tools one plugin may use: in its turn of a call, at once, and in a second. */
import { QuotaExceeded } from './broker/effect.ts'
import type { Call } from './call.ts'

/** One use of a tool, as it is asked for. */
export interface ToolUse {
  readonly call: Call
  /** The plugin's name. */
  readonly plugin: string
  readonly method: string
  /** Size of the request. */
  readonly chars: number
}

/** Of one call at once: results of all of them may lie in memory together. */
const MAX_AT_ONCE = 16
/** Of one plugin in one call of a hook, beside reading the body once. */
const MAX_IN_CALL = 64
/** A plugin that goes on after so many refusals is not asked on. */
const MAX_TRIES = 2 * MAX_IN_CALL
const BODY_PIECE_BYTES = 65_536
/** Bounded by the size of the message, and no faster than it can be read. */
const BODY_PIECE = 'body.chunk'
const MAX_REQUEST_CHARS = 70_000
/** What is sent may be large and is checked there; no more comes out of an isolate in one piece. */
const LARGE_REQUESTS: ReadonlySet<string> = new Set(['http.fetch', 'tcp.exchange'])
const MAX_LARGE_REQUEST_CHARS = 1_000_000
/** Costs next to nothing and is waited for by nobody: a plugin would never hear that it was one too many. */
const COUNT = 'metrics.count'
const MAX_COUNTS_IN_CALL = 1_000
/** Of one plugin, all its calls together. */
const MAX_OF_PLUGIN_AT_ONCE = 256
const MAX_IN_SECOND = 2_000
const WINDOW_MS = 1_000

/** What one plugin has at work, and what it began in the window. */
interface PluginWork {
  underWay: number
  begun: number
  /** Monotonic, milliseconds. */
  since: number
}

export class ToolQuotas {
  readonly #plugins = new Map<string, PluginWork>()
  readonly #now: () => number
  readonly #perSecond: number

  /** @param now monotonic, milliseconds */
  constructor(now: () => number, perSecond: number = MAX_IN_SECOND) {
    this.#now = now
    this.#perSecond = perSecond
  }

  /** Books one use. @returns what it is too much of, else null, and what to call when it is over */
  begin(use: ToolUse): { readonly exceeded: QuotaExceeded | null; readonly end: () => void } {
    const { tools } = use.call
    if (use.method === COUNT) {
      tools.counts++
      return { exceeded: countsExceeded(use.call), end: () => {} }
    }
    tools.used++
    tools.underWay++
    const work = this.#workOf(use.plugin)
    const perSecond = use.method === BODY_PIECE ? Number.POSITIVE_INFINITY : this.#perSecond
    const exceeded = callExceeded(use) ?? pluginExceeded(work, perSecond)
    if (exceeded === null) {
      work.underWay++
      if (use.method !== BODY_PIECE) work.begun++
    }
    const end = (): void => {
      tools.underWay--
      if (exceeded === null) work.underWay--
    }
    return { exceeded, end }
  }

  #workOf(plugin: string): PluginWork {
    const now = this.#now()
    let work = this.#plugins.get(plugin)
    if (work === undefined) this.#plugins.set(plugin, (work = { underWay: 0, begun: 0, since: now }))
    if (now - work.since >= WINDOW_MS) {
      work.begun = 0
      work.since = now
    }
    return work
  }
}

/** Whether a plugin has tried so often that its call is to be ended. */
export function isBeyondPatience(call: Call): boolean {
  const { used, counts } = call.tools
  return used > allowed(call) + MAX_TRIES || counts > 2 * MAX_COUNTS_IN_CALL
}

function countsExceeded({ tools }: Call): QuotaExceeded | null {
  if (tools.counts <= MAX_COUNTS_IN_CALL) return null
  return new QuotaExceeded('metrics.in-call', `more than ${MAX_COUNTS_IN_CALL} counts in one call`)
}

function callExceeded({ call, method, chars }: ToolUse): QuotaExceeded | null {
  if (call.tools.underWay > MAX_AT_ONCE)
    return new QuotaExceeded('effects.at-once', `more than ${MAX_AT_ONCE} tools of one call at work at once`)
  if (call.tools.used > allowed(call))
    return new QuotaExceeded('effects.in-call', `tools used more than ${allowed(call)} times in one call`)
  const most = LARGE_REQUESTS.has(method) ? MAX_LARGE_REQUEST_CHARS : MAX_REQUEST_CHARS
  if (chars > most)
    return new QuotaExceeded('effects.request-size', `arguments of more than ${most} characters`)
  return null
}

function pluginExceeded({ underWay, begun }: PluginWork, perSecond: number): QuotaExceeded | null {
  if (underWay >= MAX_OF_PLUGIN_AT_ONCE)
    return new QuotaExceeded(
      'effects.plugin-at-once',
      `more than ${MAX_OF_PLUGIN_AT_ONCE} tools of one plugin at work at once`,
    )
  if (begun >= perSecond)
    return new QuotaExceeded('effects.in-second', `tools used more than ${perSecond} times in a second`)
  return null
}

/** A body can be read to its end, whatever its size. */
function allowed({ question: { message } }: Call): number {
  return MAX_IN_CALL + Math.ceil((message?.sizeBytes ?? 0) / BODY_PIECE_BYTES)
}
