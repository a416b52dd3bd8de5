/**
 * One trust domain: the plugins that share a plughost, and the plughost kept alive for them. A death is charged to the
 * plugin and the call it happened in; everybody else is asked again and hears nothing of it.
 */
import type { Fault } from '../core/mail/answer.ts'
import { Call, type CallReport, type Progress, type Question, quietReports } from './call.ts'
import type { DomainOptions, LoadedPlugin } from './domain-options.ts'
import { Effects } from './effects.ts'
import { type Death, deathFault, Plughost, type PlughostOwner } from './plughost.ts'
import { PlughostLimits } from './plughost-limits.ts'
import type { PluginBacklog } from './plugin-backlog.ts'
import { type LoadOutcome, PluginLoads } from './plugin-loads.ts'
import { PluginLog } from './plugin-log.ts'
import { CallTable, MAX_CALLS } from './protocol/call-table.ts'
import { type LoadRequest, TO_HOST } from './protocol/messages.ts'
import type { HostMessage } from './protocol/parse.ts'
import { RespawnDelay } from './respawn-delay.ts'
import { RetryLine } from './retry-line.ts'
import { StandbyPlughost } from './standby-plughost.ts'

/** Ids of calls given up here that a plughost may still speak of; older ones are forgotten. */
const MAX_GIVEN_UP = 4_096
const TICK_MS = 100
/** After a death each call is watched by itself for so long: what dies of one then is charged to it. */
const WATCHED_MS = 600_000

const CLOSED: Fault = Object.freeze({ kind: 'unavailable', message: 'the plughost was closed', stack: '' })

const TOO_MANY_TOOLS: Fault = Object.freeze({
  kind: 'throw',
  message: 'it went on using tools beyond its quota',
  stack: '',
})

export class TrustDomain {
  readonly #options: DomainOptions
  readonly #effects: Effects
  readonly #log: PluginLog
  /** What every (re)start loads, by number. */
  readonly #plugins = new Map<number, LoadedPlugin>()
  readonly #calls = new CallTable<Call>()
  readonly #loads = new PluginLoads()
  readonly #retries = new RetryLine((call) => void this.#sendAgain(call))
  /** Calls that are over here while the plughost may not know it yet. */
  readonly #givenUp = new Set<number>()
  readonly #limits = new PlughostLimits(this.#plugins)
  readonly #standby: StandbyPlughost | null
  #host: Plughost | null = null
  #ready = false
  /** It stood by, and was sent the plugins already. */
  #knowsPlugins = false
  #bornAt = 0
  readonly #respawnDelay = new RespawnDelay()
  #respawnTimer: NodeJS.Timeout | null = null
  #ticker: NodeJS.Timeout | null = null
  #closed = false
  #deaths = 0
  /** Since its plughost died and no other has been ready. */
  #absentSince: number | null = null
  #watchedUntil = 0

