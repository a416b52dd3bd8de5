/** One call in flight: which plugins are asked, how far it got, and when it is given up. */
import type { Fault } from '../core/mail/answer.ts'
import type { HookName, MessageReader } from '../core/mail/hook-events.ts'
import type { ActivationTrace } from './activation.ts'
import type { EventText } from './event-text.ts'
import type { RawReport } from './protocol/parse.ts'
import type { Charge } from './quarantine.ts'

export interface Question {
  readonly hook: HookName
  /** Numbers of the plugins, in order of asking. */
  readonly plugins: readonly number[]
  readonly event: EventText
  /** JSON of the header fields, '' when none of these plugins may see them. */
  readonly fieldsJson: string
  readonly message: MessageReader | null
  readonly session: string
  /** Number of the transaction within the session; null where the event has none. */
  readonly transaction: number | null
  /** A password these plugins were told, '' without one: it goes into no log. */
  readonly secret: string
  readonly pluginMs: number
  readonly chainMs: number
  /** Why this plugin is not to be asked about it after all; looked at before it is asked again. */
  isBarred(plugin: number): Promise<Fault | null>
  /** Gathers what happens, where it is recorded. */
  readonly trace?: ActivationTrace | null
}

/** A report the border made: the plughost's own, or a fault found on this side. */
export interface CallReport {
  readonly plugin: number
  /** Unchecked answer; null with a fault. */
  readonly answer: unknown
  readonly fault: Fault | null
  readonly cpuMicros: number
  readonly wallMicros: number
  /** The fault is charged to what the plugin was asked about. */
  readonly charge: Charge | null
}

/** Tools one plugin uses in its turn. */
export interface ToolsUsed {
  used: number
  /** Of them, not over yet. */
  underWay: number
  /** Counts of metrics, which are none of those. */
  counts: number
}

/** What became of a call after it was told something. */
export type Progress = 'goes-on' | 'over' | 'ask-again'

/** A plugin that loses its isolate this often without being to blame has no luck worth waiting for. */
const MOST_REPEATS = 3

/** The answer of a plugin that said nothing: this very object, which no plughost can send. */
export const NO_OPINION_RAW: unknown = Object.freeze([null, Object.freeze([])])

export class Call {
  readonly id: number
  readonly question: Question
  #reports: CallReport[] = []
  /** The plugin being asked made an effect that changes something: asking it again would make it twice. */
  wrote = false
  /** Given to a plughost that is alive. */
  isSent = false
  /** Of the plugin being asked; each has its own, so that what ends late counts for the one that began it. */
  tools: ToolsUsed = noTools()
  readonly #resolve: (reports: readonly CallReport[]) => void
  readonly #chainEndsAt: number
  #pluginStartedAt: number
  #askedAgain = 0
  /** Known to fail when its turn comes: it killed the plughost while earlier answers of this call were lost with it. */
  #condemned: { readonly plugin: number; readonly fault: Fault; readonly charge: Charge | null } | null = null

  constructor(
    id: number,
    question: Question,
    now: number,
    resolve: (reports: readonly CallReport[]) => void,
  ) {
    this.id = id
    this.question = question
    this.#resolve = resolve
    this.#pluginStartedAt = now
    this.#chainEndsAt = now + question.chainMs
  }

  get reports(): readonly CallReport[] {
    return this.#reports
  }

  /** The plugin whose turn it is, undefined when all were asked. */
  get turn(): number | undefined {
    return this.question.plugins[this.reports.length]
  }

  /** Plugins still to be asked, up to one known to fail. */
  get remaining(): readonly number[] {
    const rest = this.question.plugins.slice(this.reports.length)
    const end = this.#condemned === null ? -1 : rest.indexOf(this.#condemned.plugin)
    return end < 0 ? rest : rest.slice(0, end)
  }

  /** Books what the plughost reports. @returns null when it reports about a plugin that was not asked */
  take(report: RawReport, now: number): Progress | null {
    if (report.plugin !== this.turn) return null
    const { plugin, cpuMicros, wallMicros, body } = report
    if (report.kind === 3) return this.#lost('its isolate ended while it waited')
    if (report.kind === 2) {
      const fault = faultOf(body)
      const charge = fault.kind === 'timeout' || fault.kind === 'memory' ? 'isolate' : null
      return this.fail(fault, { cpuMicros, wallMicros, charge })
    }
    const answer = report.kind === 0 ? NO_OPINION_RAW : body
    this.#reports.push({ plugin, answer, fault: null, cpuMicros, wallMicros, charge: null })
    this.#pluginStartedAt = now
    this.wrote = false
    this.tools = noTools()
    return endsCall(answer, this.question.hook) || this.turn === undefined ? 'over' : this.#meetCondemned()
  }

