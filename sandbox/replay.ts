/**
 * Plays recorded activations through a plugin, in a real isolate: the same clock, random numbers and events, and every
 * effect answered as it was, everything in the order of then, in a fresh isolate for each life of one. So variables of a
 * module are as they were too, where the recording has the life of the isolate from its beginning.
 */
import { isDeepStrictEqual } from 'node:util'
import type { PluginConfig } from '../config/config.ts'
import { formatProblem } from '../config/problem.ts'
import type { PluginReport } from '../core/hooks/plugin-panel.ts'
import type { HookEvents, HookName, MessageReader } from '../core/mail/hook-events.ts'
import type { HeaderField } from '../core/mail/message.ts'
import { systemClock } from '../core/observe/clock.ts'
import { silentLog } from '../core/observe/log.ts'
import {
  type Activation,
  ActivationTrace,
  type RecordedEffect,
  type RecordedPlugin,
  type Said,
  type Settled,
} from './activation.ts'
import { Domains } from './domains.ts'
import { loadPlugins, type ReadyPlugin } from './load.ts'
import { Panel } from './panel.ts'
import { PluginBounds } from './plugin-bounds.ts'
import { forgetfulQuarantine } from './quarantine.ts'
import { RecordedEffects, type UsedOtherwise } from './recorded-effects.ts'
import type { RecordedLoad } from './recording-file.ts'
import { readSandboxSources } from './sources.ts'

/** One decision that is another one now. */
export interface ReplayDifference extends UsedOtherwise {
  readonly load: string
  readonly n: number
  /** Milliseconds since 1970. */
  readonly t: number
  readonly hook: HookName
  readonly session: string
  /** What it was about: a recipient, a sender, a queue id; '' when the hook has none. */
  readonly about: string
  readonly recorded: Said
  readonly replayed: Said
}

export interface Replay {
  /** Who was recorded last. */
  readonly recorded: Pick<RecordedPlugin, 'name' | 'version' | 'build'>
  /** What they were played through. */
  readonly plugin: { readonly name: string; readonly version: string; readonly build: string }
  readonly played: number
  readonly same: number
  /** Not played, by reason. */
  readonly left: Readonly<Record<string, number>>
  readonly differences: readonly ReplayDifference[]
}

/** The plugin does not load. The message is what an administrator would read. */
export class ReplayImpossible extends Error {}

const RANDOM_STEPS = 0x7fffffff
const CHAIN_MS = 30_000

/** @throws ReplayImpossible */
export async function replay(loads: readonly RecordedLoad[], entry: PluginConfig): Promise<Replay> {
  const last = loads.at(-1)
  if (last === undefined) throw new ReplayImpossible('There is nothing in this recording.')
  const left: Record<string, number> = {}
  const differences: ReplayDifference[] = []
  let played = 0
  let plugin: ReadyPlugin | null = null
  for (const { activations } of loads) {
    const playable: Activation[] = []
    for (const activation of activations) {
      const why = whyLeft(activation)
      if (activation.kind === 'activation' && why === null) playable.push(activation)
      else left[why ?? ''] = (left[why ?? ''] ?? 0) + 1
    }
    const stage = await Stage.open(entry)
    plugin = stage.plugin
    try {
      differences.push(...(await stage.play(playable)))
    } finally {
      stage.close()
    }
    played += playable.length
  }
  const { name, version, build } = last.plugin
  return {
    recorded: { name, version, build },
    plugin: (plugin as ReadyPlugin).identity,
    played,
    same: played - differences.length,
    left,
    differences,
  }
}

/** Why an activation says nothing when it is played; null when it does. */
export function whyLeft(activation: RecordedLoad['activations'][number]): string | null {
  if (activation.kind === 'withheld')
    return activation.why === 'password' ? 'a password was told' : 'it was too large'
  const { said, effects } = activation
  if (effects.some(({ withheld }) => withheld === true)) return 'it read or sent content, which was not kept'
  if (!('fault' in said)) return null
  if (said.fault.kind === 'unavailable' || said.fault.kind === 'death') return 'its process ended'
  return effects.some(({ at }) => at === null) ? 'it waited for what never came' : null
}

/** An activation being played. */
interface Scene {
  readonly activation: Activation
  readonly effects: RecordedEffects
  readonly over: Promise<ReplayDifference | null>
}

/** What the next frame to the plughost is made with. */
interface Moment {
  t: number
  seed: number
  /** Of whom an effect is asked for. */
  effects: RecordedEffects
}

/** A plugin in an isolate, with clock, random numbers and effects of a recording. */
class Stage {
  readonly plugin: ReadyPlugin
  readonly #panel: Panel
  readonly #domains: Domains
  readonly #moment: Moment

