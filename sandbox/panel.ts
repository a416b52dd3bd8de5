/** The plugins as the hooks see them: who has which hook, and what each answers, checked. */
import { HOOKS } from '../core/hooks/hook-table.ts'
import type { PluginCall, PluginIdentity, PluginPanel, PluginReport } from '../core/hooks/plugin-panel.ts'
import type { Answer, Fault } from '../core/mail/answer.ts'
import type { HookEvents, HookName } from '../core/mail/hook-events.ts'
import { HOOK_NAMES } from '../core/mail/hook-events.ts'
import { checkAnswer, isFault } from './answers.ts'
import type { CallReport } from './call.ts'
import type { ReadyPlugin } from './load.ts'
import type { RecordedCall, Recording } from './recorder.ts'
import { withoutSecret } from './secret.ts'
import type { TrustDomain } from './trust-domain.ts'

/** What a plugin did so far. */
export interface PluginUsage {
  calls: number
  refusals: number
  faults: number
  cpuMicros: number
}

/** Who is told what activations are made of. */
export type PanelRecording = Pick<Recording, 'trace' | 'add'>

export class Panel implements PluginPanel {
  readonly plugins: readonly ReadyPlugin[]
  readonly usage: ReadonlyMap<string, PluginUsage>
  readonly #domain: TrustDomain
  readonly #recording: PanelRecording | null
  readonly #byHook: Readonly<Record<HookName, readonly ReadyPlugin[]>>
  readonly #identities: Readonly<Record<HookName, readonly PluginIdentity[]>>

  /**
   * @param usage what plugins did so far, by name; entries are added and counted on
   * @param recording where activations are written down; null for nowhere
   */
  constructor(
    plugins: readonly ReadyPlugin[],
    domain: TrustDomain,
    usage: Map<string, PluginUsage>,
    recording: PanelRecording | null = null,
  ) {
    this.#recording = recording
    this.plugins = plugins
    this.#domain = domain
    this.usage = usage
    for (const { identity } of plugins) if (!usage.has(identity.name)) usage.set(identity.name, newUsage())
    const byHook = HOOK_NAMES.map(
      (hook) => [hook, plugins.filter(({ manifest }) => manifest.hooks.includes(hook))] as const,
    )
    this.#byHook = Object.fromEntries(byHook) as unknown as Record<HookName, readonly ReadyPlugin[]>
    this.#identities = Object.fromEntries(
      byHook.map(([hook, subscribers]) => [hook, subscribers.map(({ identity }) => identity)]),
    ) as unknown as Record<HookName, readonly PluginIdentity[]>
  }

  subscribers(hook: HookName): readonly PluginIdentity[] {
    return this.#identities[hook]
  }

  async ask<H extends HookName>(call: PluginCall<H>, from: number): Promise<readonly PluginReport[]> {
    const { hook, message, session, chainMs } = call
    const asked = sameView(this.#byHook[hook], from, hook)
    const { told, secret } = view(call, asked[0])
    const seesFields = asked[0]?.permissions.headersRead === true && message !== null
    const eventJson = JSON.stringify(told)
    const fieldsJson = seesFields ? JSON.stringify(message.headers()) : ''
    const trace = this.#recording?.trace(asked) ?? null
    const reports = await this.#domain.ask({
      hook,
      plugins: asked.map(({ number }) => number),
      eventJson,
      fieldsJson,
      message,
      session,
      secret,
      pluginMs: HOOKS[hook].pluginMs,
      chainMs,
      trace,
    })
    const recorded =
      trace === null ? null : { trace, hook, session, eventJson, fieldsJson, isSecret: secret !== '' }
    return this.#checked(hook, asked, reports, secret, recorded)
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
    for (const [index, report] of reports.entries()) {
      const plugin = asked[index] as ReadyPlugin
      const checked = withoutPassword(
        report.fault ?? checkAnswer(hook, plugin.permissions, report.answer),
        secret,
      )
      const { cpuMicros, wallMicros } = report
      const failed = isFault(checked)
      if (recorded !== null)
        this.#recording?.add(plugin, recorded, failed ? { fault: checked } : checked, cpuMicros)
      this.#count(plugin.identity.name, cpuMicros, failed, !failed && checked.refusal !== null)
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
    const usage = this.usage.get(name)
    if (usage === undefined) return
    usage.calls++
    usage.cpuMicros += cpuMicros
    if (failed) usage.faults++
    if (refused) usage.refusals++
  }
}

/**
 * From number `from` on, the subscribers that may see the same: they share one frame, and none is shown by it what
 * only another may see.
 */
function sameView(subscribers: readonly ReadyPlugin[], from: number, hook: HookName): readonly ReadyPlugin[] {
  const rest = subscribers.slice(from)
  const view = hook === 'data' ? 'headersRead' : hook === 'auth' ? 'credentials' : null
  if (view === null) return rest
  const first = rest[0]?.permissions[view]
  const end = rest.findIndex(({ permissions }) => permissions[view] !== first)
  return end < 0 ? rest : rest.slice(0, end)
}

/** The event as a plugin may see it, and the password in it, '' when there is none. */
function view(
  { event }: PluginCall,
  plugin: ReadyPlugin | undefined,
): { readonly told: HookEvents[HookName]; readonly secret: string } {
  if (!('password' in event)) return { told: event, secret: '' }
  if (plugin?.permissions.credentials === true) return { told: event, secret: event.password ?? '' }
  return { told: { ...event, password: null }, secret: '' }
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

function newUsage(): PluginUsage {
  return { calls: 0, refusals: 0, faults: 0, cpuMicros: 0 }
}
