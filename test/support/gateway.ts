/** A whole gateway of a test's: real processes, in a folder and on ports of its own. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Control, WorkerStatus } from '../../core/admin/control.ts'
import { controlClient } from '../../core/admin/control-client.ts'
import { type Ended, ProcessGroup } from './process-group.ts'
import { RawClient } from './raw-client.ts'
import { TemporaryFolder } from './temporary-folder.ts'
import { until } from './until.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const LAUNCHER = join(ROOT, 'bin', 'postern.cjs')

/** Ten times what a start takes. */
const START_MS = 30_000

/** Settings as they stand in the configuration file. */
export type GatewaySettings = Readonly<Record<string, unknown>>

/** One line of the log. */
export type LogLine = Readonly<Record<string, unknown>> & { readonly event: string }

/** What a test does not say: one domain of ours into a maildir, trust in 127.0.0.1 alone, no HTTP. */
const SETTINGS: GatewaySettings = {
  hostname: 'mx.example.test',
  listeners: [{ address: '127.0.0.1:0' }],
  domains: { 'example.test': { deliver: 'maildir:./mail' } },
  relay: { networks: ['127.0.0.1/32'] },
  store: { directory: './store' },
  admin: { socket: './control.sock', http: 'off' },
  plugins: [{ name: 'relay-control' }, { name: 'recipients' }, { name: 'routing' }],
}

/** A plugin of the fixtures as the configuration names it. */
export function fixturePlugin(name: string, more: GatewaySettings = {}): GatewaySettings {
  return { path: join(ROOT, 'test', 'fixtures', 'plugins', `${name}.ts`), ...more }
}

/** A configuration in a folder of its own, and what may be done with it. */
export class GatewayFolder implements AsyncDisposable {
  readonly #folder: TemporaryFolder
  #settings: GatewaySettings

  private constructor(folder: TemporaryFolder, settings: GatewaySettings) {
    this.#folder = folder
    this.#settings = settings
    this.change({})
  }

  /** @param settings take the place of the defaults, each as a whole */
  static async make(settings: GatewaySettings): Promise<GatewayFolder> {
    return new GatewayFolder(await TemporaryFolder.make(), { ...SETTINGS, ...settings })
  }

  get path(): string {
    return this.#folder.path
  }

  get configFile(): string {
    return join(this.path, 'postern.yaml')
  }

  get socket(): string {
    return join(this.path, 'control.sock')
  }

  /** JSON is YAML. */
  change(settings: GatewaySettings): void {
    this.#settings = { ...this.#settings, ...settings }
    writeFileSync(this.configFile, `${JSON.stringify(this.#settings, null, 2)}\n`)
  }

  write(name: string, text: string): string {
    const file = join(this.path, name)
    writeFileSync(file, text)
    return file
  }

  /** Every file below a folder in it. */
  async list(name: string): Promise<readonly string[]> {
    const entries = await readdir(join(this.path, name), { recursive: true, withFileTypes: true })
    return entries.filter((entry) => entry.isFile()).map(({ name: file }) => file)
  }

  /** `postern ARGS` with this configuration, as a group of processes. */
  launch(args: readonly string[]): ProcessGroup {
    return ProcessGroup.start(process.execPath, [LAUNCHER, '--config', this.configFile, ...args], {
      cwd: this.path,
    })
  }

  /** Runs a command to its end. */
  async run(args: readonly string[]): Promise<Ended> {
    await using group = this.launch(args)
    return await group.end(START_MS)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]()
  }
}

export class Gateway implements AsyncDisposable {
  readonly folder: GatewayFolder
  readonly control: Control
  #group: ProcessGroup
  /** What earlier lives wrote to the log. */
  #earlierLog = ''
  #ports: readonly number[] = []

  private constructor(folder: GatewayFolder) {
    this.folder = folder
    this.control = controlClient(folder.socket)
    this.#group = folder.launch(['start'])
  }

