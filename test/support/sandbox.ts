/** A sandbox of a test's: real plughost, real isolates, values kept in memory. */
import { join } from 'node:path'
import type { Config, PluginConfig } from '../../config/config.ts'
import { formatProblem } from '../../config/problem.ts'
import { Resolver } from '../../core/dns/resolver.ts'
import type { PluginReport } from '../../core/hooks/plugin-panel.ts'
import type { RcptEvent } from '../../core/mail/hook-events.ts'
import type { Session } from '../../core/mail/session.ts'
import { systemClock } from '../../core/observe/clock.ts'
import type { Log, LogFields } from '../../core/observe/log.ts'
import type { StateStore } from '../../core/state/state-store.ts'
import { PluginCounters } from '../../sandbox/broker/plugin-counters.ts'
import { forgetfulQuarantine } from '../../sandbox/quarantine.ts'
import { openConfigured, type Sandbox, type SandboxOptions } from '../../sandbox/sandbox.ts'

export const FIXTURES = join(import.meta.dirname, '..', 'fixtures', 'plugins')

/** A plugin of the fixtures as a configuration names it. */
export function fixturePlugin(name: string, more: Partial<PluginConfig> = {}): PluginConfig {
  const source = { kind: 'file', path: join(FIXTURES, `${name}.ts`) } as const
  return {
    source,
    config: {},
    grant: {},
    onError: 'defer',
    process: 'own',
    place: 'test.yaml:1:3',
    ...more,
  }
}

export function bundledPlugin(name: string, more: Partial<PluginConfig> = {}): PluginConfig {
  return {
    source: { kind: 'bundled', name },
    config: {},
    grant: {},
    onError: 'defer',
    process: 'shared',
    place: 'test.yaml:2:3',
    ...more,
  }
}

export interface TestSandbox extends Sandbox {
  /** Process of the plughost that has this plugin. */
  pidOf(plugin: string): number | null
  readonly counters: PluginCounters
  readonly logged: { readonly event: string; readonly fields: LogFields }[]
  /** Asks one after the other, from number `from` on and before number `end`, until one refuses or fails. */
  rcpt(localPart: string, from?: number, network?: string, end?: number): Promise<readonly PluginReport[]>
}

/** What `openConfigured` says of these plugins, as text; '' when they load. */
export async function problemsOf(plugins: readonly PluginConfig[]): Promise<string> {
  const sandbox = await open(plugins, [])
  if ('problems' in sandbox) return sandbox.problems.map(formatProblem).join('\n')
  sandbox.close()
  return ''
}

/** @param options without a quarantine a fault is forgotten at once, so that every call is put to the plugin */
export async function testSandbox(
  plugins: readonly PluginConfig[],
  options: Partial<SandboxOptions> = {},
): Promise<TestSandbox> {
  const logged: { event: string; fields: LogFields }[] = []
  const counters = new PluginCounters()
  const sandbox = await open(plugins, logged, { counters, ...options })
  if ('problems' in sandbox) throw new Error(sandbox.problems.map(formatProblem).join('\n'))
  const { panel } = sandbox
  const rcpt: TestSandbox['rcpt'] = async (
    localPart,
    from = 0,
    network,
    end = panel.subscribers('rcpt').length,
  ) => {
    const event = rcptEvent(localPart, network)
    const reports: PluginReport[] = []
    while (from + reports.length < end) {
      const call = { hook: 'rcpt', event, message: null, session: SESSION.id, chainMs: 30_000 } as const
      reports.push(...(await panel.ask(call, from + reports.length)))
      // As the runner does: a refusal or a fault ends it.
      if (reports.at(-1)?.answer?.refusal !== null) break
    }
    return reports
  }
  const pidOf = (plugin: string): number | null =>
    sandbox.plughosts().find(({ plugins }) => plugins.includes(plugin))?.pid ?? null
  return { ...sandbox, logged, counters, rcpt, pidOf }
}

async function open(
  plugins: readonly PluginConfig[],
  logged: { event: string; fields: LogFields }[],
  options: Partial<SandboxOptions> = {},
) {
  const config = { plugins, lookups: {}, secrets: {}, file: null } as unknown as Config
  return openConfigured(config, {
    state: stateInMemory(),
    resolver: new Resolver({ servers: [{ host: '127.0.0.1', port: 9 }], tries: 1 }),
    secrets: {},
    clock: systemClock,
    log: logInto(logged),
    random: Math.random,
    quarantine: forgetfulQuarantine(),
    ...options,
  })
}

/** An unknown client of the Internet. */
export const SESSION: Session = {
  id: 's_test',
  client: { address: '192.0.2.1', port: 40_000, network: '192.0.2.1' },
  role: 'mx',
  listener: '198.51.100.1:25',
  trusted: false,
  hello: { verb: 'EHLO', name: 'client.example' },
  tls: null,
  identity: null,
}

function rcptEvent(localPart: string, network = SESSION.client.network): RcptEvent {
  return {
    session: { ...SESSION, client: { ...SESSION.client, address: network, network } },
    transaction: {
      number: 1,
      reversePath: 'sender@client.example',
      declaredSize: null,
      recipients: [],
      tags: [],
    },
    recipient: `${localPart}@example.test`,
    localPart,
    domain: { name: 'example.test', ours: true },
  }
}

export function stateInMemory(): StateStore {
  const values = new Map<string, string>()
  return {
    get: async (key) => values.get(key),
    set: async (key, value) => void values.set(key, value),
    increment: async (key, by) => {
      const value = Number(values.get(key) ?? 0) + by
      values.set(key, String(value))
      return value
    },
    delete: async (key) => void values.delete(key),
    close: async () => {},
  }
}

export function logInto(logged: { event: string; fields: LogFields }[]): Log {
  const write = (event: string, fields: LogFields = {}): void => void logged.push({ event, fields })
  const log: Log = { debug: write, info: write, warn: write, error: write, child: () => log }
  return log
}