  private constructor(plugin: ReadyPlugin, domains: Domains, moment: Moment) {
    this.plugin = plugin
    this.#domains = domains
    this.#moment = moment
    this.#panel = new Panel([plugin], new Map(), forgetfulQuarantine(), {
      recording: { trace: () => new Prompter(moment), add: () => {} },
    })
  }

  /** @throws ReplayImpossible when it does not load */
  static async open(entry: PluginConfig): Promise<Stage> {
    const moment: Moment = { t: 0, seed: 0, effects: new RecordedEffects([]) }
    const domains = new Domains({
      clock: { now: () => moment.t, monotonic: () => systemClock.monotonic() },
      log: silentLog,
      usage: new Map(),
      bounds: new PluginBounds(undefined, Infinity),
      idle: null,
      // Half a step up, so that rounding down gives the seed again.
      random: () => (moment.seed + 0.5) / RANDOM_STEPS,
      // Every tool there was is there: whether it might be used was decided when it was recorded.
      broker: {
        effect: (method) => ({ write: false, run: (_caller, args) => moment.effects.ask(method, args) }),
        failed: (_caller, _method, error) =>
          error instanceof Error
            ? { name: error.name, message: error.message }
            : { name: 'Unavailable', message: String(error) },
      },
    })
    const { sources, problems } = readSandboxSources({
      plugins: [entry],
      lookups: {},
      secrets: {},
      file: null,
    })
    const loading = problems.length > 0 ? { problems } : await loadPlugins(sources, domains, null)
    if ('plugins' in loading && loading.plugins[0] !== undefined)
      return new Stage(loading.plugins[0], domains, moment)
    domains.close()
    throw new ReplayImpossible('problems' in loading ? loading.problems.map(formatProblem).join('\n\n') : '')
  }

  /** Plays one life of an isolate, everything in the order of then. @returns what differs */
  async play(activations: readonly Activation[]): Promise<readonly ReplayDifference[]> {
    const differences: ReplayDifference[] = []
    const scenes = new Map<Activation, Scene>()
    for (const { activation, effect } of stepsOf(activations)) {
      const scene = scenes.get(activation)
      if (scene === undefined) scenes.set(activation, this.#begin(activation))
      else if (effect !== null) await scene.effects.answer(effect, scene.over)
      else {
        const difference = await scene.over
        scenes.delete(activation)
        if (difference !== null) differences.push(difference)
      }
    }
    return differences
  }

  close(): void {
    this.#domains.close()
  }

  #begin(activation: Activation): Scene {
    const { t, seed } = activation
    const effects = new RecordedEffects(activation.effects)
    Object.assign(this.#moment, { t, seed, effects })
    return { activation, effects, over: this.#ask(activation, effects) }
  }

  async #ask(activation: Activation, effects: RecordedEffects): Promise<ReplayDifference | null> {
    const { load, n, t, hook, session, event, said } = activation
    const message = hook === 'data' ? readerOf(activation) : null
    const call = { hook, event: event as HookEvents[HookName], message, session, chainMs: CHAIN_MS }
    const [report] = this.plugin.manifest.hooks.includes(hook) ? await this.#panel.ask(call, 0) : []
    const recorded = plain(said)
    const replayed = plain(saidOf(report))
    const used = effects.usedOtherwise()
    if (isDeepStrictEqual(comparable(recorded), comparable(replayed)) && isNothing(used)) return null
    return { load, n, t, hook, session, about: aboutOf(event), recorded, replayed, ...used }
  }
}

/** Says whose effects are meant when a call asks for one. */
class Prompter extends ActivationTrace {
  readonly #moment: Moment
  readonly #effects: RecordedEffects

  constructor(moment: Moment) {
    super(() => 0, false)
    this.#moment = moment
    this.#effects = moment.effects
  }

  override effect(): Settled {
    this.#moment.effects = this.#effects
    return () => {}
  }
}

interface Step {
  readonly at: number
  readonly activation: Activation
  /** The effect that is answered; null: the beginning or the end. */
  readonly effect: RecordedEffect | null
}

/** Beginnings, answers of effects and ends, in the order of then. */
function stepsOf(activations: readonly Activation[]): readonly Step[] {
  const steps = activations.flatMap((activation): Step[] => [
    { at: activation.n, activation, effect: null },
    ...activation.effects.flatMap((effect) =>
      effect.at === null ? [] : [{ at: effect.at, activation, effect }],
    ),
    { at: activation.end, activation, effect: null },
  ])
  return steps.toSorted((a, b) => a.at - b.at)
}

/** The message an activation was about, as far as it was recorded. */
export function readerOf({ fields = [], event }: Activation): MessageReader {
  const { message } = event as { readonly message?: { readonly sizeBytes?: number } }
  return {
    sizeBytes: message?.sizeBytes ?? 0,
    headers: () => fields as readonly HeaderField[],
    header: new Uint8Array(0),
    content: { kind: 'inline', bytes: new Uint8Array(0) },
    // Answered from the recording, like every effect.
    bodyChunk: () => Promise.resolve(undefined),
  }
}

/** A plugin without the hook any more has no opinion. */
function saidOf(report: PluginReport | undefined): Said {
  const { answer = null, fault = null } = report ?? {}
  return fault === null ? (answer ?? { refusal: null, note: null, actions: [] }) : { fault }
}

/** As it would be read from a file: what is undefined is not there. */
function plain(said: Said): Said {
  return JSON.parse(JSON.stringify(said)) as Said
}

/** Where a fault happened moves with every line that is added above it. */
function comparable(said: Said): unknown {
  return 'fault' in said ? { kind: said.fault.kind, message: said.fault.message } : said
}

function isNothing({ askedFor, notAskedFor }: UsedOtherwise): boolean {
  return askedFor.length === 0 && notAskedFor.length === 0
}

function aboutOf(event: unknown): string {
  const { recipient, queueId, transaction, reversePath } = event as {
    readonly recipient?: string
    readonly queueId?: string
    readonly transaction?: { readonly reversePath?: string }
    readonly reversePath?: string
  }
  const sender = transaction?.reversePath ?? reversePath
  return recipient ?? queueId ?? (sender === undefined ? '' : `from <${sender}>`)
}
