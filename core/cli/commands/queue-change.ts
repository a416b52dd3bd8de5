/** `postern queue retry|hold|release|bounce|drop`: one pattern, five verbs. */
import { Command } from 'commander'
import type { Control, QueueEntry, QueueFilter } from '../../admin/control.ts'
import { MAX_LIST_LIMIT } from '../../admin/control-call.ts'
import type { CommandLine } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { counted } from '../quantity.ts'
import { addFilterOptions, type FilterOptions, selectedBy, summary } from '../queue-filter.ts'
import { formatQueue } from '../queue-table.ts'
import { visible } from '../visible-text.ts'

interface ChangeOptions extends FilterOptions {
  readonly all?: boolean
}

/** A verb of the queue: what it does, and how it is spoken of. */
interface Change {
  /** As in "nothing to retry". */
  readonly verb: string
  /** As in "3 recipients are due now". */
  readonly done: readonly [one: string, several: string]
  readonly apply: (control: Control, filter: QueueFilter) => Promise<number>
}

const SHOWN_IN_PREVIEW = 10

export function queueRetryCommand(line: CommandLine): Command {
  const change: Change = {
    verb: 'retry',
    done: ['is due now', 'are due now'],
    apply: (control, filter) => control.queueRetry(filter),
  }
  return changeCommand('retry')
    .description('Try recipients that wait for their next attempt now.')
    .addHelpText(
      'after',
      '\nExamples:\n  postern queue retry q_bcdfghjklmnp\n  postern queue retry --to @example.test',
    )
    .action(
      line.action(
        async (ids: string[], options: ChangeOptions) => await apply(line, change, selectedBy(ids, options)),
      ),
    )
}

export function queueHoldCommand(line: CommandLine): Command {
  return changeCommand('hold')
    .description('Keep recipients until they are released.')
    .option('--reason <text>', 'why, for whoever looks at it later', 'held by the operator')
    .addHelpText('after', '\nExample:\n  postern queue hold --from @example.test --reason "looks like spam"')
    .action(
      line.action(async (ids: string[], { reason, ...options }: ChangeOptions & { reason: string }) => {
        const change: Change = {
          verb: 'hold',
          done: ['is held', 'are held'],
          apply: (control, filter) => control.queueHold(filter, reason),
        }
        return await apply(line, change, selectedBy(ids, options))
      }),
    )
}

export function queueReleaseCommand(line: CommandLine): Command {
  const change: Change = {
    verb: 'release',
    done: ['is released', 'are released'],
    apply: (control, filter) => control.queueRelease(filter),
  }
  return changeCommand('release')
    .description('Let held recipients go: they are due at once, with a full life in the queue.')
    .addHelpText('after', '\nExample:\n  postern queue release q_bcdfghjklmnp')
    .action(
      line.action(
        async (ids: string[], options: ChangeOptions) => await apply(line, change, selectedBy(ids, options)),
      ),
    )
}

export function queueDropCommand(line: CommandLine): Command {
  const change: Change = {
    verb: 'drop',
    done: ['is dropped', 'are dropped'],
    apply: (control, filter) => control.queueDrop(filter),
  }
  return changeCommand('drop')
    .description(
      'Forget recipients for good, without telling the sender. Shows what it would do unless --yes.',
    )
    .option('--yes', 'really do it')
    .addHelpText('after', '\nExample:\n  postern queue drop --from @example.test --state held --yes')
    .action(
      line.action(async (ids: string[], { yes, ...options }: ChangeOptions & { yes?: boolean }) => {
        const filters = selectedBy(ids, options)
        return yes === true ? await apply(line, change, filters) : await preview(line, change, filters)
      }),
    )
}

