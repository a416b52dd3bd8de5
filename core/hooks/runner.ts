/**
 * The runner: asks every plugin of a hook in order until one refuses, and says what it all means. A plugin that fails
 * never lets mail through unless its configuration says `onError: skip`.
 */

import { type Action, type Fault, NO_OPINION, type Refusal } from '../mail/answer.ts'
import type { HookEvents, HookName, MessageReader } from '../mail/hook-events.ts'
import type { SessionRecord } from '../observe/decision-record.ts'
import type { Log } from '../observe/log.ts'
import { HOOKS, UNSAID } from './hook-table.ts'
import type { PluginPanel, PluginReport } from './plugin-panel.ts'

export interface TakenAction {
  readonly plugin: string
  readonly action: Action
}

/** A refusal on its way to the client. */
export interface HookRefusal {
  readonly plugin: string
  readonly code: number
  readonly status: string
  readonly text: string
  readonly reference: string
  /** The connection ends with the reply. */
  readonly disconnect: boolean
  /** At `deliver`: when to ask again, in seconds; without it the queue decides. */
  readonly waitSeconds?: number
}

export interface HookOutcome {
  readonly refusal: HookRefusal | null
  readonly actions: readonly TakenAction[]
  /** A plugin failed whose answer the client is owed at MAIL: the refusal it will hear there. */
  readonly owed: HookRefusal | null
  /** A plugin failed and was passed over: what it would have said, a grant too, is not known. */
  readonly incomplete: boolean
}

const NOTHING: HookOutcome = Object.freeze({
  refusal: null,
  actions: Object.freeze([]),
  owed: null,
  incomplete: false,
})

export class HookRunner {
  readonly #panel: PluginPanel
  readonly #monotonic: () => number
  readonly #log: Log
  /** Transactions that began with these plugins, and questions under way. */
  #users = 0
  #unused: (() => void) | null = null

  constructor(panel: PluginPanel, monotonic: () => number, log: Log) {
    this.#panel = panel
    this.#monotonic = monotonic
    this.#log = log
  }

  /** Whether there is anybody to ask. */
  hasSubscribers(hook: HookName): boolean {
    return this.#panel.subscribers(hook).length > 0
  }

  /** Whether there is anybody to ask what a bearer token is worth. */
  get takesTokens(): boolean {
    return this.#panel.takesTokens
  }

  /** Whether this client network is to be sent away for what it has done to the plugins. */
  isPenalized(network: string): boolean {
    return this.#panel.isPenalized(network)
  }

  /** Something begins that will ask these plugins again, whoever takes over meanwhile: until `leave`. */
  enter(): void {
    this.#users++
  }

  leave(): void {
    this.#users--
    if (this.#users === 0) this.#unused?.()
  }

  /** Others have taken over: `unused` is called once nobody is left who began with these plugins. */
  retire(unused: () => void): void {
    this.#unused = unused
    if (this.#users === 0) unused()
  }

  /** Asks the plugins of `hook`. Never rejects. */
  async ask<H extends HookName>(
    hook: H,
    event: HookEvents[H],
    message: MessageReader | null,
    record: SessionRecord,
  ): Promise<HookOutcome> {
    const subscribers = this.#panel.subscribers(hook)
    if (subscribers.length === 0) return NOTHING
    const endsAt = this.#monotonic() + HOOKS[hook].chainMs
    const actions: TakenAction[] = []
    let owed: HookRefusal | null = null
    let incomplete = false
    let asked = 0
    this.enter()
    try {
      while (asked < subscribers.length) {
        const chainMs = Math.max(0, endsAt - this.#monotonic())
        const reports = await this.#panel.ask({ hook, event, message, session: record.id, chainMs }, asked)
        if (reports.length === 0) throw new Error(`no report from the plugins of ${hook}`)
        asked += reports.length
        if (reports.every(({ answer }) => answer === NO_OPINION)) {
          record.noOpinions(hook, reports)
          continue
        }
        for (const report of reports) {
          const said = this.#take(hook, report, actions, record)
          incomplete ||= report.answer === null
          if (said === null) continue
          if (said.owed) owed ??= said.refusal
          else return { refusal: said.refusal, actions, owed, incomplete }
        }
      }
    } finally {
      this.leave()
    }
    return { refusal: null, actions, owed, incomplete }
  }

  /** Books one report; a refusal that comes of it, if any. */
  #take(
    hook: HookName,
    report: PluginReport,
    actions: TakenAction[],
    record: SessionRecord,
  ): { refusal: HookRefusal; owed: boolean } | null {
    const plugin = report.plugin.name
    if (report.answer !== null) {
      for (const action of report.answer.actions) actions.push({ plugin, action })
      const reference = record.decided(hook, report)
      const refusal = report.answer.refusal
      return refusal === null ? null : { refusal: wireRefusal(hook, plugin, refusal, reference), owed: false }
    }
    return this.#fail(hook, report, actions, record)
  }

  /** What a failure means is the configuration's word; that it happened is always told. */
  #fail(
    hook: HookName,
    report: PluginReport,
    actions: TakenAction[],
    record: SessionRecord,
  ): { refusal: HookRefusal; owed: boolean } | null {
    const { name: plugin } = report.plugin
    const onError = HOOKS[hook].failure === 'never' ? 'skip' : report.plugin.onError
    const reference = record.decided(hook, { ...report, plugin: { ...report.plugin, onError } })
    const { kind, message, stack } = report.fault ?? NO_REASON
    const at = stack.split('\n').find((line) => /:\d+:\d+\)?$/.test(line) && !line.includes('postern:'))
    const session = record.id
    this.#log.warn('plugin-failed', {
      plugin,
      hook,
      session,
      kind,
      reason: message,
      at: at?.trim(),
      onError,
      reference,
    })
    if (onError === 'skip') return null
    if (onError === 'hold') {
      actions.push({ plugin, action: { kind: 'hold', text: `failed in ${hook}`, recipients: null } })
      return null
    }
    return { refusal: failureRefusal(hook, plugin, reference), owed: HOOKS[hook].failure === 'at-mail' }
  }
}

const NO_REASON: Fault = Object.freeze({ kind: 'unavailable', message: 'no answer', stack: '' })

function wireRefusal(hook: HookName, plugin: string, refusal: Refusal, reference: string): HookRefusal {
  const disconnect = refusal.kind === 'disconnect'
  const permanent = refusal.status.startsWith('5')
  const code = disconnect && permanent ? 554 : (HOOKS[hook].codes[refusal.kind] ?? 451)
  const { text, waitSeconds } = refusal
  if (code === UNSAID) {
    const unsaid = { plugin, code, status: refusal.status, text, reference, disconnect }
    return waitSeconds === undefined ? unsaid : { ...unsaid, waitSeconds }
  }
  // RFC 3463 §2: the class of the status is the first digit of the reply, or clients believe one or the other.
  const status = `${code < 500 ? 4 : 5}${refusal.status.slice(1)}`
  return { plugin, code, status, text, reference, disconnect }
}

/** Local trouble is never 5yz, and the client is not told whose it is. */
function failureRefusal(hook: HookName, plugin: string, reference: string): HookRefusal {
  const text = 'Policy check not available, try again later'
  const code = HOOKS[hook].failureCode
  const status = code === 454 ? '4.7.0' : '4.3.0'
  return { plugin, code, status, text, reference, disconnect: false }
}
