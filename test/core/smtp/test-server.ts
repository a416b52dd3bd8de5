/** A server role on loopback with everything behind its ports in memory. */

import type { Server } from 'node:net'
import { HookRunner } from '../../../core/hooks/runner.ts'
import { Teller } from '../../../core/hooks/teller.ts'
import type { Content, StoredContent } from '../../../core/mail/message.ts'
import { DecisionRecords } from '../../../core/observe/decision-record.ts'
import type { Log, LogFields } from '../../../core/observe/log.ts'
import { silentLog } from '../../../core/observe/log.ts'
import type { NewMessage } from '../../../core/queue/queue-store.ts'
import type { Listener } from '../../../core/smtp/client-session.ts'
import type {
  Credentials,
  MessageSpool,
  ServerCertificate,
  SmtpParts,
  SpoolReceiver,
} from '../../../core/smtp/ports.ts'
import { SmtpServer } from '../../../core/smtp/server.ts'
import type { SmtpLimits, SmtpSettings } from '../../../core/smtp/settings.ts'
import { InProcessSocket } from '../../support/in-process-socket.ts'
import { RawClient } from '../../support/raw-client.ts'
import { pass, TestPanel, type TestPlugin } from './panel.ts'

const LIMITS: SmtpLimits = {
  messageBytes: 100_000,
  recipientsPerMessage: 100,
  connections: 100,
  connectionsPerNetwork: 100,
  messagesPerSession: 100,
  errorsPerSession: 20,
  idleMs: 60_000,
  contentMs: 600_000,
  contentBytesPerSecond: 0,
}

const SETTINGS: SmtpSettings = {
  hostname: 'mx.example.test',
  postmaster: null,
  domains: { 'example.test': { deliver: 'smtp://192.0.2.1:25' }, 'gone.test': { deliver: 'discard:' } },
  relay: { networks: [] },
  lineEndings: { normalize: [] },
  outbound: { route: null },
  queue: { expireMs: 432_000_000 },
  limits: LIMITS,
  store: { inlineBytes: 20_000 },
}

/** Grants what the shipped relay control grants: our domains, and everything to clients that are trusted or have signed in. */
export const relayControl: TestPlugin = {
  name: 'relay-control',
  hooks: {
    rcpt: ({ session, domain }) =>
      domain.ours || session.trusted || session.identity !== null ? pass({ kind: 'relay.grant' }) : pass(),
  },
}

export interface TestServerOptions {
  readonly plugins?: readonly TestPlugin[]
  /** In the place of `plugins`: a real sandbox, for instance. */
  readonly hooks?: HookRunner
  readonly settings?: Partial<Omit<SmtpSettings, 'limits'>>
  readonly limits?: Partial<SmtpLimits>
  readonly listener?: Listener
  readonly tls?: ServerCertificate
  readonly credentials?: Credentials
  /** Parts that are not in memory, or counted by somebody else. */
  readonly parts?: Partial<
    Pick<SmtpParts, 'spool' | 'readChunk' | 'concurrency' | 'usage' | 'load' | 'security' | 'sessionEnded'>
  >
}

export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly event: string
  readonly fields: LogFields
}

export class TestServer {
  readonly panel: TestPanel
  readonly spool = new MemorySpool()
  readonly stored: NewMessage[] = []
  readonly lines: LogLine[] = []
  readonly records: DecisionRecords
  readonly smtp: SmtpServer
  /** What the server is made of, for conversations without a socket. */
  readonly parts: SmtpParts
  /** What the store does with the next message instead of storing it. */
  failStore: (() => Promise<never>) | null = null
  isShort = false
  readonly #net: Server
  readonly #clients: RawClient[] = []

