/**
 * The only file that knows isolated-vm. Synchronous calls with a deadline and nothing else: its promises, callbacks and
 * catastrophic-error handlers have ways to hang or crash that a deadline does not cover. Only numbers and strings go
 * in and come out.
 */
import ivm from 'isolated-vm'
import type { PrepareRequest } from '../protocol/messages.ts'
import type { RowText } from './row.ts'
import type { Told } from './turn-queue.ts'

export interface IsolateSource {
  /** Shown in stack traces. */
  readonly file: string
  readonly code: string
  readonly api: string
  readonly prelude: string
  readonly memoryMb: number
  readonly sliceMs: number
}

/** What went wrong in an isolate. After `timeout` and `memory` the isolate is gone. */
export class IsolateFault extends Error {
  readonly kind: 'throw' | 'timeout' | 'memory'
  /** The stack inside the isolate, the host's frames cut off. */
  readonly isolateStack: string

  constructor(kind: IsolateFault['kind'], message: string, isolateStack: string) {
    super(message)
    this.name = 'IsolateFault'
    this.kind = kind
    this.isolateStack = isolateStack
  }
}

const EVALUATE_MS = 500
const MANIFEST_MS = 100
/** Put behind the code of a plugin. */
const LAST_EXPORT = '__postern_last_line'
const LAST_LINE = `export const ${LAST_EXPORT} = true`
const NEVER_ENDS =
  'its code outside of hooks waits (await) for what does not come: no tool is there while it is loaded'
/** No exported name of the plugin's can be one of these. */
const ENTRY_POINTS = [
  '__install',
  '__manifest',
  '__configure',
  '__start',
  '__startRow',
  '__settle',
  '__cancel',
  '__drain',
] as const
type EntryPoint = (typeof ENTRY_POINTS)[number]

/** How a call that was started goes on. `quiet`: over, with no opinion and nothing to drain; `waits`: for a promise. */
export const STARTED = { quiet: 0, spoke: 1, waits: 2 } as const
export type Started = (typeof STARTED)[keyof typeof STARTED]

/** An isolate in which nothing has run but the prelude. */
interface EmptyIsolate {
  readonly isolate: ivm.Isolate
  readonly context: ivm.Context
  readonly entry: Record<EntryPoint, ivm.Reference>
}

/** What `prepareIsolates` made and no plugin has taken. */
const prepared: (EmptyIsolate & { readonly prelude: string; readonly memoryMb: number })[] = []

/**
 * The prelude compiled, for every isolate of this process after the first. It
 * was made here of a text of the gateway's, and no plugin can reach it. (A snapshot of V8's would save more, but it
 * brings back what the prelude takes away, and ends the process where the prelude locks a property.)
 */
let compiledPrelude: { readonly prelude: string; readonly code: ivm.ExternalCopy<ArrayBuffer> } | null = null

/** Makes one more isolate for plugins that are still to come. @returns false when there are enough @throws IsolateFault */
export function prepareIsolate({ isolates, prelude, memoryMb }: PrepareRequest): boolean {
  if (prepared.length >= isolates) return false
  prepared.push({ ...emptyIsolate(prelude, memoryMb), prelude, memoryMb })
  return true
}

/** One plugin in its isolate. Every method throws IsolateFault and nothing else. */
export class PluginIsolate {
  readonly #isolate: ivm.Isolate
  readonly #entry: Record<EntryPoint, ivm.Reference>
  readonly #slice: { readonly timeout: number }
  /** JSON of what the plugin declares. */
  readonly manifestJson: string

