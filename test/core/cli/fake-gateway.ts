/** A gateway that exists only as its control socket: what a command asks is noted, what it is told is made up. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type {
  Control,
  QueueEntry,
  QueueFilter,
  RecordedSession,
  Status,
} from '../../../core/admin/control.ts'
import { serveControl } from '../../../core/admin/control-server.ts'
import { silentLog } from '../../../core/observe/log.ts'

export const CLIENT = { address: '192.0.2.7', port: 40_222, network: '192.0.2.7' } as const

export const ENTRY: QueueEntry = {
  message: 'q_bcdfghjklmnp',
  address: 'anna@example.test',
  route: 'smtp://192.0.2.9:25',
  state: 'due',
  leased: false,
  dueAt: 0,
  attempts: 2,
  detail: '451 4.7.1 try again later (in reply to RCPT)',
  reversePath: 'bob@remote.test',
  acceptedAt: 0,
  expiresAt: 0,
  sizeBytes: 38_000,
  origin: {
    kind: 'smtp',
    session: 's_bcdfghjklmnpqrst',
    client: CLIENT,
    hello: null,
    tls: null,
    identity: null,
    tags: [],
  },
}

/** An entry due in an hour, accepted an hour ago. */
export function entry(changes: Partial<QueueEntry> = {}): QueueEntry {
  const hour = 3_600_000
  return {
    ...ENTRY,
    acceptedAt: Date.now() - hour,
    dueAt: Date.now() + hour,
    expiresAt: Date.now() + 24 * hour,
    ...changes,
  }
}

export const STATUS: Status = {
  version: '0.1.0',
  node: '24.21.0',
  config: '/etc/postern/postern.yaml',
  supervisorPid: 1,
  startedAt: Date.UTC(2026, 10, 23),
  workerRestarts: 1,
  gateway: {
    state: 'running',
    workers: [
      {
        pid: 4_711,
        plughosts: [{ domain: 'bundled', pid: 4_712, plugins: ['relay-control'] }],
        generation: 1,
        uptimeMs: 65_000,
      },
    ],
    listeners: [{ address: '127.0.0.1:2525', role: 'mx', connections: 3 }],
    queue: {
      messages: 2,
      due: 1,
      held: 1,
      leased: 0,
      bytes: 76_000,
      damaged: 0,
      poisoned: 0,
      nextDueAt: Date.UTC(2026, 10, 24),
    },
    counters: { sessions: 9, accepted: 7, refused: 2, delivered: 5, deferred: 1, held: 1, bounced: 0 },
    plugins: [
      {
        name: 'relay-control',
        version: '1.0.0',
        build: 'sha256:0123456789ab',
        source: 'bundled',
        onError: 'defer',
        hooks: ['rcpt'],
        permissions: ['may let anyone send mail anywhere'],
        calls: 9,
        refusals: 2,
        faults: 0,
        meanCpuMicros: 120,
      },
    ],
  },
}

/** A session in which `recipients` refused, after `relay-control` had no opinion. */
export const SESSION: RecordedSession = {
  id: 's_bcdfghjklmnpqrst',
  client: CLIENT,
  startedAt: Date.UTC(2026, 10, 23, 18, 41, 7),
  entries: [
    { at: Date.UTC(2026, 10, 23, 18, 41, 7), event: 'helo', detail: { verb: 'EHLO', name: 'remote.test' } },
    {
      at: Date.UTC(2026, 10, 23, 18, 41, 7),
      hook: 'rcpt',
      plugin: 'relay-control',
      build: 'sha256:0123456789ab',
      answer: 'none',
      status: '',
      text: '',
      code: '',
      facts: {},
      actions: [{ kind: 'relay.grant' }],
      fault: null,
      onError: null,
      wallMicros: 600,
      cpuMicros: 100,
      reference: '',
    },
    {
      at: Date.UTC(2026, 10, 23, 18, 41, 7),
      hook: 'rcpt',
      plugin: 'recipients',
      build: 'sha256:ba9876543210',
      answer: 'reject',
      status: '5.1.1',
      text: 'No such mailbox',
      code: 'RCPT_UNKNOWN',
      facts: { mailbox: 'nobody', domain: 'example.test' },
      actions: [],
      fault: null,
      onError: null,
      wallMicros: 3_100,
      cpuMicros: 900,
      reference: 'r_bcdfghjk',
    },
  ],
}

export interface FakeGateway {
  readonly socket: string
  /** Every call as `method` and its arguments. */
  readonly calls: readonly (readonly unknown[])[]
}

/** Answers of a gateway with an empty queue that knows nothing; `changes` replaces some. */
export function fakeControl(changes: Partial<Control> = {}, calls: unknown[][] = []): Control {
  const control: Control = {
    gatewayStatus: async () => {
      if (STATUS.gateway === null) throw new Error('no worker')
      return STATUS.gateway
    },
    queueList: async () => [],
    queueRetry: async () => 0,
    queueHold: async () => 0,
    queueRelease: async () => 0,
    queueDrop: async () => 0,
    queueBounce: async () => 0,
    queueAge: async () => [],
    queueSuspend: async (route, reason) => ({ route, reason, since: 0, until: null }),
    queueResume: async () => false,
    queueSuspensions: async () => [],
    queueContent: async () => null,
    explain: async () => null,
    metrics: async () => '# TYPE postern_sessions counter\npostern_sessions 9\n',
    status: async () => STATUS,
    reload: async () => ({ isReloaded: true, generation: 2, problems: [], tookMs: 40 }),
    stop: async () => {},
    ...changes,
  }
  return new Proxy(control, {
    get(target, name: keyof Control) {
      return async (...args: unknown[]) => {
        calls.push([name, ...args])
        return await (target[name] as (...given: unknown[]) => Promise<unknown>)(...args)
      }
    },
  })
}

/** Serves a made-up gateway until the test ends. */
export async function serveFake(t: TestContext, changes: Partial<Control> = {}): Promise<FakeGateway> {
  const calls: unknown[][] = []
  const socket = join(await temporaryFolder(t), 'control.sock')
  const served = await serveControl(fakeControl(changes, calls), socket, silentLog)
  if (!served.ok) throw new Error(served.problem)
  t.after(() => served.server.close())
  return { socket, calls }
}

/** The entries a filter means: by message only, which is all that commands look up. */
export function byMessage(entries: readonly QueueEntry[]): Control['queueList'] {
  return async ({ message }: QueueFilter) =>
    entries.filter((candidate) => message === undefined || candidate.message === message)
}

/** A new folder with a short path, gone when the test ends. */
export async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'pst-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return folder
}
