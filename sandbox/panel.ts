/** The plugins as the hooks see them: who has which hook, and what each answers, checked. */
import { HOOKS } from '../core/hooks/hook-table.ts'
import type { PluginCall, PluginIdentity, PluginPanel, PluginReport } from '../core/hooks/plugin-panel.ts'
import { type Answer, type Fault, NO_OPINION } from '../core/mail/answer.ts'
import type { HookEvents, HookName } from '../core/mail/hook-events.ts'
import { HOOK_NAMES } from '../core/mail/hook-events.ts'
import { checkAnswer, isFault } from './answers.ts'
import type { PluginCounters } from './broker/plugin-counters.ts'
import { type CallReport, isQuiet, NO_OPINION_RAW } from './call.ts'
import { jsonOfEvent, textOfEvent } from './event-text.ts'
import { inputOf } from './input.ts'
import type { ReadyPlugin } from './load.ts'
import type { Quarantine } from './quarantine.ts'
import type { RecordedCall, Recording } from './recorder.ts'
import { withoutSecret } from './secret.ts'
import { LEAST_MICROS, type SessionCpu } from './session-cpu.ts'
import { type PluginUsage, usageOf } from './usage.ts'

/** Who is told what activations are made of. */
export type PanelRecording = Pick<Recording, 'trace' | 'add'>

/** What a panel can do without. */
export interface PanelParts {
  /** Where activations are written down. */
  readonly recording?: PanelRecording | null
  /** Where is counted what plugins may not do. */
  readonly counters?: Pick<PluginCounters, 'denied' | 'quotaRefused'> | null
  /** What plugins have used for each session. */
  readonly cpu?: SessionCpu | null
}

/** Subscribers that are asked in one frame. */
interface Segment {
  readonly plugins: readonly ReadyPlugin[]
  readonly numbers: readonly number[]
}

const SPENT: Fault = Object.freeze({
  kind: 'unavailable',
  message: 'not asked: it has used 250 ms of the processor for this session',
  stack: '',
})

export class Panel implements PluginPanel {
  readonly plugins: readonly ReadyPlugin[]
  readonly usage: Map<string, PluginUsage>
  readonly #quarantine: Quarantine
  readonly #recording: PanelRecording | null
  readonly #counters: PanelParts['counters']
  readonly #cpu: SessionCpu | null
  /** For each hook, who is asked together from each subscriber on. */
  readonly #segments: Readonly<Record<HookName, readonly Segment[]>>
  readonly #identities: Readonly<Record<HookName, readonly PluginIdentity[]>>
  readonly #saidQuietly = new WeakMap<readonly CallReport[], readonly PluginReport[]>()