  /** Starts a gateway and waits until it says that it is ready. */
  static async start(settings: GatewaySettings = {}): Promise<Gateway> {
    const gateway = new Gateway(await GatewayFolder.make(settings))
    try {
      await gateway.#becomesReady()
      // A restart listens where its predecessor did, as a real one does.
      if (settings['listeners'] === undefined)
        gateway.folder.change({ listeners: [{ address: `127.0.0.1:${gateway.port}` }] })
      return gateway
    } catch (error) {
      await gateway[Symbol.asyncDispose]()
      throw error
    }
  }

  /** Of the first listener. */
  get port(): number {
    return this.#ports[0] ?? 0
  }

  /** Of every listener, in the order of the configuration. */
  get ports(): readonly number[] {
    return this.#ports
  }

  get supervisorPid(): number {
    return this.#group.pid
  }

  /** What it said to whoever started it. */
  get banner(): string {
    return this.#group.stdout
  }

  /** Its processes that run. */
  members(): readonly string[] {
    return this.#group.members()
  }

  /** Lines of the log, of earlier lives too; of one event when it is named. */
  logged(event?: string): readonly LogLine[] {
    const lines: LogLine[] = []
    for (const line of `${this.#earlierLog}${this.#group.stderr}`.split('\n')) {
      if (!line.startsWith('{')) continue
      const parsed = parsedLine(line)
      if (parsed !== null && (event === undefined || parsed.event === event)) lines.push(parsed)
    }
    return lines
  }

  /** A client that was greeted and has said EHLO. */
  greeted(from?: string): Promise<RawClient> {
    return RawClient.greeted({ port: this.port, ...(from === undefined ? {} : { from }) })
  }

  /** Sends one message over a connection of its own; returns the reply to it. */
  async send(to: readonly string[], content: Uint8Array, from = 'sender@client.example'): Promise<string> {
    using client = await this.greeted()
    return await client.send(from, to, content)
  }

  /** Messages in the maildir at `name` below the folder, in no order. */
  kept(name = 'mail'): readonly Buffer[] {
    const fresh = join(this.folder.path, name, 'new')
    try {
      return readdirSync(fresh).map((file) => readFileSync(join(fresh, file)))
    } catch (error) {
      // Made with the first message.
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
      throw error
    }
  }

  /** Process id of the worker that is in charge. */
  async workerPid(): Promise<number> {
    return (await this.worker()).pid
  }

  /** The worker that is in charge; the first of several. */
  async worker(): Promise<WorkerStatus> {
    const { gateway } = await this.control.status()
    const worker = gateway?.workers[0]
    assert.ok(worker !== undefined, 'a worker is there')
    return worker
  }

  /** SIGKILL to the whole tree in one step; resolves when nothing of it is left. */
  async kill(): Promise<void> {
    await this.#group.kill()
  }

  /** Once more with the same folder and the same port, after a kill or a stop. */
  async restart(): Promise<void> {
    await this.#group.kill()
    this.#earlierLog += this.#group.stderr
    this.#group = this.folder.launch(['start'])
    await this.#becomesReady()
  }

  /** Signals the leader, or the whole group as a terminal does, and waits for the end. */
  async stop(signal: NodeJS.Signals = 'SIGTERM', whom: 'leader' | 'group' = 'leader'): Promise<Ended> {
    if (whom === 'leader') this.#group.signalLeader(signal)
    else this.#group.signal(signal)
    return await this.#group.end()
  }

  /** Waits for an end that was asked for already. */
  async ended(): Promise<Ended> {
    return await this.#group.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#group.kill()
    await this.folder[Symbol.asyncDispose]()
  }

  async #becomesReady(): Promise<void> {
    const group = this.#group
    await until(() => group.ended !== null || group.stdout.includes('\nReady.'), 'the banner', START_MS)
    if (group.ended !== null) throw new Error(`the gateway did not start:\n${group.stderr}`)
    const listens = [...group.stdout.matchAll(/^\s*Listens\s+127\.0\.0\.1:(\d+)/gm)]
    this.#ports = listens.map(([, port]) => Number(port))
    assert.ok(this.port > 0, `the banner names the port:\n${group.stdout}`)
  }
}

/** Null for half a line: the process died while it wrote. */
function parsedLine(line: string): LogLine | null {
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return null
  }
}
