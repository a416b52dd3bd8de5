/** `postern queue list`. */
import { Command } from 'commander'
import { MAX_LIST_LIMIT } from '../../admin/control-call.ts'
import type { CommandLine } from '../command-line.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { addFilterOptions, type FilterOptions, toFilter, wholeNumber } from '../queue-filter.ts'
import { formatQueue } from '../queue-table.ts'

const DEFAULT_LIMIT = 100

interface ListOptions extends FilterOptions {
  readonly limit: number
}

export function queueListCommand(line: CommandLine): Command {
  return addFilterOptions(new Command('list'))
    .description('List recipients that are still owed mail, one a line.')
    .option('--limit <count>', 'at most so many', wholeNumber(1, MAX_LIST_LIMIT - 1), DEFAULT_LIMIT)
    .addHelpText(
      'after',
      '\nExamples:\n  postern queue list --state held\n  postern queue list --to @example.test',
    )
    .action(line.action(async (options: ListOptions) => await list(line, options)))
}

async function list(line: CommandLine, options: ListOptions): Promise<ExitCode> {
  const control = await line.control()
  // One more than is shown, to know whether there are more.
  const found = await control.queueList(toFilter(options), options.limit + 1)
  const entries = found.slice(0, options.limit)
  const isCut = found.length > entries.length
  if (line.json) line.output.json({ entries, more: isCut })
  else if (entries.length === 0)
    line.output.print(isEmpty(options) ? 'The queue is empty.' : 'No recipient matches.')
  else {
    for (const text of formatQueue(entries, Date.now(), line.output.width)) line.output.print(text)
    if (isCut) line.output.complain(`There are more than these ${entries.length}: use --limit, or a filter.`)
  }
  return EXIT.fine
}

function isEmpty(options: FilterOptions): boolean {
  return Object.keys(toFilter(options)).length === 0
}