  /**
   * @param usage what plugins did so far, by name; entries are added and counted on
   */
  constructor(
    plugins: readonly ReadyPlugin[],
    usage: Map<string, PluginUsage>,
    quarantine: Quarantine,
    { recording = null, counters = null, cpu = null }: PanelParts = {},
  ) {
    this.#counters = counters
    this.#cpu = cpu
    this.#quarantine = quarantine
    this.#recording = recording
    this.plugins = plugins
    this.usage = usage
    for (const { identity } of plugins) usageOf(usage, identity.name)
    const byHook = HOOK_NAMES.map(
      (hook) => [hook, plugins.filter(({ manifest }) => manifest.hooks.includes(hook))] as const,
    )
    this.#segments = Object.fromEntries(
      byHook.map(([hook, subscribers]) => [
        hook,
        subscribers.map((_, from) => segment(subscribers, from, hook)),
      ]),
    ) as unknown as Record<HookName, readonly Segment[]>
    this.#identities = Object.fromEntries(
      byHook.map(([hook, subscribers]) => [hook, subscribers.map(({ identity }) => identity)]),
    ) as unknown as Record<HookName, readonly PluginIdentity[]>
  }

  subscribers(hook: HookName): readonly PluginIdentity[] {
    return this.#identities[hook]
  }

  get takesTokens(): boolean {
    return this.plugins.some(
      ({ manifest, permissions }) => manifest.hooks.includes('auth') && permissions.credentials,
    )
  }

  isPenalized(network: string): boolean {
    return this.#quarantine.isPenalized(network)
  }

  async ask<H extends HookName>(call: PluginCall<H>, from: number): Promise<readonly PluginReport[]> {
    const { hook, message, session, chainMs } = call
    const together = this.#segments[hook][from]
    const first = together?.plugins[0]
    if (together === undefined || first === undefined) return []
    const isCalm = this.#quarantine.isCalm && this.#cpu?.isCalm !== false
    const allowed = isCalm ? together : await this.#allowed(together.plugins, call)
    if ('kind' in allowed) return [this.#notAsked(first, allowed)]
    const { plugins: asked, numbers } = allowed
    const { told, secret } = view(call, first)
    const seesFields = first.permissions.headersRead && message !== null
    const event = textOfEvent(told)
    const fieldsJson = seesFields ? JSON.stringify(message.headers()) : ''
    const trace = this.#recording?.trace(asked) ?? null
    const reports = await first.domain.ask({
      hook,
      plugins: numbers,
      event,
      fieldsJson,
      message,
      session,
      transaction: 'transaction' in told ? told.transaction.number : null,
      secret,
      pluginMs: HOOKS[hook].pluginMs,
      chainMs,
      trace,
      isBarred: (number) =>
        this.#barred(
          call,
          asked.find((plugin) => plugin.number === number),
        ),
    })
    if (!this.#quarantine.isCalm || reports.some(({ fault }) => fault !== null))
      await this.#charge(call, asked, reports)
    const recorded =
      trace === null
        ? null
        : { trace, hook, session, eventJson: jsonOfEvent(event), fieldsJson, isSecret: secret !== '' }
    this.#bookCpu(call, asked, reports)
    if (recorded === null && isQuiet(reports)) return this.#quiet(allowed, reports)
    return this.#checked(hook, asked, reports, secret, recorded)
  }

  /** Those up to the first that is not to be asked about this; the fault when that is the first of all. */
  async #allowed(together: readonly ReadyPlugin[], call: PluginCall): Promise<Segment | Fault> {
    const input = this.#quarantine.isEmpty ? null : await inputOf(call)
    const plugins: ReadyPlugin[] = []
    for (const plugin of together) {
      const fault = this.#spent(plugin, call) ?? this.#quarantine.fault(keyOf(plugin), input)
      if (fault === null) plugins.push(plugin)
      else if (plugins.length === 0) return fault
      else break
    }
    return segmentOf(plugins)
  }

  #spent({ identity: { name: plugin } }: ReadyPlugin, { hook, session }: PluginCall): Fault | null {
    return this.#cpu?.isSpent({ hook, session, plugin }) === true ? SPENT : null
  }

  #bookCpu(
    { hook, session }: PluginCall,
    asked: readonly ReadyPlugin[],
    reports: readonly CallReport[],
  ): void {
    if (this.#cpu === null) return
    for (let index = 0; index < reports.length; index++) {
      const { cpuMicros } = reports[index] as CallReport
      if (cpuMicros < LEAST_MICROS) continue
      this.#cpu.used({ hook, session, plugin: asked[index]?.identity.name ?? '' }, cpuMicros)
    }
  }

  async #barred(call: PluginCall, plugin: ReadyPlugin | undefined): Promise<Fault | null> {
    if (plugin === undefined || this.#quarantine.isEmpty) return null
    return this.#quarantine.fault(keyOf(plugin), await inputOf(call))
  }

  #notAsked({ identity }: ReadyPlugin, fault: Fault): PluginReport {
    this.#count(identity.name, 0, true, false)
    if (fault === SPENT) this.#counters?.quotaRefused(identity.name, 'cpu.session')
    usageOf(this.usage, identity.name).notAsked++
    return { plugin: identity, answer: null, fault, wallMicros: 0, cpuMicros: 0 }
  }

  /** What a plugin died of is kept from it. */
  async #charge(
    call: PluginCall,
    asked: readonly ReadyPlugin[],
    reports: readonly CallReport[],
  ): Promise<void> {
    for (const [index, { fault, charge }] of reports.entries()) {
      const plugin = keyOf(asked[index] as ReadyPlugin)
      if (fault === null || fault.kind === 'throw') this.#quarantine.answered(plugin)
      else if (charge !== null) this.#quarantine.charge(plugin, await inputOf(call), charge)
    }
  }

  /** There is nothing to check, and what is said of it is the same for every call that has these reports. */
  #quiet({ plugins }: Segment, reports: readonly CallReport[]): readonly PluginReport[] {
    let said = this.#saidQuietly.get(reports)
    if (said === undefined || said[0]?.plugin !== plugins[0]?.identity) {
      said = reports.map(({ wallMicros, cpuMicros }, index) => {
        const { identity } = plugins[index] as ReadyPlugin
        return { plugin: identity, answer: NO_OPINION, fault: null, wallMicros, cpuMicros }
      })
      this.#saidQuietly.set(reports, said)
    }
    for (const { plugin, cpuMicros } of said) this.#count(plugin.name, cpuMicros, false, false)
    return said
  }

  #answerOf(hook: HookName, { permissions, identity }: ReadyPlugin, { answer }: CallReport): Answer | Fault {
    if (answer === NO_OPINION_RAW) return NO_OPINION
    return checkAnswer(hook, permissions, answer, (permission) =>
      this.#counters?.denied(identity.name, permission),
    )
  }

  /** Reports up to the first that is a refusal or turns out to be a fault. */
  #checked(
    hook: HookName,
    asked: readonly ReadyPlugin[],
    reports: readonly CallReport[],
    secret: string,
    recorded: RecordedCall | null,
  ): readonly PluginReport[] {
    const out: PluginReport[] = []
    for (let index = 0; index < reports.length; index++) {
      const report = reports[index] as CallReport
      const plugin = asked[index] as ReadyPlugin
      const checked = withoutPassword(
        inAuthorsFiles(report.fault, plugin) ?? this.#answerOf(hook, plugin, report),
        secret,
      )
      const { cpuMicros, wallMicros } = report
      const failed = isFault(checked)
      if (recorded !== null)
        this.#recording?.add(plugin, recorded, failed ? { fault: checked } : checked, cpuMicros)
      this.#count(plugin.identity.name, cpuMicros, failed, !failed && checked.refusal !== null)
      // One that was not asked after all, its like having killed the plughost meanwhile.
      if (report.fault?.kind === 'quarantined') usageOf(this.usage, plugin.identity.name).notAsked++
      out.push({
        plugin: plugin.identity,
        answer: failed ? null : checked,
        fault: failed ? checked : null,
        wallMicros,
        cpuMicros,
      })
      if (failed) break
    }
    return out
  }

  #count(name: string, cpuMicros: number, failed: boolean, refused: boolean): void {
    const usage = usageOf(this.usage, name)
    usage.calls++
    usage.cpuMicros += cpuMicros
    if (failed) usage.faults++
    if (refused) usage.refusals++
  }
}