  /**
   * Books that none of the plugins that were left had an opinion.
   *
   * @param raw what the plughost reports
   * @param reports the same, made once for all the calls it is true of
   * @returns null when it reports about a plugin that was not asked
   */
  takeQuiet(raw: readonly RawReport[], reports: CallReport[], now: number): Progress | null {
    const { plugins } = this.question
    if (this.#reports.length === 0 && this.#condemned === null && areOf(reports, plugins)) {
      this.#reports = reports
      return 'over'
    }
    let progress: Progress | null = 'goes-on'
    for (const report of raw) {
      progress = this.take(report, now)
      if (progress !== 'goes-on') break
    }
    return progress
  }

  /** The plugin whose turn it is failed. */
  fail(fault: Fault, more: Partial<CallReport> = {}): Progress {
    const plugin = this.turn
    if (plugin !== undefined)
      this.#reports.push({ plugin, answer: null, fault, cpuMicros: 0, wallMicros: 0, charge: null, ...more })
    return 'over'
  }

  /** The plughost died. `guilty`: the plugin it died in, when that was in this call. */
  hostDied(guilty: number | null, fault: Fault): Progress {
    if (guilty === null) return this.#lost('its plughost ended while it waited')
    const position = this.question.plugins.indexOf(guilty)
    if (position < this.reports.length) return this.#lost('its plughost ended while it waited')
    this.#condemned = { plugin: guilty, fault, charge: 'process' }
    if (position === this.reports.length) return this.#meetCondemned()
    return this.wrote ? this.fail(fault) : this.#askAgain()
  }

  /** When its turn comes, this plugin is not asked and fails like this. */
  bar(plugin: number, fault: Fault): Progress {
    this.#condemned ??= { plugin, fault, charge: null }
    return this.#meetCondemned()
  }

  /** A fault when the plugin or the whole chain took too long, null when there is time left. */
  overdue(now: number): Fault | null {
    const { hook, pluginMs, chainMs } = this.question
    if (now - this.#pluginStartedAt > pluginMs)
      return { kind: 'timeout', message: `no answer within ${pluginMs} ms in ${hook}`, stack: '' }
    if (now > this.#chainEndsAt)
      return { kind: 'timeout', message: `${hook} took longer than ${chainMs} ms in all`, stack: '' }
    return null
  }

  resolve(): void {
    this.#resolve(this.reports)
  }

  /** Innocent of what happened: asked again a few times, unless an effect would happen twice. */
  #lost(why: string): Progress {
    if (this.wrote || this.#askedAgain >= MOST_REPEATS)
      return this.fail({ kind: 'unavailable', message: why, stack: '' })
    this.#askedAgain++
    return this.#askAgain()
  }

  /** From the beginning, its tools too. */
  #askAgain(): Progress {
    this.tools = noTools()
    return 'ask-again'
  }

  #meetCondemned(): Progress {
    if (this.#condemned === null || this.#condemned.plugin !== this.turn) return 'goes-on'
    const { fault, charge } = this.#condemned
    return this.fail(fault, { charge })
  }
}

/** Reports of plugins that have no opinion. Of one array of them a call keeps nothing else, and changes nothing. */
export function quietReports(raw: readonly RawReport[]): CallReport[] {
  const reports = raw.map(({ plugin, cpuMicros, wallMicros }) => ({
    plugin,
    answer: NO_OPINION_RAW,
    fault: null,
    cpuMicros,
    wallMicros,
    charge: null,
  }))
  quiet.add(reports)
  return reports
}

/** Whether all of a call's plugins were asked and none had an opinion. */
export function isQuiet(reports: readonly CallReport[]): boolean {
  return quiet.has(reports)
}

const quiet = new WeakSet<readonly CallReport[]>()

function areOf(reports: readonly CallReport[], plugins: readonly number[]): boolean {
  return reports.length === plugins.length && reports.every(({ plugin }, index) => plugin === plugins[index])
}

function noTools(): ToolsUsed {
  return { used: 0, underWay: 0, counts: 0 }
}

/** A refusal does, and so does what is no answer here. An acceptance can still be refused by those asked later. */
function endsCall(answer: unknown, hook: HookName): boolean {
  const said = (answer as readonly unknown[])[0] as { kind?: unknown } | null
  if (said === null || typeof said !== 'object' || said.kind === 'pass') return false
  return said.kind !== 'accept' || hook !== 'auth'
}

const FAULT_KINDS = new Set(['throw', 'timeout', 'memory', 'unavailable'])

function faultOf(body: unknown): Fault {
  const { kind, message, stack } = body as { kind: unknown; message: unknown; stack: unknown }
  return {
    kind: FAULT_KINDS.has(String(kind)) ? (kind as Fault['kind']) : 'throw',
    message: String(message).slice(0, 500),
    stack: String(stack).slice(0, 4000),
  }
}