  private constructor(options: TestServerOptions) {
    const clock = { now: () => Date.UTC(2026, 0, 2, 3, 4, 5), monotonic: () => performance.now() }
    this.panel = new TestPanel(options.plugins ?? [relayControl])
    this.records = new DecisionRecords(1_000, Infinity, clock)
    let messages = 0
    const hooks = options.hooks ?? new HookRunner(this.panel, clock.monotonic, silentLog)
    const parts: SmtpParts = {
      policy: {
        settings: { ...SETTINGS, ...options.settings, limits: { ...LIMITS, ...options.limits } },
        hooks,
        tls: options.tls ?? null,
        credentials: options.credentials ?? null,
      },
      teller: new Teller({ hooks: () => hooks, log: silentLog }),
      records: this.records,
      accepting: { accept: (message) => this.#accept(message) },
      spool: this.spool,
      readChunk: (content, index, chunkBytes) => this.spool.chunk(content, index, chunkBytes),
      freeSpace: { isShort: () => this.isShort },
      sessionEnded: () => {},
      newQueueId: () => `q_${String(++messages).padStart(12, '0')}`,
      clock,
      log: memoryLog(this.lines),
      ...options.parts,
    }
    this.parts = parts
    this.smtp = new SmtpServer(parts)
    this.#net = this.smtp.attach(options.listener ?? { role: 'mx', address: '127.0.0.1:25', tls: 'off' })
  }

  static async start(options: TestServerOptions = {}): Promise<TestServer> {
    const server = new TestServer(options)
    await new Promise<void>((resolve) => server.#net.listen(0, '127.0.0.1', resolve))
    return server
  }

  get port(): number {
    const address = this.#net.address()
    if (address === null || typeof address === 'string') throw new Error('the server does not listen')
    return address.port
  }

  connect(): Promise<RawClient> {
    return RawClient.connect({ port: this.port }).then((client) => {
      this.#clients.push(client)
      return client
    })
  }

  /** A client without a network between: every piece comes as it is said, every write is seen as it is made. */
  plug(): InProcessSocket {
    const socket = new InProcessSocket()
    this.#net.emit('connection', socket)
    return socket
  }

  /** A client that was greeted and has said EHLO. */
  async greeted(name = 'client.example'): Promise<RawClient> {
    const client = await this.connect()
    await client.reply()
    await client.ask(`EHLO ${name}`)
    return client
  }

  /** Octets of a stored message as they would be sent. */
  sent({ stored }: Pick<NewMessage, 'stored'>): string {
    return this.spool.text(stored)
  }

  /** Lines of one event, their fields only. */
  logged(event: string): readonly LogFields[] {
    return this.lines.filter((line) => line.event === event).map((line) => line.fields)
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy()
    await new Promise((resolve) => this.#net.close(resolve))
    this.smtp.drain()
    await this.smtp.closed()
  }

  async #accept(message: NewMessage): Promise<void> {
    await Promise.resolve()
    if (this.failStore !== null) await this.failStore()
    this.stored.push(message)
  }
}

/** Content in memory, but large content behind a path, as if it were in a file. */
export class MemorySpool implements MessageSpool {
  readonly files = new Map<string, Buffer>()
  readonly aborted: string[] = []
  /** What the next write throws. */
  failWrite: Error | null = null

  receiver(queueId: string, inlineBytes: number): SpoolReceiver {
    const pieces: Buffer[] = []
    const path = `/spool/${queueId}`
    return {
      write: (piece) => {
        if (this.failWrite !== null) throw this.failWrite
        pieces.push(Buffer.from(piece))
        return pieces.length % 2 === 0 ? Promise.resolve() : undefined
      },
      finish: async () => {
        const bytes = Buffer.concat(pieces)
        if (bytes.length <= inlineBytes) return { kind: 'inline', bytes }
        this.files.set(path, bytes)
        return { kind: 'spool', path, sizeBytes: bytes.length }
      },
      abort: async () => {
        this.files.delete(path)
        this.aborted.push(queueId)
      },
    }
  }

  async chunk(content: Content, index: number, chunkBytes: number): Promise<Uint8Array | undefined> {
    const bytes = this.#bytes(content).subarray(index * chunkBytes, (index + 1) * chunkBytes)
    return bytes.length === 0 ? undefined : bytes
  }

  text({ head, content, contentOffset }: StoredContent): string {
    return Buffer.concat([head, this.#bytes(content).subarray(contentOffset)]).toString('latin1')
  }

  #bytes(content: Content): Buffer {
    if (content.kind === 'inline') return Buffer.from(content.bytes)
    const bytes = this.files.get(content.path)
    if (bytes === undefined) throw new Error(`no file ${content.path}`)
    return bytes
  }
}

function memoryLog(lines: LogLine[]): Log {
  const at =
    (level: LogLine['level']) =>
    (event: string, fields: LogFields = {}): void => {
      lines.push({ level, event, fields })
    }
  const log: Log = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => log,
  }
  return log
}