/**
 * From number `from` on, the subscribers that live in one process and may see the same: they share one frame, and none
 * is shown by it what only another may see.
 */
function segment(subscribers: readonly ReadyPlugin[], from: number, hook: HookName): Segment {
  const rest = subscribers.slice(from)
  const view = hook === 'data' ? 'headersRead' : hook === 'auth' ? 'credentials' : null
  const first = rest[0]
  const end = rest.findIndex(
    ({ domain, permissions }) =>
      domain !== first?.domain || (view !== null && permissions[view] !== first.permissions[view]),
  )
  return segmentOf(end < 0 ? rest : rest.slice(0, end))
}

function segmentOf(plugins: readonly ReadyPlugin[]): Segment {
  return { plugins, numbers: plugins.map(({ number }) => number) }
}

/** The event as a plugin may see it, and the password or token in it, '' when there is none. */
function view(
  { event }: PluginCall,
  plugin: ReadyPlugin,
): { readonly told: HookEvents[HookName]; readonly secret: string } {
  if (!('password' in event)) return { told: event, secret: '' }
  if (plugin.permissions.credentials) return { told: event, secret: event.password ?? event.token ?? '' }
  return { told: { ...event, password: null, token: null }, secret: '' }
}

function inAuthorsFiles(fault: Fault | null, { stacks }: ReadyPlugin): Fault | null {
  return fault === null ? null : { ...fault, stack: stacks.of(fault.stack) }
}

/** Texts and facts end in the record and the log. An accepted identity stays: it may well contain the password. */
function withoutPassword(checked: Answer | Fault, secret: string): Answer | Fault {
  if (secret === '') return checked
  if (isFault(checked)) return withoutSecret(checked, secret)
  const { refusal, note, actions } = checked
  return {
    refusal: withoutSecret(refusal, secret),
    note: withoutSecret(note, secret),
    actions: actions.map((action) =>
      action.kind === 'auth.accept' ? action : withoutSecret(action, secret),
    ),
  }
}

/** A mended plugin starts anew. */
function keyOf({ identity }: ReadyPlugin): string {
  return `${identity.name} ${identity.build}`
}