  constructor(options: DomainOptions) {
    this.#options = options
    this.#effects = new Effects(options.broker, options.bounds.all)
    this.#log = new PluginLog(options.log, options.usage)
    const start = (owner: PlughostOwner): Plughost => this.#startHost(owner)
    const standby = { log: options.log, plugins: this.#plugins, limits: this.#limits, start }
    this.#standby = options.standby === true ? new StandbyPlughost(standby) : null
  }

  get pid(): number | null {
    return this.#ready ? (this.#host?.pid ?? null) : null
  }

  /** Names of those that are loaded, in the order of their numbers. */
  get pluginNames(): readonly string[] {
    return [...this.#plugins].sort(([a], [b]) => a - b).map(([, { request }]) => request.name)
  }

  get deaths(): number {
    return this.#deaths + (this.#standby?.deaths ?? 0)
  }

  /** Process of the plughost that stands by, null while it is not there; undefined: there is to be none. */
  get standbyPid(): number | null | undefined {
    return this.#standby?.pid
  }

  /** How much it has to do, and how long it has been without a plughost. */
  get backlog(): PluginBacklog {
    const absentMs = this.#absentSince === null ? 0 : performance.now() - this.#absentSince
    return { calls: this.#calls.size, absentMs }
  }

  /** Loads a plugin for the first time; its number is the caller's. */
  load(plugin: number, request: LoadRequest): Promise<LoadOutcome> {
    const outcome = this.#loads.wait(plugin, request)
    // When there is none to be had, whoever waits was told so.
    if (this.#host === null) this.#spawn()
    else this.#sendLoad(plugin, request)
    return outcome
  }

  /** From now on a new plughost loads this plugin too. */
  keep(plugin: number, loaded: LoadedPlugin): void {
    this.#plugins.set(plugin, loaded)
  }

  /** Whether a plughost stands by from now on; not before all plugins are loaded. */
  standBy(does: boolean): void {
    if (does) this.#standby?.want()
    else this.#standby?.close()
  }

  /** Asks plugins one after the other until one refuses or fails. Never rejects. */
  ask(question: Question): Promise<readonly CallReport[]> {
    return new Promise((resolve) => {
      const isFull = this.#calls.size >= MAX_CALLS
      const call = new Call(isFull ? 0 : this.#calls.nextId(), question, performance.now(), resolve)
      if (this.#closed) {
        call.fail(CLOSED)
        return call.resolve()
      }
      if (isFull) {
        call.fail({ kind: 'unavailable', message: `more than ${MAX_CALLS} calls under way`, stack: '' })
        return call.resolve()
      }
      this.#calls.add(call)
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
    this.#loads.fail(CLOSED.message)
    this.#standby?.close()
    const host = this.#host
    const isIdle = this.#ready && this.#calls.size + this.#givenUp.size === 0 && !this.#loads.areUnderWay
    for (const call of this.#calls.values()) this.#proceed(call, call.fail(CLOSED))
    if (host !== null && !(isIdle && this.#options.idle?.giveBack(host) === true)) host.close()
    this.#host = null
    this.#ready = false
  }

  #spawn(): void {
    this.#bornAt = performance.now()
    if (this.#respawnTimer !== null) clearTimeout(this.#respawnTimer)
    this.#respawnTimer = null
    const owner = this.#owner()
    const takenOver = this.#standby?.take(owner) ?? null
    try {
      this.#host = takenOver?.host ?? this.#startHost(owner)
    } catch (error) {
      // No process, no file for its breadcrumb: the machine is short of something, which may pass.
      this.#options.log.error('plughost-not-started', { reason: (error as Error).message })
      this.#loads.fail(`the plughost did not start: ${(error as Error).message}`)
      return this.#respawn()
    }
    this.#knowsPlugins = takenOver !== null
    for (const plugin of takenOver?.loading ?? []) this.#loads.sent(plugin)
    for (const [plugin, request] of this.#loads.waitedFor) this.#sendLoad(plugin, request)
    // One that was started before has said so already.
    if (this.#host.isReady) this.#hostReady()
  }

  #owner(): PlughostOwner {
    return {
      rssCapBytes: () => this.#limits.rssCapBytes(),
      silenceMs: () => this.#limits.silenceMs(!this.#ready || this.#loads.areUnderWay),
      onMessage: (message) => this.#hear(message),
      onDeath: (death) => this.#hostDied(death),
    }
  }

  /** @throws when the system gives no process or no file */
  #startHost(owner: PlughostOwner): Plughost {
    const { jit, entry, idle } = this.#options
    return idle?.take(owner) ?? new Plughost({ jit, ...(entry === undefined ? {} : { entry }) }, owner)
  }

  #hear(message: HostMessage): void {
    switch (message.type) {
      case 'ready':
        return this.#hostReady()
      case 'loaded':
        return this.#loaded(message.plugin, message)
      case 'load-failed':
        return this.#loaded(message.plugin, { fault: message.fault })
      case 'reports':
        return this.#reported(message)
      case 'quiet':
        return this.#quiet(message)
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
    if (this.#ready) return this.#host?.kill('protocol', 'ready a second time')
    this.#ready = true
    this.#absentSince = null
    if (!this.#knowsPlugins)
      for (const [plugin, { request }] of this.#plugins) this.#sendLoad(plugin, request)
    for (const call of this.#calls.values()) if (!this.#retries.has(call)) this.#send(call)
    this.#retries.go()
    if (this.#deaths > 0) this.#options.log.info('plughost-started', { pid: this.#host?.pid })
  }

  #sendLoad(plugin: number, request: LoadRequest): void {
    this.#loads.sent(plugin)
    this.#host?.send(TO_HOST.load, plugin, JSON.stringify(request))
  }

  #loaded(plugin: number, outcome: LoadOutcome): void {
    if ('wallMicros' in outcome) this.#limits.loaded(outcome.wallMicros)
    const wasWaitedFor = this.#loads.answered(plugin, outcome)
    if (wasWaitedFor === null) return this.#host?.kill('protocol', 'it loaded what it was not given')
    if (wasWaitedFor || !('fault' in outcome)) return
    const reason = outcome.fault.message
    this.#options.log.error('plugin-reload-failed', { plugin: this.#name(plugin), reason })
    // It loaded before, so the machine was in its way: the next plughost tries again.
    this.#host?.kill('reload', `${this.#name(plugin)} did not load: ${reason}`)
  }

  /** Meanwhile the call that killed the plughost may have shown that this one would, too. */
  async #sendAgain(call: Call): Promise<void> {
    for (const plugin of call.remaining) {
      const fault = await call.question.isBarred(plugin)
      if (!this.#calls.has(call.id)) return
      if (fault === null) continue
      const progress = call.bar(plugin, fault)
      if (progress === 'over') return this.#proceed(call, progress)
      break
    }
    if (this.#ready) this.#send(call)
  }

  #send(call: Call): void {
    call.isSent = true
    const plugins = call.remaining
    const { hook, event, fieldsJson, trace } = call.question
    const now = this.#options.clock.now()
    const seed = Math.floor(this.#options.random() * 0x7fffffff)
    trace?.asked(plugins, now, seed)
    const watched = performance.now() < this.#watchedUntil ? 1 : 0
    const head = `${hook} ${plugins.join()} ${now} ${seed} ${watched}`
    const { rest, subject, subjectJson } = event
    this.#host?.send(TO_HOST.ask, call.id, `${head}\n${rest}\n${subject}${subjectJson}\n${fieldsJson}`)
  }

  #reported({ call: id, reports }: Extract<HostMessage, { type: 'reports' }>): void {
    const call = this.#known(id)
    if (call === null) return
    const now = performance.now()
    for (const report of reports) {
      const progress = call.take(report, now)
      if (progress === null) return this.#host?.kill('protocol', 'a report about a plugin that was not asked')
      // Not before it is believed: the next in the line would be lost together with this one.
      this.#retries.passed(call)
      if (progress !== 'goes-on') return this.#proceed(call, progress)
    }
  }

  #quiet({ calls, reports: raw }: Extract<HostMessage, { type: 'quiet' }>): void {
    const now = performance.now()
    const reports = quietReports(raw)
    for (const id of calls) {
      const call = this.#known(id)
      if (call === null) continue
      const progress = call.takeQuiet(raw, reports, now)
      if (progress === null) return this.#host?.kill('protocol', 'a report about a plugin that was not asked')
      this.#retries.passed(call)
      this.#proceed(call, progress)
    }
  }

  #proceed(call: Call, progress: Progress): void {
    if (progress === 'goes-on') return
    if (progress === 'ask-again') {
      if (this.#ready) this.#send(call)
      return
    }
    this.#calls.delete(call.id)
    this.#retries.passed(call)
    call.resolve()
  }

  /** The call the plughost speaks of, null when it is over; a plughost that was never asked it is condemned. */
  #known(id: number): Call | null {
    const call = this.#calls.get(id)
    if (call !== undefined) return call
    if (!this.#givenUp.has(id))
      this.#host?.kill('protocol', 'it speaks of a call it was not asked, or has answered')
    return null
  }

  /** The plugin whose turn it is failed, and the plughost may not know it yet. */
  #giveUp(call: Call, fault: Fault): void {
    this.#host?.send(TO_HOST.cancel, call.id, '')
    this.#givenUp.add(call.id)
    const [oldest] = this.#givenUp
    if (oldest !== undefined && this.#givenUp.size > MAX_GIVEN_UP) this.#givenUp.delete(oldest)
    this.#proceed(call, call.fail(fault))
  }

  /** Permissions are checked here, whatever the plughost believes. */
  #carryOut({ call: id, effect, plugin, ...asked }: Extract<HostMessage, { type: 'effect' }>): void {
    const call = this.#known(id)
    const loaded = this.#plugins.get(plugin)
    if (call === null || call.turn !== plugin || loaded === undefined) return
    this.#retries.passed(call)
    const host = this.#host
    const { method, args } = asked
    const isWrite = this.#options.broker.effect(method)?.write === true
    const traced = call.question.trace?.effect(plugin, method, args, isWrite)
    const goesOn = this.#effects.carryOut({ ...asked, call, loaded }, (ok, json) => {
      traced?.(ok, json === '' ? undefined : (JSON.parse(json) as unknown))
      if (this.#calls.get(id) !== call) return
      // Without a value the list is shorter: JSON has no undefined, and null would be a value.
      const value = json === '' ? '' : `,${json}`
      host?.send(TO_HOST.result, id, `[${effect},${plugin},${ok}${value}]`)
    })
    if (!goesOn) this.#giveUp(call, TOO_MANY_TOOLS)
  }

  #logged({ call, plugin, ...line }: Extract<HostMessage, { type: 'log' }>): void {
    const name = this.#name(plugin)
    if (this.#log.write(name, this.#calls.get(call)?.question, line)) return
    this.#host?.kill('protocol', `a flood of log lines of ${name}`)
  }

  #hostDied(death: Death): void {
    this.#host = null
    this.#ready = false
    this.#givenUp.clear()
    this.#retries.stop()
    this.#deaths++
    this.#absentSince ??= performance.now()
    this.#watchedUntil = performance.now() + WATCHED_MS
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
    this.#loads.hostDied(guilty, `the plughost died: ${death.detail}`)
    const fault = deathFault(death)
    for (const inFlight of this.#calls.values()) {
      if (!inFlight.isSent) continue
      inFlight.isSent = false
      const progress = inFlight.hostDied(inFlight.id === call && guilty !== 0 ? guilty : null, fault)
      if (progress === 'ask-again') this.#retries.add(inFlight)
      else this.#proceed(inFlight, progress)
    }
    this.#respawn()
  }

  #respawn(): void {
    const delayMs = this.#respawnDelay.after(performance.now() - this.#bornAt)
    // Or somebody waits for plugins that had no part in it: there are only so many of those that had.
    const isThere = this.#standby?.isReady === true || this.#options.idle?.isReady === true
    if (isThere || this.#loads.waitedFor.length > 0) return this.#spawn()
    this.#respawnTimer = setTimeout(() => this.#spawn(), delayMs)
  }

  #tick(): void {
    const now = performance.now()
    for (const call of this.#calls.values()) {
      const fault = call.overdue(now)
      if (fault !== null) this.#giveUp(call, fault)
    }
    if (this.#calls.size > 0 || this.#ticker === null) return
    clearInterval(this.#ticker)
    this.#ticker = null
  }

  #name(plugin: number): string {
    return this.#plugins.get(plugin)?.request.name ?? `plugin ${plugin}`
  }
}
