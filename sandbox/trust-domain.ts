/**
 * One trust domain: the plugins that share a plughost, and the plughost kept alive for them. A death is charged to the
 * plugin and the call it happened in; everybody else is asked again and hears nothing of it.
 */
import type { Fault } from '../core/mail/answer.ts'
import type { Clock } from '../core/observe/clock.ts'
import type { Log } from '../core/observe/log.ts'
import type { Broker } from './broker/broker.ts'
import { EffectRefused } from './broker/effect.ts'
import { Call, type CallReport, type Progress, type Question } from './call.ts'
import type { PermissionSet } from './permissions.ts'
import { type Death, Plughost } from './plughost.ts'
import { type AskHead, type LoadRequest, TO_HOST } from './protocol/messages.ts'
import type { HostMessage, RawFault } from './protocol/parse.ts'
import { withoutSecret } from './secret.ts'

export interface LoadedPlugin {
  readonly request: LoadRequest
  readonly permissions: PermissionSet
}

export interface DomainOptions {
  readonly clock: Clock
  readonly log: Log
  readonly broker: Pick<Broker, 'effect'>
  readonly random: () => number
}

/** What loading came to. */
export type LoadOutcome = { readonly manifest: unknown } | { readonly fault: RawFault }

const MAX_CALLS = 1_024
/** Of one call at once: results of all of them may lie in memory together. */
const MAX_EFFECTS = 16
const TICK_MS = 100
const BOOT_MS = 10_000
const RSS_BASE_BYTES = 192 * 1024 * 1024
const RSS_PER_PLUGIN_BYTES = 8 * 1024 * 1024
const GRACE_MS = 200
const FIRST_RESPAWN_MS = 100
const LAST_RESPAWN_MS = 5_000
/** A plughost that lived this long starts the waiting anew. */
const HEALTHY_MS = 60_000

const CLOSED: Fault = Object.freeze({ kind: 'unavailable', message: 'the plughost was closed', stack: '' })

export class TrustDomain {
  readonly #options: DomainOptions
  /** What every (re)start loads, by number. */
  readonly #plugins = new Map<number, LoadedPlugin>()
  readonly #calls = new Map<number, Call>()
  readonly #loading = new Map<number, (outcome: LoadOutcome) => void>()
  #host: Plughost | null = null
  #ready = false
  #bornAt = 0
  #respawnMs = FIRST_RESPAWN_MS
  #respawnTimer: NodeJS.Timeout | null = null
  #nextCall = 0
  #loadsUnderWay = 0
  #ticker: NodeJS.Timeout | null = null
  #closed = false
  #deaths = 0

  constructor(options: DomainOptions) {
    this.#options = options
  }

  get pid(): number | null {
    return this.#ready ? (this.#host?.pid ?? null) : null
  }

  get deaths(): number {
    return this.#deaths
  }