export function queueBounceCommand(line: CommandLine): Command {
  return changeCommand('bounce')
    .description('Give recipients up and tell their senders. Shows what it would do unless --yes.')
    .option('--reason <text>', 'why; the sender reads it', 'it could not be delivered')
    .option('--yes', 'really do it')
    .addHelpText(
      'after',
      '\nExample:\n  postern queue bounce --to @gone.test --reason "this domain is gone" --yes',
    )
    .action(
      line.action(
        async (
          ids: string[],
          { yes, reason, ...options }: ChangeOptions & { yes?: boolean; reason: string },
        ) => {
          const change: Change = {
            verb: 'bounce',
            done: ['is given up', 'are given up'],
            apply: (control, filter) => control.queueBounce(filter, reason),
          }
          const filters = selectedBy(ids, options)
          return yes === true ? await apply(line, change, filters) : await preview(line, change, filters)
        },
      ),
    )
}

function changeCommand(name: string): Command {
  return addFilterOptions(new Command(name))
    .argument('[ids...]', 'queue ids (q_…)')
    .option('--all', 'everything in the queue')
}

async function apply(line: CommandLine, change: Change, filters: readonly QueueFilter[]): Promise<ExitCode> {
  const control = await line.control()
  let changed = 0
  const complaints: string[] = []
  for (const filter of filters) {
    const count = await change.apply(control, filter)
    changed += count
    if (count === 0 && filter.message !== undefined)
      complaints.push(await whyNothing(control, change.verb, filter.message))
  }
  const [one, several] = change.done
  if (line.json) line.output.json({ changed, complaints })
  else {
    if (changed > 0 || complaints.length === 0)
      line.output.print(`${counted(changed, 'recipient')} ${changed === 1 ? one : several}.`)
    for (const complaint of complaints) line.output.complain(complaint)
  }
  return complaints.length === 0 ? EXIT.fine : EXIT.problem
}

async function whyNothing(control: Control, verb: string, id: string): Promise<string> {
  const entries = await control.queueList({ message: id }, MAX_LIST_LIMIT)
  if (entries.length === 0) return unknown(id)
  return `Nothing to ${verb} in ${visible(id)}: ${summary(entries)}.`
}

function unknown(id: string): string {
  return `There is no message ${visible(id)} in the queue.`
}

/** Shows what a drop or a bounce would do, and does nothing. */
async function preview(
  line: CommandLine,
  { verb }: Change,
  filters: readonly QueueFilter[],
): Promise<ExitCode> {
  const control = await line.control()
  const found: QueueEntry[] = []
  const complaints: string[] = []
  for (const filter of filters) {
    const entries = await control.queueList(filter, MAX_LIST_LIMIT)
    if (entries.length === 0 && filter.message !== undefined) complaints.push(unknown(filter.message))
    found.push(...entries)
  }
  const entries = found.filter(({ leased, state }) => !leased && state !== 'delivered' && state !== 'bounced')
  if (line.json) line.output.json({ preview: true, recipients: entries.length, entries, complaints })
  else for (const text of formatPreview(verb, entries, found, line.output.width)) line.output.print(text)
  if (!line.json) for (const complaint of complaints) line.output.complain(complaint)
  return complaints.length === 0 ? EXIT.fine : EXIT.problem
}

function formatPreview(
  verb: string,
  entries: readonly QueueEntry[],
  found: readonly QueueEntry[],
  width: number | null,
): readonly string[] {
  const busy = found.filter(({ leased }) => leased).length
  const stay = busy === 0 ? [] : [`${counted(busy, 'recipient')} being delivered right now would stay.`]
  if (entries.length === 0) return [`Nothing to ${verb}.`, ...stay]
  const messages = new Set(entries.map(({ message }) => message)).size
  const atLeast = found.length >= MAX_LIST_LIMIT ? 'at least ' : ''
  const more = entries.length - SHOWN_IN_PREVIEW
  return [
    `Would ${verb} ${atLeast}${counted(entries.length, 'recipient')} of ${counted(messages, 'message')}, for good:`,
    '',
    ...formatQueue(entries.slice(0, SHOWN_IN_PREVIEW), Date.now(), width),
    ...(more > 0 ? [`… and ${more} more`] : []),
    '',
    ...stay,
    `Nothing was changed. Run again with --yes to ${verb} them.`,
  ]
}
