/**
 * A test host for plugins, imported as `postern/testing`: the plugin runs in a real isolate in a real plughost, under a
 * clock and with kept values and tables of the test's.
 *
 * @example
 * await using host = await createTestHost({ file: import.meta.resolve('./index.ts'), config: { delaySeconds: 60 } })
 * const answer = await host.rcpt({ to: 'anna@example.test' })
 * assert.equal(answer.refusal?.code, 'GREYLIST_NEW')
 */
import { fileURLToPath } from 'node:url'
import { formatProblem } from '../config/problem.ts'
import { MessagePool } from '../core/content/pool.ts'
import type { Action, Answer, Fault } from '../core/mail/answer.ts'
import { bodyOffset, parseHeaderFields } from '../core/mail/header-fields.ts'
import type {
  DeliverEvent,
  HookEvents,
  HookName,
  MessageReader,
  TellEvent,
} from '../core/mail/hook-events.ts'
import { BODY_CHUNK_BYTES } from '../core/mail/hook-events.ts'
import type { Session, Tag, Transaction } from '../core/mail/session.ts'
import { silentLog } from '../core/observe/log.ts'
import type { StateStore } from '../core/state/state-store.ts'
import { type AuthorPlace, authorPlace } from './author-place.ts'
import { PluginCounters } from './broker/plugin-counters.ts'
import { ReusedPlughosts } from './reused-plughosts.ts'
import { openConfigured, type Sandbox } from './sandbox.ts'
import type { SandboxConfig } from './sources.ts'
import {
  type TestExchange,
  type TestRecords,
  type TestRequest,
  type TestResponses,
  type TestTcpAnswers,
  testDoor,
  testResolver,
  testTcpDoor,
} from './test-network.ts'

export interface TestHostOptions {
  /** Path or file: URL of the plugin. */
  readonly file: string
  readonly config?: Readonly<Record<string, unknown>>
  /** Critical permissions; everything the plugin asks for by default. */
  readonly grant?: Readonly<Record<string, unknown>>
  readonly lookups?: Readonly<Record<string, readonly string[]>>
  /** Records by type and name, as in `MX example.test`; a name that is not there does not exist. */
  readonly dns?: TestRecords
  /** Responses by URL; an origin that is not there has no address. */
  readonly http?: TestResponses
  /** Answers by target, one character an octet; a host that is not there has no address. */
  readonly tcp?: TestTcpAnswers
  readonly secrets?: Readonly<Record<string, string>>
  /** Start of the clock, milliseconds since 1970. */
  readonly now?: number
}

/** What a plugin said. A refusal and a fault exclude each other. */
export interface TestAnswer {
  readonly refusal: Answer['refusal']
  readonly note: Answer['note']
  readonly actions: readonly Action[]
  readonly fault: TestFault | null
}

/** How a plugin failed, and where: an assertion that it did not prints all of it. */
export interface TestFault extends Fault, AuthorPlace {}

/** Facts of a test's session; those left out are an unknown client of the Internet. */
export type TestSession = Partial<Session>

export interface TestHost extends AsyncDisposable {
  /** Moves the clock. */
  advance(ms: number): void
  ask<H extends HookName>(hook: H, event: HookEvents[H], message?: string): Promise<TestAnswer>
  /** Asks `rcpt` about one recipient. */
  rcpt(about: {
    readonly to: string
    readonly from?: string
    readonly ours?: boolean
    readonly session?: TestSession
    readonly tags?: readonly Tag[]
  }): Promise<TestAnswer>
  /** Asks `data` about a message, given as text with CRLF line ends. */
  data(message: string, session?: TestSession, tags?: readonly Tag[]): Promise<TestAnswer>
  /** Asks `deliver` about a message of an unknown client's, changed as told. */
  deliver(about: Partial<DeliverEvent>): Promise<TestAnswer>
  /** Tells an event. */
  tell(event: TellEvent): Promise<TestAnswer>
  /** Values kept by `kv`, by key. */
  readonly kept: ReadonlyMap<string, string>
  /** Requests sent by `http`, secrets filled in. */
  readonly requests: readonly TestRequest[]
  /** What was sent by `tcp`, one character an octet. */
  readonly exchanges: readonly TestExchange[]
  /** What the plugin counted: `plugin`, `name` and `label`, and the total. */
  readonly counted: () => PluginCounters['counts']
  /** What `await using` calls. */
  close(): Promise<void>
}