  /** Loads a plugin for the first time; its number is the caller's. */
  load(plugin: number, request: LoadRequest): Promise<LoadOutcome> {
    return new Promise((resolve) => {
      this.#loading.set(plugin, resolve)
      if (this.#host === null) this.#spawn()
      // When there is none to be had, the plugin was told so.
      if (this.#host !== null) this.#sendLoad(plugin, request)
    })
  }

  /** From now on a new plughost loads this plugin too. */
  keep(plugin: number, loaded: LoadedPlugin): void {
    this.#plugins.set(plugin, loaded)
  }

  /** Asks plugins one after the other until one refuses or fails. Never rejects. */
  ask(question: Question): Promise<readonly CallReport[]> {
    return new Promise((resolve) => {
      this.#nextCall = (this.#nextCall % 0x7fffffff) + 1
      const call = new Call(this.#nextCall, question, performance.now(), resolve)
      if (this.#closed) {
        call.fail(CLOSED)
        return call.resolve()
      }
      if (this.#calls.size >= MAX_CALLS) {
        call.fail({ kind: 'unavailable', message: `more than ${MAX_CALLS} calls under way`, stack: '' })
        return call.resolve()
      }
      this.#calls.set(call.id, call)
      this.#ticker ??= setInterval(() => this.#tick(), TICK_MS).unref()
      // Without a plughost the call waits: the next one is told of it as soon as it is ready.
      if (this.#ready) this.#send(call)
    })
  }

  /** Whoever still waits for an answer gets none: a fault of kind `unavailable`. */
  close(): void {
    this.#closed = true
    if (this.#respawnTimer !== null) clearTimeout(this.#respawnTimer)
    if (this.#ticker !== null) clearInterval(this.#ticker)
    this.#failLoads(0, CLOSED.message)
    for (const call of this.#calls.values()) this.#proceed(call, call.fail(CLOSED))
    this.#host?.close()
  }

  #spawn(): void {
    this.#bornAt = performance.now()
    if (this.#respawnTimer !== null) clearTimeout(this.#respawnTimer)
    this.#respawnTimer = null
    try {
      this.#host = this.#newHost()
    } catch (error) {
      // No process, no file for its breadcrumb: the machine is short of something, which may pass.
      this.#options.log.error('plughost-not-started', { reason: (error as Error).message })
      this.#failLoads(0, `the plughost did not start: ${(error as Error).message}`)
      this.#respawn()
    }
  }

  /** @throws when the system gives no process or no file */
  #newHost(): Plughost {
    return new Plughost({
      rssCapBytes: RSS_BASE_BYTES + RSS_PER_PLUGIN_BYTES * Math.max(8, this.#plugins.size),
      silenceMs: () => (this.#ready && this.#loadsUnderWay === 0 ? this.#sliceMs() + GRACE_MS : BOOT_MS),
      onMessage: (message) => this.#hear(message),
      onDeath: (death) => this.#hostDied(death),
    })
  }

  /** Longest single stay in an isolate. */
  #sliceMs(): number {
    let longest = 0
    for (const { request } of this.#plugins.values()) longest = Math.max(longest, request.sliceMs)
    return longest
  }

  #hear(message: HostMessage): void {
    switch (message.type) {
      case 'ready':
        return this.#hostReady()
      case 'loaded':
        return this.#loaded(message.plugin, { manifest: message.manifest })
      case 'load-failed':
        return this.#loaded(message.plugin, { fault: message.fault })
      case 'reports':
        return this.#reported(message)
      case 'effect':
        return this.#carryOut(message)
      case 'log':
        return this.#logged(message)
      case 'progress':
        return
    }
  }

  /** A fresh plughost gets every plugin and then every call that waits; frames keep their order. */
  #hostReady(): void {
    this.#ready = true
    for (const [plugin, { request }] of this.#plugins) this.#sendLoad(plugin, request)
    for (const call of this.#calls.values()) this.#send(call)
    if (this.#deaths > 0) this.#options.log.info('plughost-started', { pid: this.#host?.pid })
  }

  #sendLoad(plugin: number, request: LoadRequest): void {
    this.#loadsUnderWay++
    this.#host?.send(TO_HOST.load, plugin, JSON.stringify(request))
  }

  #loaded(plugin: number, outcome: LoadOutcome): void {
    this.#loadsUnderWay--
    const waiting = this.#loading.get(plugin)
    this.#loading.delete(plugin)
    if (waiting !== undefined) return waiting(outcome)
    if (!('fault' in outcome)) return
    const reason = outcome.fault.message
    this.#options.log.error('plugin-reload-failed', { plugin: this.#name(plugin), reason })
    // It loaded before, so the machine was in its way: the next plughost tries again.
    this.#host?.kill('reload', `${this.#name(plugin)} did not load: ${reason}`)
  }

  #send(call: Call): void {
    const plugins = call.remaining
    const head: AskHead = {
      hook: call.question.hook,
      plugins,
      now: this.#options.clock.now(),
      seed: Math.floor(this.#options.random() * 0x7fffffff),
    }
    const { eventJson, fieldsJson, trace } = call.question
    trace?.asked(plugins, head.now, head.seed)
    this.#host?.send(TO_HOST.ask, call.id, `${JSON.stringify(head)}\n${eventJson}\n${fieldsJson}`)
  }

  #reported({ call: id, reports }: Extract<HostMessage, { type: 'reports' }>): void {
    const call = this.#calls.get(id)
    if (call === undefined) return
    const now = performance.now()
    for (const report of reports) {
      const progress = call.take(report, now)
      if (progress === null) return this.#host?.kill('protocol', 'a report about a plugin that was not asked')
      if (progress !== 'goes-on') return this.#proceed(call, progress)
    }
  }

  #proceed(call: Call, progress: Progress): void {
    if (progress === 'goes-on') return
    if (progress === 'ask-again') {
      if (this.#ready) this.#send(call)
      return
    }
    this.#calls.delete(call.id)
    call.resolve()
  }

  /** Permissions are checked here, whatever the plughost believes. */
  #carryOut({ call: id, effect, plugin, method, args }: Extract<HostMessage, { type: 'effect' }>): void {
    const call = this.#calls.get(id)
    const permissions = this.#plugins.get(plugin)?.permissions
    const known = this.#options.broker.effect(method)
    const host = this.#host
    // Nobody waits for it here, so nobody need wait for it there.
    if (call === undefined) return host?.send(TO_HOST.cancel, id, '')
    if (call.turn !== plugin || permissions === undefined) return
    const traced = call.question.trace?.effect(plugin, method, args, known?.write === true)
    const settle = (ok: boolean, value: unknown): void => {
      call.effectsUnderWay--
      traced?.(ok, value)
      if (this.#calls.get(id) !== call) return
      // Without a value the list is shorter: JSON has no undefined, and null would be a value.
      const result = [effect, plugin, ok, ...(value === undefined ? [] : [value])]
      host?.send(TO_HOST.result, id, JSON.stringify(result))
    }
    call.effectsUnderWay++
    if (known === undefined) return settle(false, `there is no tool called ${method}`)
    if (call.effectsUnderWay > MAX_EFFECTS)
      return settle(false, `more than ${MAX_EFFECTS} tools of one call at work at once`)
    if (known.write) call.wrote = true
    known.run({ permissions, message: call.question.message }, args).then(
      (value) => settle(true, value),
      (error: unknown) => {
        if (!(error instanceof EffectRefused))
          this.#options.log.error('plugin-effect-failed', {
            plugin: this.#name(plugin),
            method,
            reason: String(error),
          })
        settle(false, error instanceof EffectRefused ? error.message : `${method} is not available now`)
      },
    )
  }

  #logged({ call: id, plugin, level, text, fields }: Extract<HostMessage, { type: 'log' }>): void {
    const { session, secret = '' } = this.#calls.get(id)?.question ?? {}
    const said = withoutSecret({ text, facts: fields }, secret)
    this.#options.log[level]('plugin-said', { plugin: this.#name(plugin), session, ...said })
  }

  #hostDied(death: Death): void {
    this.#host = null
    this.#ready = false
    this.#loadsUnderWay = 0
    this.#deaths++
    if (this.#closed) return
    const { plugin, call } = death.blame
    const guilty = death.cause === 'protocol' || death.cause === 'reload' ? 0 : plugin
    this.#options.log.error('plughost-died', {
      plugin: guilty === 0 ? null : this.#name(guilty),
      hook: this.#calls.get(call)?.question.hook,
      session: this.#calls.get(call)?.question.session,
      cause: death.cause,
      detail: death.detail,
      stderr: death.stderr.split('\n').filter((line) => line.trim() !== '')[0],
    })
    this.#failLoads(guilty, `the plughost died: ${death.detail}`)
    const fault = deathFault(death)
    for (const inFlight of this.#calls.values())
      this.#proceed(inFlight, inFlight.hostDied(inFlight.id === call && guilty !== 0 ? guilty : null, fault))
    this.#respawn()
  }

  #failLoads(guilty: number, message: string): void {
    for (const [plugin, settle] of this.#loading) {
      const whose = plugin === guilty ? `while loading it, ${message}` : message
      settle({ fault: { kind: 'death', message: whose, stack: '' } })
    }
    this.#loading.clear()
  }

  #respawn(): void {
    if (performance.now() - this.#bornAt > HEALTHY_MS) this.#respawnMs = FIRST_RESPAWN_MS
    this.#respawnTimer = setTimeout(() => this.#spawn(), this.#respawnMs)
    this.#respawnMs = Math.min(this.#respawnMs * 2, LAST_RESPAWN_MS)
  }

  #tick(): void {
    const now = performance.now()
    for (const call of this.#calls.values()) {
      const fault = call.overdue(now)
      if (fault === null) continue
      this.#host?.send(TO_HOST.cancel, call.id, '')
      this.#proceed(call, call.fail(fault))
    }
    if (this.#calls.size > 0 || this.#ticker === null) return
    clearInterval(this.#ticker)
    this.#ticker = null
  }

  #name(plugin: number): string {
    return this.#plugins.get(plugin)?.request.name ?? `plugin ${plugin}`
  }
}

function deathFault({ cause, detail }: Death): Fault {
  const kind = cause === 'timeout' || cause === 'memory' ? cause : 'death'
  return { kind, message: cause === 'died' ? `its process died (${detail})` : detail, stack: '' }
}
