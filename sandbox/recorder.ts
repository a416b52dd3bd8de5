/**
 * Recordings of activations, for those plugins the configuration names: what `postern plugin replay` plays again. One
 * file a plugin in the folder of the store, of lines of JSON, open to its owner only. It is bounded: a full file becomes
 * `NAME.1.jsonl` and the one before it goes. Mail never waits for it, and never fails because of it.
 *
 * Of passwords nothing is kept: an activation that saw one leaves a line that says so. Content of messages is kept only
 * where the setting says so; header fields are kept where the plugin was told them.
 */
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { ActivationsConfig } from '../config/config.ts'
import type { HookName } from '../core/mail/hook-events.ts'
import type { Log } from '../core/observe/log.ts'
import {
  type Activation,
  ActivationTrace,
  type RecordedPlugin,
  type Said,
  type WithheldActivation,
} from './activation.ts'
import type { ReadyPlugin } from './load.ts'

/** What the border knows of a call when it is over. */
export interface RecordedCall {
  readonly trace: ActivationTrace
  readonly hook: HookName
  readonly session: string
  readonly eventJson: string
  readonly fieldsJson: string
  /** A password was told. */
  readonly isSecret: boolean
}

const FLUSH_MS = 100
/** Of one plugin, waiting for the disk. */
const MAX_WAITING_CHARS = 4 * 1024 * 1024

/** Everything a worker records. Workers and generations may write the same files. */
export class Recorder {
  readonly #folder: string
  readonly #log: Log
  readonly #files = new Map<string, RecordingFile>()
  #loads = 0

  /** @param folder where the files are; made when it is needed */
  constructor(folder: string, log: Log) {
    this.#folder = folder
    this.#log = log
  }