const PUBLIC_CLIENT: Session = {
  id: 's_test',
  client: { address: '192.0.2.1', port: 40_000, network: '192.0.2.1' },
  role: 'mx',
  listener: '198.51.100.1:25',
  trusted: false,
  hello: { verb: 'EHLO', name: 'client.example' },
  tls: null,
  identity: null,
}

const FIRST_ATTEMPT: DeliverEvent = {
  queueId: 'q_000000000001',
  origin: {
    kind: 'smtp',
    session: PUBLIC_CLIENT.id,
    client: PUBLIC_CLIENT.client,
    hello: PUBLIC_CLIENT.hello,
    tls: null,
    identity: null,
    tags: [],
  },
  reversePath: 'sender@client.example',
  recipients: [{ address: 'anna@example.test', attempts: 0 }],
  route: 'smtp://192.0.2.25:25',
  message: { sizeBytes: 1_000 },
  attempt: 1,
  ageSeconds: 0,
}

/** Of this process: its tests run one after the other, mostly. */
const plughosts = new ReusedPlughosts()

/** Loads one plugin. @throws Error with the text an administrator would read when it does not load */
export async function createTestHost(options: TestHostOptions): Promise<TestHost> {
  let now = options.now ?? Date.UTC(2026, 0, 1)
  const kept = new Map<string, string>()
  const counters = new PluginCounters()
  const requests: TestRequest[] = []
  const exchanges: TestExchange[] = []
  const clock = { now: () => now, monotonic: () => performance.now() }
  const contents = new MessagePool({ log: silentLog })
  // While it starts, the plugin is read.
  plughosts.start()
  const sandbox = await openConfigured(testConfig(options), {
    state: new KeptValues(kept),
    resolver: testResolver(options.dns ?? {}, options.http ?? {}, options.tcp ?? {}),
    http: testDoor(options.http ?? {}, requests),
    tcp: testTcpDoor(options.tcp ?? {}, exchanges),
    // A wait costs a test no time.
    sleep: async (ms) => {
      now += ms
    },
    secrets: options.secrets ?? {},
    counters,
    clock,
    log: silentLog,
    random: () => 0.5,
    contents,
    idle: plughosts,
  })
  if ('problems' in sandbox) throw new Error(sandbox.problems.map(formatProblem).join('\n'))
  const ask = asking(sandbox)
  const close = async (): Promise<void> => {
    sandbox.close()
    await contents.close()
  }
  return {
    kept,
    requests,
    exchanges,
    counted: () => counters.counts,
    ask,
    advance: (ms) => {
      now += ms
    },
    ...receiving(ask),
    deliver: (about) => ask('deliver', { ...FIRST_ATTEMPT, ...about }),
    tell: (event) => ask('tell', event),
    close,
    [Symbol.asyncDispose]: close,
  }
}

/** The hooks that are asked about as a client would be heard. */
function receiving(ask: TestHost['ask']): Pick<TestHost, 'rcpt' | 'data'> {
  return {
    rcpt: ({ to, from = 'sender@client.example', ours = true, session = {}, tags = [] }) => {
      const at = to.lastIndexOf('@')
      return ask('rcpt', {
        session: { ...PUBLIC_CLIENT, ...session },
        transaction: transaction(from, [], tags),
        recipient: to,
        localPart: to.slice(0, at),
        domain: { name: to.slice(at + 1), ours },
      })
    },
    data: (text, session = {}, tags = []) => {
      const event = {
        session: { ...PUBLIC_CLIENT, ...session },
        transaction: transaction('sender@client.example', ['anna@example.test'], tags),
        message: { sizeBytes: Buffer.byteLength(text) },
      }
      return ask('data', event, text)
    },
  }
}

