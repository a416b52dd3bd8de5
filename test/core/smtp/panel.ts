/** Plugins of the test's own making behind the plugin port: the edge at which the sandbox stands otherwise. */
import type {
  OnError,
  PluginCall,
  PluginIdentity,
  PluginPanel,
  PluginReport,
} from '../../../core/hooks/plugin-panel.ts'
import type { Action, Answer, Fault, FaultKind, Reason, Refusal } from '../../../core/mail/answer.ts'
import { NO_OPINION } from '../../../core/mail/answer.ts'
import type { HookEvents, HookName, MessageReader } from '../../../core/mail/hook-events.ts'

type Handlers = {
  readonly [H in HookName]?: (
    event: HookEvents[H],
    message: MessageReader,
  ) => Answer | Fault | Promise<Answer | Fault>
}

export interface TestPlugin {
  readonly name: string
  readonly onError?: OnError
  readonly hooks: Handlers
  /** Has the permission `credentials`. */
  readonly seesCredentials?: boolean
}

export class TestPanel implements PluginPanel {
  readonly #plugins: readonly TestPlugin[]
  /** Every call made, as `plugin hook`. */
  readonly calls: string[] = []
  /** Networks that brought plugins down too often. */
  readonly penalized = new Set<string>()
  /** Every event told, in order. */
  readonly events: { readonly hook: HookName; readonly event: HookEvents[HookName] }[] = []

  constructor(plugins: readonly TestPlugin[]) {
    this.#plugins = plugins
  }

  subscribers(hook: HookName): readonly PluginIdentity[] {
    return this.#having(hook).map(identity)
  }

  get takesTokens(): boolean {
    return this.#having('auth').some(({ seesCredentials = false }) => seesCredentials)
  }

  async ask<H extends HookName>(call: PluginCall<H>, from: number): Promise<readonly PluginReport[]> {
    const reports: PluginReport[] = []
    for (const plugin of this.#having(call.hook).slice(from)) {
      this.calls.push(`${plugin.name} ${call.hook}`)
      this.events.push({ hook: call.hook, event: call.event })
      const said = await plugin.hooks[call.hook]?.(call.event, call.message as MessageReader)
      if (said === undefined) throw new Error('a plugin without this hook was asked')
      const report = { plugin: identity(plugin), wallMicros: 10, cpuMicros: 5 }
      reports.push(
        'kind' in said ? { ...report, answer: null, fault: said } : { ...report, answer: said, fault: null },
      )
      const last = reports.at(-1)
      if (last?.fault !== null || last.answer?.refusal) break
    }
    return reports
  }

  isPenalized(network: string): boolean {
    return this.penalized.has(network)
  }

  #having(hook: HookName): readonly TestPlugin[] {
    return this.#plugins.filter((plugin) => plugin.hooks[hook] !== undefined)
  }
}

export function pass(...actions: readonly Action[]): Answer {
  return actions.length === 0 ? NO_OPINION : { ...NO_OPINION, actions }
}

export function reject(status: string, text: string, reason: Partial<Reason> = {}): Answer {
  return refusal('reject', status, text, reason)
}

export function defer(status: string, text: string): Answer {
  return refusal('defer', status, text, {})
}

export function disconnect(status: string, text: string): Answer {
  return refusal('disconnect', status, text, {})
}

export function fault(kind: FaultKind = 'throw'): Fault {
  return { kind, message: 'broken on purpose', stack: 'plugin.ts:1:1' }
}

function refusal(kind: Refusal['kind'], status: string, text: string, reason: Partial<Reason>): Answer {
  return { ...NO_OPINION, refusal: { kind, status, text, code: '', facts: {}, ...reason } }
}

function identity({ name, onError = 'defer' }: TestPlugin): PluginIdentity {
  return { name, version: '1.0.0', build: 'sha256:0123456789ab', onError }
}