  /** A recording of one generation's plugins; null when none of them is named. */
  begin(settings: ActivationsConfig, plugins: readonly ReadyPlugin[]): Recording | null {
    const unknown = settings.plugins.filter((name) => plugins.every(({ identity }) => identity.name !== name))
    if (unknown.length > 0) this.#log.warn('recording-of-nobody', { plugins: unknown })
    const chosen = plugins.filter(({ identity }) => settings.plugins.includes(identity.name))
    if (chosen.length === 0) return null
    const load = `${process.pid}-${Date.now().toString(36)}-${++this.#loads}`
    return new Recording(settings, load, chosen, (name) => this.#file(name, settings.bytes))
  }

  /** Writes what waits. */
  async close(): Promise<void> {
    await Promise.all([...this.#files.values()].map((file) => file.flush()))
  }

  #file(name: string, limitBytes: number): RecordingFile {
    let file = this.#files.get(name)
    if (file === undefined) this.#files.set(name, (file = new RecordingFile(this.#folder, name, this.#log)))
    file.limitBytes = limitBytes
    return file
  }
}

/** The part of the recorder one generation writes to. */
export class Recording {
  readonly #settings: ActivationsConfig
  readonly #load: string
  readonly #heads: ReadonlyMap<number, string>
  readonly #file: (name: string) => RecordingFile
  #steps = 0

  constructor(
    settings: ActivationsConfig,
    load: string,
    plugins: readonly ReadyPlugin[],
    file: (name: string) => RecordingFile,
  ) {
    this.#settings = settings
    this.#load = load
    this.#heads = new Map(plugins.map((plugin) => [plugin.number, JSON.stringify(headOf(plugin, load))]))
    this.#file = file
  }

  /** What gathers a call to these plugins; null when none of them is recorded. */
  trace(plugins: readonly ReadyPlugin[]): ActivationTrace | null {
    if (!plugins.some(({ number }) => this.#heads.has(number))) return null
    return new ActivationTrace(() => ++this.#steps, this.#settings.bodies)
  }

  /** Writes down what a plugin said. */
  add({ number, identity }: ReadyPlugin, call: RecordedCall, said: Said, cpuMicros: number): void {
    const head = this.#heads.get(number)
    const came = call.trace.of(number)
    if (head === undefined || came === undefined) return
    const { hook, session } = call
    const about = { load: this.#load, n: came.n, hook, session }
    const withheld = (why: WithheldActivation['why']): string =>
      JSON.stringify({ kind: 'withheld', ...about, why } satisfies WithheldActivation)
    const file = this.#file(identity.name)
    if (call.isSecret) return file.add(head, withheld('password'))
    const activation: Activation = {
      kind: 'activation',
      ...about,
      ...came,
      end: ++this.#steps,
      event: JSON.parse(call.eventJson),
      ...(call.fieldsJson === '' ? {} : { fields: JSON.parse(call.fieldsJson) }),
      said,
      cpuMicros,
    }
    const line = JSON.stringify(activation)
    file.add(head, line.length > file.longestLine ? withheld('size') : line)
  }
}

function headOf({ identity, source, file, manifest }: ReadyPlugin, load: string): RecordedPlugin {
  const { name, version, build } = identity
  const from = source === 'bundled' ? source : file
  return { kind: 'plugin', load, name, version, build, source: from, hooks: manifest.hooks }
}

/** The recording of one plugin on disk. Other workers append to it too, in whole lines. */
class RecordingFile {
  /** Octets of both files together, about. */
  limitBytes = 0
  readonly #folder: string
  readonly #name: string
  readonly #log: Log
  #waiting: { readonly head: string; readonly line: string }[] = []
  #waitingChars = 0
  #left = 0
  #timer: NodeJS.Timeout | null = null
  #writing: Promise<void> = Promise.resolve()
  /** The file that was written to last, and the heads it has from us. */
  #written = { inode: 0, heads: new Set<string>() }
  #hasFailed = false

  constructor(folder: string, name: string, log: Log) {
    this.#folder = folder
    this.#name = name
    this.#log = log
  }

  /** Characters of a line that still fits. */
  get longestLine(): number {
    return Math.min(MAX_WAITING_CHARS, this.limitBytes / 2) / 4
  }

  add(head: string, line: string): void {
    if (this.#waitingChars + line.length > MAX_WAITING_CHARS) {
      this.#left++
      return
    }
    this.#waiting.push({ head, line })
    this.#waitingChars += line.length
    this.#timer ??= setTimeout(() => void this.flush(), FLUSH_MS).unref()
  }

  /** Never rejects: a recording that cannot be written is logged, once until it works again. */
  flush(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#writing = this.#writing.then(() => this.#write())
    return this.#writing
  }

  async #write(): Promise<void> {
    const [lines, left] = [this.#waiting, this.#left]
    if (lines.length === 0) return
    this.#waiting = []
    this.#waitingChars = 0
    this.#left = 0
    if (left > 0) this.#log.warn('recording-incomplete', { plugin: this.#name, left })
    try {
      await this.#append(lines)
      this.#hasFailed = false
    } catch (error) {
      if (!this.#hasFailed)
        this.#log.error('recording-failed', { plugin: this.#name, reason: (error as Error).message })
      this.#hasFailed = true
    }
  }

  async #append(lines: readonly { readonly head: string; readonly line: string }[]): Promise<void> {
    const file = await this.#opened()
    try {
      const { ino } = await file.stat()
      if (ino !== this.#written.inode) this.#written = { inode: ino, heads: new Set() }
      const out: string[] = []
      for (const { head, line } of lines) {
        if (!this.#written.heads.has(head)) out.push(head)
        this.#written.heads.add(head)
        out.push(line)
      }
      await file.appendFile(`${out.join('\n')}\n`)
    } finally {
      await file.close()
    }
  }

  /** The file to write to: a new one where the last one is full. */
  async #opened(): Promise<FileHandle> {
    const path = join(this.#folder, `${this.#name}.jsonl`)
    await mkdir(this.#folder, { recursive: true, mode: 0o700 })
    const file = await open(path, 'a', 0o600)
    if ((await file.stat()).size < this.limitBytes / 2) return file
    await file.close()
    await rename(path, join(this.#folder, `${this.#name}.1.jsonl`))
    return await open(path, 'a', 0o600)
  }
}