/** Asks the one plugin there is. */
function asking({ panel }: Sandbox): TestHost['ask'] {
  const [plugin] = panel.plugins
  if (plugin === undefined) throw new Error('a plugin that loaded is not there')
  return async <H extends HookName>(hook: H, event: HookEvents[H], text?: string): Promise<TestAnswer> => {
    const message = text === undefined ? null : readerOf(text)
    const [report] = await panel.ask({ hook, event, message, session: 's_test', chainMs: 30_000 }, 0)
    if (report === undefined) throw new Error(`the plugin has no hook "${hook}"`)
    const { answer, fault } = report
    return {
      refusal: answer?.refusal ?? null,
      note: answer?.note ?? null,
      actions: answer?.actions ?? [],
      fault: fault === null ? null : { ...fault, ...authorPlace(fault, plugin) },
    }
  }
}

function transaction(reversePath: string, recipients: readonly string[], tags: readonly Tag[]): Transaction {
  return { number: 1, reversePath, declaredSize: null, recipients, tags }
}

function testConfig(options: TestHostOptions): SandboxConfig {
  const { file, config = {}, lookups = {}, secrets = {} } = options
  const grant = options.grant ?? {
    ...EVERYTHING,
    ...(Object.keys(secrets).length > 0 && { secrets: Object.keys(secrets) }),
  }
  const path = file.startsWith('file:') ? fileURLToPath(file) : file
  const tables = Object.entries(lookups).map(([name, entries]) => [name, { kind: 'list', entries }] as const)
  const source = { kind: 'file', path } as const
  const plugin = { source, config, grant, onError: 'defer', process: 'own', place: 'test' } as const
  return { plugins: [plugin], lookups: Object.fromEntries(tables), secrets, file: null }
}

const EVERYTHING = { 'relay.grant': true, 'route.set': ['*'], credentials: true } as const

/** A message of which this is the text, an octet a character. */
export function readerOf(text: string): MessageReader {
  const bytes = Buffer.from(text, 'latin1')
  const body = bytes.subarray(bodyOffset(bytes))
  return {
    sizeBytes: bytes.length,
    header: bytes.subarray(0, bodyOffset(bytes)),
    content: { kind: 'inline', bytes },
    headers: () => parseHeaderFields(bytes),
    bodyChunk: async (index) => {
      const chunk = body.subarray(index * BODY_CHUNK_BYTES, (index + 1) * BODY_CHUNK_BYTES)
      return chunk.length > 0 ? chunk : undefined
    },
  }
}

/** Kept values of a test, visible to it under the keys the plugin used. */
export class KeptValues implements StateStore {
  readonly #values: Map<string, string>
  readonly #ends = new Map<string, number>()

  constructor(values: Map<string, string>) {
    this.#values = values
  }

  async get(key: string, now: number): Promise<string | undefined> {
    const name = plain(key)
    return (this.#ends.get(name) ?? 0) > now ? this.#values.get(name) : undefined
  }

  async set(key: string, value: string, expiresAt: number): Promise<void> {
    this.#values.set(plain(key), value)
    this.#ends.set(plain(key), expiresAt)
  }

  async increment(key: string, by: number, now: number, expiresAt: number): Promise<number> {
    const before = await this.get(key, now)
    const value = Number(before ?? 0) + by
    this.#values.set(plain(key), String(value))
    if (before === undefined) this.#ends.set(plain(key), expiresAt)
    return value
  }

  async delete(key: string): Promise<void> {
    this.#values.delete(plain(key))
  }

  async close(): Promise<void> {}
}

function plain(key: string): string {
  return key.replace(/^plugin:/, '')
}
