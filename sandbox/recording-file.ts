/** Reads recordings back: lines of JSON, by the isolate life they belong to, in the order of asking. */
import { readFileSync } from 'node:fs'
import type { HookName } from '../core/mail/hook-events.ts'
import { HOOK_NAMES } from '../core/mail/hook-events.ts'
import type { Activation, RecordedPlugin, WithheldActivation } from './activation.ts'

/** One life of a plugin's isolate, as far as it was recorded. */
export interface RecordedLoad {
  readonly plugin: RecordedPlugin
  readonly activations: readonly (Activation | WithheldActivation)[]
}

/** A file that is no recording, or one nobody can read. The message is a sentence. */
export class RecordingUnreadable extends Error {}

/**
 * @param files in any order; what stands in two of them counts twice
 * @throws RecordingUnreadable
 */
export function readRecording(files: readonly string[]): readonly RecordedLoad[] {
  const plugins = new Map<string, RecordedPlugin>()
  const lives = new Map<string, (Activation | WithheldActivation)[]>()
  for (const file of files)
    for (const line of linesOf(file)) {
      const key = `${file}\n${line.load}`
      // A load may go on from one file to the next: what is about the same plugin belongs together.
      if (line.kind === 'plugin') plugins.set(key, line)
      else {
        const plugin = plugins.get(key)
        if (plugin === undefined)
          throw new RecordingUnreadable(`${file} lacks the line that says of whom it is.`)
        const life = `${line.load}\n${plugin.name}`
        plugins.set(life, plugin)
        const activations = lives.get(life) ?? []
        lives.set(life, activations)
        activations.push(line)
      }
    }
  return [...lives].map(([life, activations]) => ({
    plugin: plugins.get(life) as RecordedPlugin,
    activations: activations.toSorted((a, b) => a.n - b.n),
  }))
}

type Line = RecordedPlugin | Activation | WithheldActivation

function linesOf(file: string): readonly Line[] {
  const lines = textOf(file).split('\n')
  return lines.flatMap((line, index) => {
    if (line === '') return []
    const parsed = parseLine(line)
    if (parsed !== null) return [parsed]
    // The end of a process may have cut the last one.
    if (index === lines.length - 1) return []
    throw new RecordingUnreadable(`${file}:${index + 1} is no line of a recording.`)
  })
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new RecordingUnreadable(`${file} cannot be read: ${(error as Error).message.split(',')[0]}.`)
  }
}

function parseLine(text: string): Line | null {
  let line: Record<string, unknown>
  try {
    line = JSON.parse(text) as Record<string, unknown>
  } catch {
    return null
  }
  if (typeof line !== 'object' || line === null || typeof line['load'] !== 'string') return null
  if (line['kind'] === 'plugin') return isText(line['name'], line['source']) ? (line as never) : null
  if (typeof line['n'] !== 'number' || !isHook(line['hook']) || !isText(line['session'])) return null
  if (line['kind'] === 'withheld') return line as never
  const { kind, end, t, seed, event, effects, said } = line
  const isWhole =
    [end, t, seed].every((value) => typeof value === 'number') && isObject(event) && isObject(said)
  return kind === 'activation' && isWhole && Array.isArray(effects) ? (line as never) : null
}

function isHook(value: unknown): value is HookName {
  return (HOOK_NAMES as readonly unknown[]).includes(value)
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null
}

function isText(...values: readonly unknown[]): boolean {
  return values.every((value) => typeof value === 'string')
}
