/** What the border costs: sessions through every hook, one awaited host call, and loading. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import type { PluginConfig } from '../../config/config.ts'
import { formatProblem } from '../../config/problem.ts'
import { HookRunner } from '../../core/hooks/runner.ts'
import type { HookEvents, HookName } from '../../core/mail/hook-events.ts'
import type { Origin, Transaction } from '../../core/mail/session.ts'
import { systemClock } from '../../core/observe/clock.ts'
import { DecisionRecords } from '../../core/observe/decision-record.ts'
import { newSessionId } from '../../core/observe/identifier.ts'
import { silentLog } from '../../core/observe/log.ts'
import { openConfigured, type Sandbox } from '../../sandbox/sandbox.ts'
import { readSandboxSources } from '../../sandbox/sources.ts'
import { SparePlughost } from '../../sandbox/spare-plughost.ts'
import { testResolver } from '../../sandbox/test-network.ts'
import { SESSION, stateInMemory } from '../support/sandbox.ts'
import { cpuMsOf } from './cpu-time.ts'

const SESSIONS_AT_ONCE = 64
const PLUGINS = 5
const LOADED = 20
const LOOK_MS = 10
const RECORDED_SESSIONS = 1_000
const RECORDED_OCTETS = 64 * 1024 * 1024

const HOOKS = ['connect', 'helo', 'mail', 'rcpt', 'data', 'queue', 'deliver'] as const
const { id, client, hello, tls, identity } = SESSION
const ORIGIN: Origin = { kind: 'smtp', session: id, client, hello, tls, identity, tags: [] }
const TO = 'rcpt@bench.test'
const transaction = (recipients: readonly string[]): Transaction => ({
  number: 1,
  reversePath: 's@bench.test',
  declaredSize: null,
  recipients,
  tags: [],
})
const domain = { name: 'bench.test', ours: true }
const message = { sizeBytes: 4_096 }
const EVENTS: Pick<HookEvents, (typeof HOOKS)[number]> = {
  connect: { session: SESSION },
  helo: { session: SESSION },
  mail: { session: SESSION, transaction: transaction([]) },
  rcpt: { session: SESSION, transaction: transaction([]), recipient: TO, localPart: 'rcpt', domain },
  data: { session: SESSION, transaction: transaction([TO]), message },
  queue: {
    origin: ORIGIN,
    reversePath: 's@bench.test',
    recipients: [{ address: TO, domain, route: 'discard:' }],
    message,
  },
  deliver: {
    queueId: 'q_000000000001',
    origin: ORIGIN,
    reversePath: 's@bench.test',
    recipients: [{ address: TO, attempts: 0 }],
    route: 'smtp://192.0.2.25:25',
    message,
    attempt: 1,
    ageSeconds: 0,
  },
}

const WAITING = `import { definePlugin } from 'postern'
export default definePlugin({
  name: 'waiting', version: '1.0.0', api: 1, permissions: { kv: ['*'] },
  hooks: { async rcpt(_event, { kv }) { await kv.get('key') } },
})
`

/** CPU microseconds of one session through seven hooks of five plugins, decisions recorded: here, and in the plughost. */
export async function measureSessions(sessions: number): Promise<{ worker: number; plughost: number }> {
  return withPlugins(filters(PLUGINS), async (sandbox) => {
    const records = new DecisionRecords(RECORDED_SESSIONS, RECORDED_OCTETS, systemClock)
    const runner = new HookRunner(sandbox.panel, () => performance.now(), silentLog)
    const converse = async (): Promise<void> => {
      const record = records.open(newSessionId(), client)
      for (const hook of HOOKS) await runner.ask(hook, EVENTS[hook], null, record)
    }
    return measured(sandbox, sessions, converse)
  })
}

/** CPU microseconds of one hook that waits for one host call: here, and in the plughost. */
export async function measureHostCall(calls: number): Promise<{ worker: number; plughost: number }> {
  return withPlugins([WAITING], async (sandbox) => {
    const hook: HookName = 'rcpt'
    const call = { hook, event: EVENTS.rcpt, message: null, session: id, chainMs: 30_000 } as const
    return measured(sandbox, calls, async () => void (await sandbox.panel.ask(call, 0)))
  })
}

/**
 * Milliseconds until twenty plugins that share a plughost are ready, from the moment the configuration is known: files
 * read, types stripped, everything loaded and checked.
 *
 * @param ahead whether a spare plughost waits for them, as at a reload; else the time it takes to start one is in it
 */
export async function measureLoading(ahead: boolean): Promise<number> {
  const spare = new SparePlughost({ log: silentLog })
  const { prelude } = readSandboxSources({ plugins: [], lookups: {}, secrets: {}, file: null }).sources.border
  const letGo = ahead ? spare.want({ prelude, plugins: LOADED }) : () => {}
  try {
    while (ahead && !spare.isPrepared) await wait(LOOK_MS)
    return await withPlugins(filters(LOADED), async (_sandbox, tookMs) => tookMs, spare)
  } finally {
    letGo()
  }
}

async function measured(
  sandbox: Sandbox,
  count: number,
  work: () => Promise<void>,
): Promise<{ worker: number; plughost: number }> {
  await repeated(Math.ceil(count / 2), work)
  const pid = sandbox.plughosts()[0]?.pid ?? null
  if (pid === null) throw new Error('the plughost is gone')
  const before = process.cpuUsage()
  const plughostBefore = cpuMsOf(pid)
  await repeated(count, work)
  const { user, system } = process.cpuUsage(before)
  return { worker: (user + system) / count, plughost: ((cpuMsOf(pid) - plughostBefore) * 1_000) / count }
}

async function repeated(count: number, work: () => Promise<void>): Promise<void> {
  let left = count
  const lane = async (): Promise<void> => {
    while (left-- > 0) await work()
  }
  await Promise.all(Array.from({ length: SESSIONS_AT_ONCE }, lane))
}

/** The filter of the gateway's measurement, under as many names. */
function filters(count: number): readonly string[] {
  const source = readFileSync(join(import.meta.dirname, 'plugins', 'edit.ts'), 'utf8')
  return Array.from({ length: count }, (_, index) => source.replace("name: 'edit'", `name: 'edit-${index}'`))
}

async function withPlugins<T>(
  sources: readonly string[],
  use: (sandbox: Sandbox, openedMs: number) => Promise<T>,
  idle?: SparePlughost,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  try {
    const plugins = sources.map((source, index) => {
      const path = join(folder, `plugin-${index}.ts`)
      writeFileSync(path, source)
      return entryOf(path)
    })
    const options = {
      state: stateInMemory(),
      resolver: testResolver({}, {}),
      secrets: {},
      clock: systemClock,
      log: silentLog,
      random: Math.random,
      ...(idle === undefined ? {} : { idle }),
    }
    const startedAt = performance.now()
    const sandbox = await openConfigured({ plugins, lookups: {}, secrets: {}, file: null }, options)
    if ('problems' in sandbox) throw new Error(sandbox.problems.map(formatProblem).join('\n'))
    try {
      return await use(sandbox, performance.now() - startedAt)
    } finally {
      sandbox.close()
    }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function entryOf(path: string): PluginConfig {
  const grant = { refuse: ['reject'], 'headers.write': ['X-Bench-Filter'], 'body.read': true, kv: ['*'] }
  const source = { kind: 'file', path } as const
  return { source, config: {}, grant, onError: 'defer', process: 'shared', place: 'bench:1:1' }
}
