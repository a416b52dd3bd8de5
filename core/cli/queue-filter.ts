/** The filter words of every queue command: which recipients are meant. */
import { type Command, InvalidArgumentError, Option } from 'commander'
import type { QueueEntry, QueueFilter, RecipientState } from '../admin/control.ts'
import { durationMs } from './duration-option.ts'
import { CommandFault, EXIT } from './exit-code.ts'
import { counted } from './quantity.ts'

export interface FilterOptions {
  readonly state?: RecipientState
  readonly from?: string
  readonly to?: string
  readonly route?: string
  /** The option `--reason` says why something is done. */
  readonly detail?: string
  /** Milliseconds. */
  readonly older?: number
  readonly newer?: number
}

/** Adds `--state --from --to --route --detail --older --newer`. */
export function addFilterOptions(command: Command): Command {
  return command
    .addOption(
      new Option('--state <state>', 'recipients in this state').choices([
        'due',
        'held',
        'delivered',
        'bounced',
      ] as const),
    )
    .option('--from <address>', 'reverse-path, or @domain; <> for bounces', text)
    .option('--to <address>', 'recipient, or @domain', text)
    .option('--route <destination>', 'destination, as in smtp://192.0.2.7:25', text)
    .option('--detail <text>', 'part of the reason of the hold, or of the last reply', text)
    .option('--older <duration>', 'accepted longer ago than this, as in 2h', durationMs)
    .option('--newer <duration>', 'accepted since then, as in 2h', durationMs)
}

/** A whole number from `least` to `most`, for commander. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (value) => {
    const number = Number(value)
    if (!/^\d+$/.test(value) || number < least || number > most)
      throw new InvalidArgumentError(`It must be a whole number from ${least} to ${most}.`)
    return number
  }
}

function text(value: string): string {
  if (value === '' || value.length > 512) throw new InvalidArgumentError('It must have 1 to 512 characters.')
  return value
}

export function toFilter({ state, from, to, route, detail, older, newer }: FilterOptions): QueueFilter {
  const now = Date.now()
  return {
    ...(state === undefined ? {} : { state }),
    ...(from === undefined ? {} : { from: from === '<>' ? '' : from }),
    ...(to === undefined ? {} : { to }),
    ...(route === undefined ? {} : { route }),
    ...(detail === undefined ? {} : { reason: detail }),
    ...(older === undefined ? {} : { acceptedBefore: now - older }),
    ...(newer === undefined ? {} : { acceptedSince: now - newer }),
  }
}

/**
 * One filter for every message named, or the one that the options make.
 *
 * @throws CommandFault when nothing was named: a slip must not mean the whole queue
 */
export function selectedBy(
  ids: readonly string[],
  options: FilterOptions & { readonly all?: boolean },
): readonly QueueFilter[] {
  const filter = toFilter(options)
  if (ids.length > 0) return [...new Set(ids)].map((message) => ({ ...filter, message }))
  if (Object.keys(filter).length > 0 || options.all === true) return [filter]
  throw new CommandFault(
    EXIT.usage,
    'Which messages? Name queue ids, or filter with --state, --from, --to, --route, --detail, --older, --newer,\nor say --all.',
  )
}

/** `2 recipients held, 1 recipient due`: where recipients stand, for a sentence. */
export function summary(entries: readonly QueueEntry[]): string {
  const counts = new Map<string, number>()
  for (const { state, leased } of entries) {
    const word = leased ? 'being delivered right now' : state
    counts.set(word, (counts.get(word) ?? 0) + 1)
  }
  return [...counts].map(([word, count]) => `${counted(count, 'recipient')} ${word}`).join(', ')
}