  /** Loads and evaluates the plugin. */
  constructor({ file, code, api, prelude, memoryMb, sliceMs }: IsolateSource) {
    this.#slice = { timeout: sliceMs }
    const { isolate, context, entry } = takePrepared(prelude, memoryMb) ?? emptyIsolate(prelude, memoryMb)
    this.#isolate = isolate
    this.#entry = entry
    try {
      const plugin = evaluatePlugin(this.#isolate, context, file, code, api)
      const definition = plugin.namespace.getSync('default', { reference: true })
      this.#entry.__install.applySync(undefined, [definition.derefInto()], { timeout: MANIFEST_MS })
      this.manifestJson = textOf(this.#entry.__manifest.applySync(undefined, [], { timeout: MANIFEST_MS }))
    } catch (error) {
      this.dispose()
      throw isolateFault(error)
    }
  }

  /** @param firstEffect effects are numbered from here on; no isolate of this plugin had these numbers before */
  configure(json: string, firstEffect: number): void {
    this.#enter('__configure', [json, firstEffect])
  }

  /** Starts a call. @returns how it went on */
  start(now: number, seed: number, call: number, hook: string, told: Told): Started {
    const { event, subject, subjectJson, fields } = told
    const how = this.#enter('__start', [now, seed, call, hook, event, subject, subjectJson, fields])
    return how === STARTED.quiet || how === STARTED.waits ? how : STARTED.spoke
  }

  /**
   * Starts calls, one after the other, in one stay. It may leave some at the end for another one.
   *
   * @param count of calls in the row
   * @returns of each that was started how it went on: a digit, one of STARTED
   */
  startRow({ json, texts }: RowText, count: number): string {
    const digits = textOf(this.#enter('__startRow', [json, texts]))
    if (digits.length > count || !/^[012]+$/.test(digits))
      throw new IsolateFault('throw', 'the plugin tampers with its isolate', '')
    return digits
  }

  /** Settles an effect; `json` is its value or the reason of its failure. */
  settle(now: number, seed: number, call: number, effect: number, ok: boolean, json: string): Started {
    const how = this.#enter('__settle', [now, seed, call, effect, ok, json])
    return how === STARTED.quiet ? how : STARTED.spoke
  }

  cancel(call: number): void {
    this.#enter('__cancel', [call])
  }

  /**
   * JSON array of the commands since the last drain, '' for none.
   *
   * @param threw the last stay ended with an error, so its return value was lost
   */
  drain(threw: boolean): string {
    return textOf(this.#enter('__drain', [threw]))
  }

  /** Time spent in it so far, in microseconds. isolated-vm calls it CPU time; waiting for a processor is in it. */
  insideMicros(): number {
    return this.#isolate.isDisposed ? 0 : Number(this.#isolate.cpuTime / 1000n)
  }

  /** What it holds in memory, buffers included, in octets. */
  heapBytes(): number {
    const { used_heap_size: heap, externally_allocated_size: buffers } = this.#isolate.getHeapStatisticsSync()
    return heap + buffers
  }

  dispose(): void {
    if (!this.#isolate.isDisposed) this.#isolate.dispose()
  }

  #enter(name: EntryPoint, args: readonly (string | number | boolean)[]): unknown {
    try {
      return this.#entry[name].applySync(undefined, args as (string | number | boolean)[], this.#slice)
    } catch (error) {
      throw isolateFault(error)
    }
  }
}

/** What the prelude returns where it returns text. */
function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

/** @throws IsolateFault */
function emptyIsolate(prelude: string, memoryMb: number): EmptyIsolate {
  const isolate = new ivm.Isolate({ memoryLimit: memoryMb })
  try {
    const context = isolate.createContextSync()
    compilePrelude(isolate, prelude).runSync(context, { timeout: EVALUATE_MS })
    return { isolate, context, entry: takeEntryPoints(context) }
  } catch (error) {
    if (!isolate.isDisposed) isolate.dispose()
    throw isolateFault(error)
  }
}

function takePrepared(prelude: string, memoryMb: number): EmptyIsolate | null {
  const at = prepared.findIndex((one) => one.prelude === prelude && one.memoryMb === memoryMb)
  return at < 0 ? null : (prepared.splice(at, 1)[0] ?? null)
}

function compilePrelude(isolate: ivm.Isolate, prelude: string): ivm.Script {
  const filename = 'postern:prelude'
  if (compiledPrelude?.prelude === prelude)
    return isolate.compileScriptSync(prelude, { filename, cachedData: compiledPrelude.code })
  const script: ivm.Script & { readonly cachedData?: ivm.ExternalCopy<ArrayBuffer> } =
    isolate.compileScriptSync(prelude, { filename, produceCachedData: true })
  // Not there when V8 gave none: then the next isolate compiles it again.
  compiledPrelude = script.cachedData === undefined ? null : { prelude, code: script.cachedData }
  return script
}

/** The prelude's functions, out of reach for the plugin from here on. */
function takeEntryPoints(context: ivm.Context): Record<EntryPoint, ivm.Reference> {
  const entries = ENTRY_POINTS.map((name) => {
    const reference = context.global.getSync(name, { reference: true })
    context.global.deleteSync(name)
    return [name, reference] as const
  })
  return Object.fromEntries(entries) as Record<EntryPoint, ivm.Reference>
}

function evaluatePlugin(
  isolate: ivm.Isolate,
  context: ivm.Context,
  file: string,
  code: string,
  api: string,
): ivm.Module {
  const apiModule = isolate.compileModuleSync(api, { filename: 'postern' })
  const plugin = isolate.compileModuleSync(`${code}\n${LAST_LINE}`, { filename: file })
  plugin.instantiateSync(context, (specifier) => {
    if (specifier === 'postern') return apiModule
    throw new Error(`plugins cannot import "${specifier}"`)
  })
  plugin.evaluateSync({ timeout: EVALUATE_MS })
  if (!hasEnded(plugin)) throw new IsolateFault('throw', NEVER_ENDS, '')
  return plugin
}

/** Whether its last line was reached; before that, what it exports there does not exist. */
function hasEnded({ namespace }: ivm.Module): boolean {
  try {
    return namespace.getSync(LAST_EXPORT) === true
  } catch {
    return false
  }
}

/** Whatever isolated-vm threw, as plain strings: no object of an isolate travels further. */
function isolateFault(error: unknown): IsolateFault {
  if (error instanceof IsolateFault) return error
  const message = error instanceof Error ? String(error.message) : String(error)
  const stack = error instanceof Error ? String(error.stack ?? '') : ''
  const inside = stack.split('\n    at (<isolated-vm boundary>)')[0] ?? ''
  if (message === 'Script execution timed out.') return new IsolateFault('timeout', message, inside)
  if (/^Isolate (was|is) disposed|memory limit|Array buffer allocation failed/.test(message))
    return new IsolateFault('memory', message, inside)
  return new IsolateFault('throw', message.slice(0, 500), inside.slice(0, 4000))
}

/** CPU time of this thread so far, in microseconds and steps of some milliseconds; everything in isolates is done by it. */
export function threadMicros(): number {
  const { user, system } = process.threadCpuUsage()
  return user + system
}

/** Whether a stay took longer than it may. */
export function isTimeout(error: unknown): boolean {
  return error instanceof IsolateFault && error.kind === 'timeout'
}
